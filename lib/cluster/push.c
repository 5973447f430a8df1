// SPDX-License-Identifier: MIT
#include "cluster/push.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "cluster/push_impl.h"
#include "cluster/remedy.h"
#include "cluster/registry.h"
#include "fleet/fleet.h"

void dmpi_push_tell(struct dmpi_push *p, const char *node, uint64_t bytes, uint64_t total)
{
    if (!p->opts->progress)
        return;
    pthread_mutex_lock(&p->lock);
    p->opts->progress(p->opts->arg, node, p->ref, bytes, total);
    pthread_mutex_unlock(&p->lock);
}

static bool chosen(const struct dmpi_push *p, size_t node)
{
    return !p->opts->nodes || p->opts->nodes[node];
}

// --- what is there, and what counts --------------------------------------------------------------

static int look_at(struct dmpi_engine *engine, size_t node, void *arg, struct dmpi_err *err)
{
    struct dmpi_push *p = arg;
    if (!p->looked[node])
        return 0;
    dmpi_content_free(&p->contents[node]);
    return dmpi_content_find(&p->contents[node], engine, p->ref, p->ctl, err);
}

// Asks the chosen nodes, and all of them when the local engine has nothing to offer.
static void look(struct dmpi_push *p, struct dmpi_err *errs)
{
    size_t n = dmpi_fleet_size(p->fleet);
    for (size_t i = 0; i < n; i++)
        p->looked[i] = !p->local.present || chosen(p, i);
    dmpi_fleet_each(p->fleet, p->ctl, 0, look_at, p, errs);
    for (size_t i = 0; i < n; i++)
        if (!chosen(p, i))
            errs[i] = (struct dmpi_err)DMPI_ERR_INIT;
}

static bool choose_source(struct dmpi_push *p)
{
    p->wanted = p->local.present ? &p->local : NULL;
    p->source = -1;
    for (size_t i = 0; !p->local.present && i < dmpi_fleet_size(p->fleet); i++) {
        const struct dmpi_content *c = &p->contents[i];
        if (!c->present || (p->wanted && c->created <= p->wanted->created))
            continue;
        p->wanted = c;
        p->source = (long)i;
    }
    return p->wanted;
}

// Marks the nodes that lack the image; whether there are any.
static bool find_needs(struct dmpi_push *p, const struct dmpi_err *errs)
{
    bool any = false;
    for (size_t i = 0; i < dmpi_fleet_size(p->fleet); i++) {
        const struct dmpi_content *c = &p->contents[i];
        bool asked = chosen(p, i) && errs[i].code == DMPI_OK;
        p->needs[i] = asked && !dmpi_content_same(c, p->wanted);
        if (p->needs[i])
            p->results[i].replaced = c->present;
        else if (asked && p->results[i].what == DMPI_PUSH_SKIPPED)
            p->results[i].what = DMPI_PUSH_SAME;
        any = any || p->needs[i];
    }
    return any;
}

// --- from a registry -----------------------------------------------------------------------------

static int pull_on(struct dmpi_engine *engine, size_t node, void *arg, struct dmpi_err *err)
{
    struct dmpi_push *p = arg;
    if (!p->needs[node] || dmpi_push_pull(p, engine, node, err) == 0)
        return 0;
    dmpi_remedy_add(err);
    return -1;
}

static void pull(struct dmpi_push *p, const char *what, struct dmpi_err *errs)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    p->pull = what;
    if (dmpi_registry_auth(&p->auth, what, p->ctl, &err) < 0)
        dmpi_warn("warning: %s", err.msg);
    dmpi_fleet_each(p->fleet, p->ctl, 0, pull_on, p, errs);
}

// Nobody has it yet.
static void pull_anywhere(struct dmpi_push *p, struct dmpi_err *errs)
{
    for (size_t i = 0; i < dmpi_fleet_size(p->fleet); i++)
        p->needs[i] = chosen(p, i) && errs[i].code == DMPI_OK;
    dmpi_autofree struct dmpi_err *pulled = dmpi_xcalloc(dmpi_fleet_size(p->fleet), sizeof *pulled);
    pull(p, p->ref, pulled);
    look(p, errs);
    if (choose_source(p)) // the others may get it from who has it
        return;
    for (size_t i = 0; i < dmpi_fleet_size(p->fleet); i++)
        if (pulled[i].code != DMPI_OK)
            errs[i] = pulled[i];
}

// Exactly what is wanted; who cannot gets it sent.
static bool pull_wanted(struct dmpi_push *p, struct dmpi_err *errs)
{
    size_t n = dmpi_fleet_size(p->fleet);
    dmpi_autofree struct dmpi_err *pulled = dmpi_xcalloc(n, sizeof *pulled);
    dmpi_autofree char *what = dmpi_xstrdup(p->wanted->pulled);
    pull(p, what, pulled);
    for (size_t i = 0; i < n; i++)
        if (pulled[i].code != DMPI_OK)
            dmpi_debug("%s; it is sent instead", pulled[i].msg);
    look(p, errs);
    return choose_source(p) && find_needs(p, errs);
}

// --- from an engine --------------------------------------------------------------------------------

static void reading(void *arg, uint64_t bytes)
{
    struct dmpi_push *p = arg;
    int64_t now = dmpi_now_ms();
    if (now - p->told < DMPI_PUSH_TELL_MS)
        return;
    p->told = now;
    dmpi_push_tell(p, NULL, bytes, 0);
}

