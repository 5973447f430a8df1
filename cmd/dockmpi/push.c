// SPDX-License-Identifier: MIT
#include "push.h"

#include <string.h>

#include "app.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "cluster/push.h"
#include "engine/engine.h"
#include "out.h"

static void show(void *arg, const char *node, const char *image, uint64_t bytes, uint64_t total)
{
    (void)arg;
    char now[16], all[16];
    dmpi_text_human_bytes(now, (int64_t)bytes);
    if (!node)
        dmpi_progress_set(image, false, "reading: %s", now);
    else
        dmpi_progress_set(node, false, "%s: %s of %s", image, now,
                          dmpi_text_human_bytes(all, (int64_t)total));
}

static void report(const struct dmpi_fleet *fleet, const char *ref,
                   const struct dmpi_push_result *results, const struct dmpi_err *errs,
                   size_t *sent)
{
    char size[16];
    for (size_t i = 0; i < dmpi_fleet_size(fleet); i++) {
        const struct dmpi_push_result *r = &results[i];
        if (errs[i].code != DMPI_OK || (r->what != DMPI_PUSH_SENT && r->what != DMPI_PUSH_PULLED))
            continue;
        dmpi_text_human_bytes(size, (int64_t)r->bytes);
        dmpi_progress_set(dmpi_fleet_name(fleet, i), true,
                          "%s %s: %s, %zu of %zu layers were there already%s",
                          r->what == DMPI_PUSH_SENT ? "got" : "pulled", ref, size, r->had,
                          r->layers, r->replaced ? "; another image had that name" : "");
        if (sent)
            ++*sent;
    }
}

struct dmpi_engine *dmpi_local_engine(void)
{
    struct dmpi_endpoint here = {0};
    struct dmpi_engine *engine = NULL;
    struct dmpi_err err = DMPI_ERR_INIT;
    if (dmpi_endpoint_default(&here, &err) < 0 ||
        dmpi_engine_open(&engine, &here, dmpi_app_ctl(), &err) < 0)
        dmpi_debug("no local engine to take images from: %s", err.msg);
    dmpi_endpoint_free(&here);
    return engine;
}

/* errs has one entry a node. -1 with *err when the image could not be had at all. */
static int push_with(struct dmpi_engine *local, struct dmpi_fleet *fleet,
                     const struct dmpi_profile *profile, const bool *nodes, size_t *sent,
                     struct dmpi_err *errs, struct dmpi_err *err)
{
    dmpi_autofree struct dmpi_push_result *results =
        dmpi_xcalloc(dmpi_fleet_size(fleet), sizeof *results);
    const struct dmpi_push_opts opts = {
        .nodes = nodes, .local = local, .registry = !profile->build, .progress = show};
    dmpi_progress_start();
    long failed = dmpi_push_image(fleet, profile->image, &opts, dmpi_app_ctl(), results, errs, err);
    if (failed >= 0)
        report(fleet, profile->image, results, errs, sent);
    dmpi_progress_end();
    return failed < 0 ? -1 : 0;
}

int dmpi_push(struct dmpi_fleet *fleet, const struct dmpi_profile *profile, const bool *nodes,
              size_t *sent, struct dmpi_err *err)
{
    dmpi_autofree struct dmpi_err *errs = dmpi_xcalloc(dmpi_fleet_size(fleet), sizeof *errs);
    struct dmpi_engine *local = dmpi_local_engine();
    int rc = push_with(local, fleet, profile, nodes, sent, errs, err);
    dmpi_engine_close(local);
    return rc == 0 ? dmpi_fleet_sum(fleet, errs, err) : -1;
}

static bool seen_before(const struct dmpi_plan *plan, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(plan->members[k].profile->image, plan->members[i].profile->image) == 0)
            return true;
    return false;
}

/* A cluster on the local engine alone has its images where they are built. */
static bool only_local(const struct dmpi_spec *spec)
{
    struct dmpi_endpoint here = {0};
    struct dmpi_err ignored = DMPI_ERR_INIT;
    if (spec->n_nodes != 1 || dmpi_endpoint_default(&here, &ignored) < 0)
        return false;
    dmpi_autofree char *ours = dmpi_endpoint_str(&here);
    dmpi_autofree char *theirs = dmpi_endpoint_str(&spec->nodes[0].ep);
    dmpi_endpoint_free(&here);
    return strcmp(ours, theirs) == 0;
}

/*
 * What is nowhere or a node that is down: up meets it again and reports it node by node. Not so an
 * image that an engine could not take or fetch, for want of space or of a login for instance.
 */
static void warn(const char *ref, const struct dmpi_err *err)
{
    if (err->code == DMPI_EENGINE || err->code == DMPI_ESYS)
        dmpi_out_note("warning: image %s was not brought there: %s", ref, err->msg);
    else if (err->code != DMPI_OK)
        dmpi_debug("%s", err->msg);
}

static int push_member_image(struct dmpi_engine *local, struct dmpi_fleet *fleet,
                             const struct dmpi_plan *plan, size_t i, struct dmpi_err *err)
{
    const char *ref = plan->members[i].profile->image;
    dmpi_autofree bool *nodes = dmpi_xcalloc(dmpi_fleet_size(fleet), sizeof *nodes);
    for (size_t k = i; k < plan->n; k++)
        if (strcmp(plan->members[k].profile->image, ref) == 0)
            nodes[plan->members[k].node] = true;
    dmpi_autofree struct dmpi_err *errs = dmpi_xcalloc(dmpi_fleet_size(fleet), sizeof *errs);
    if (push_with(local, fleet, plan->members[i].profile, nodes, NULL, errs, err) < 0) {
        if (err->code == DMPI_ECANCELED)
            return -1;
        warn(ref, err);
    }
    size_t wanted = 0, refused = 0;
    for (size_t node = 0; node < dmpi_fleet_size(fleet); node++) {
        wanted += nodes[node];
        refused += errs[node].code == DMPI_EENGINE;
    }
    if (wanted == refused) /* nobody could get it, so nothing of it can come up */
        return dmpi_fleet_sum(fleet, errs, err);
    for (size_t node = 0; node < dmpi_fleet_size(fleet); node++)
        warn(ref, &errs[node]);
    *err = (struct dmpi_err)DMPI_ERR_INIT;
    return dmpi_ctl_check(dmpi_app_ctl(), err);
}

/* What a cluster on the local engine alone has built is where it is needed. */
static bool is_there(const struct dmpi_plan *plan, size_t i, bool local_only)
{
    return seen_before(plan, i) || (local_only && plan->members[i].profile->build);
}

int dmpi_push_plan(struct dmpi_fleet *fleet, const struct dmpi_spec *spec,
                   const struct dmpi_plan *plan, struct dmpi_err *err)
{
    bool local_only = only_local(spec), opened = false;
    struct dmpi_engine *local = NULL;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < plan->n; i++) {
        if (is_there(plan, i, local_only))
            continue;
        if (!opened)
            local = dmpi_local_engine();
        opened = true;
        rc = push_member_image(local, fleet, plan, i, err);
    }
    dmpi_engine_close(local);
    return rc;
}