static int read_source(struct dmpi_push *p, struct dmpi_err *err)
{
    struct dmpi_engine *engine = p->opts->local;
    if (p->source >= 0 && dmpi_fleet_engine(&engine, p->fleet, (size_t)p->source, p->ctl, err) < 0)
        return -1;
    if (p->source >= 0)
        dmpi_debug("image %s is taken from node %s", p->ref,
                   dmpi_fleet_name(p->fleet, (size_t)p->source));
    return dmpi_spool_make(&p->spool, engine, p->ref, reading, p, p->ctl, err);
}

static int send_to(struct dmpi_engine *engine, size_t node, void *arg, struct dmpi_err *err)
{
    struct dmpi_push *p = arg;
    if (!p->needs[node] || dmpi_push_send(p, engine, node, err) == 0)
        return 0;
    dmpi_remedy_add(err); // a disk that is full, as a rule
    return -1;
}

static int send_all(struct dmpi_push *p, struct dmpi_err *errs, struct dmpi_err *err)
{
    if (read_source(p, err) < 0)
        return -1;
    size_t n = dmpi_fleet_size(p->fleet);
    dmpi_autofree struct dmpi_err *sent = dmpi_xcalloc(n, sizeof *sent);
    dmpi_fleet_each(p->fleet, p->ctl, 0, send_to, p, sent);
    for (size_t i = 0; i < n; i++)
        if (chosen(p, i) && errs[i].code == DMPI_OK)
            errs[i] = sent[i];
    return 0;
}

// --- all of it ---------------------------------------------------------------------------------

// Asks who has what; p->wanted is NULL when nobody has it.
static int survey(struct dmpi_push *p, struct dmpi_err *errs, struct dmpi_err *err)
{
    if (p->opts->local && dmpi_content_find(&p->local, p->opts->local, p->ref, p->ctl, err) < 0)
        return -1;
    look(p, errs);
    choose_source(p);
    return dmpi_ctl_check(p->ctl, err);
}

static int push(struct dmpi_push *p, struct dmpi_err *errs, struct dmpi_err *err)
{
    if (survey(p, errs, err) < 0)
        return -1;
    if (!p->wanted && !p->opts->registry)
        return dmpi_err_set(err, DMPI_ENOTFOUND, "no engine has image %s", p->ref);
    if (!p->wanted)
        pull_anywhere(p, errs);
    if (!p->wanted || dmpi_ctl_check(p->ctl, err) < 0)
        return p->wanted ? -1 : 0; // errs tell
    bool needed = find_needs(p, errs);
    if (needed && p->opts->registry && p->wanted->pulled && !p->pull)
        needed = pull_wanted(p, errs);
    return needed ? send_all(p, errs, err) : 0;
}

static void open_push(struct dmpi_push *p, struct dmpi_fleet *fleet, const char *ref,
                      const struct dmpi_push_opts *opts, const struct dmpi_ctl *ctl)
{
    size_t n = dmpi_fleet_size(fleet);
    *p = (struct dmpi_push){.fleet = fleet,
                            .ref = ref,
                            .opts = opts,
                            .ctl = ctl,
                            .looked = dmpi_xcalloc(n, sizeof(bool)),
                            .needs = dmpi_xcalloc(n, sizeof(bool)),
                            .contents = dmpi_xcalloc(n, sizeof(struct dmpi_content))};
    pthread_mutex_init(&p->lock, NULL);
}

static void close_push(struct dmpi_push *p)
{
    for (size_t i = 0; i < dmpi_fleet_size(p->fleet); i++)
        dmpi_content_free(&p->contents[i]);
    dmpi_content_free(&p->local);
    dmpi_spool_free(p->spool);
    dmpi_registry_auth_free(p->auth);
    free(p->contents);
    free(p->looked);
    free(p->needs);
    pthread_mutex_destroy(&p->lock);
}

static long count_failed(const struct dmpi_fleet *fleet, const struct dmpi_err *errs)
{
    long failed = 0;
    for (size_t i = 0; i < dmpi_fleet_size(fleet); i++)
        failed += errs[i].code != DMPI_OK;
    return failed;
}

long dmpi_push_image(struct dmpi_fleet *fleet, const char *ref, const struct dmpi_push_opts *opts,
                     const struct dmpi_ctl *ctl, struct dmpi_push_result *results,
                     struct dmpi_err *errs, struct dmpi_err *err)
{
    struct dmpi_push p;
    open_push(&p, fleet, ref, opts, ctl);
    p.results = results;
    memset(results, 0, dmpi_fleet_size(fleet) * sizeof *results);
    int rc = push(&p, errs, err);
    close_push(&p);
    return rc < 0 ? -1 : count_failed(fleet, errs);
}

long dmpi_push_compare(struct dmpi_fleet *fleet, const char *ref, const struct dmpi_push_opts *opts,
                       const struct dmpi_ctl *ctl, enum dmpi_standing *out, struct dmpi_err *errs,
                       struct dmpi_err *err)
{
    struct dmpi_push p;
    open_push(&p, fleet, ref, opts, ctl);
    int rc = survey(&p, errs, err);
    for (size_t i = 0; rc == 0 && i < dmpi_fleet_size(fleet); i++)
        out[i] = !p.contents[i].present                        ? DMPI_IMAGE_ABSENT
                 : dmpi_content_same(&p.contents[i], p.wanted) ? DMPI_IMAGE_SAME
                                                               : DMPI_IMAGE_OTHER;
    close_push(&p);
    return rc < 0 ? -1 : count_failed(fleet, errs);
}
