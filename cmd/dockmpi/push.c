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
        if (errs[i].code != DMPI_OK || results[i].what != DMPI_PUSH_SENT)
            continue;
        dmpi_progress_set(dmpi_fleet_name(fleet, i), true,
                          "got %s: %s, %zu of %zu layers were there already", ref,
                          dmpi_text_human_bytes(size, (int64_t)results[i].bytes), results[i].had,
                          results[i].layers);
        if (sent)
            ++*sent;
    }
}

/* The engine that images are taken from: the one that docker itself would talk to. */
static int open_source(struct dmpi_engine **out, struct dmpi_err *err)
{
    struct dmpi_endpoint here = {0};
    *out = NULL;
    int rc = dmpi_endpoint_default(&here, err);
    if (rc == 0)
        rc = dmpi_engine_open(out, &here, dmpi_app_ctl(), err);
    dmpi_endpoint_free(&here);
    return rc < 0 ? dmpi_err_wrap(err, "images are sent from the local engine") : 0;
}

static int push_from(struct dmpi_engine *source, struct dmpi_fleet *fleet, const char *ref,
                     const bool *nodes, bool replace, size_t *sent, struct dmpi_err *err)
{
    size_t n = dmpi_fleet_size(fleet);
    dmpi_autofree struct dmpi_push_result *results = dmpi_xcalloc(n, sizeof *results);
    dmpi_autofree struct dmpi_err *errs = dmpi_xcalloc(n, sizeof *errs);
    const struct dmpi_push_opts opts = {.nodes = nodes, .replace = replace, .progress = show};
    dmpi_progress_start();
    long failed = dmpi_push_image(fleet, source, ref, &opts, dmpi_app_ctl(), results, errs, err);
    if (failed >= 0)
        report(fleet, ref, results, errs, sent);
    dmpi_progress_end();
    if (failed < 0)
        return -1;
    return dmpi_fleet_sum(fleet, errs, err);
}

int dmpi_push(struct dmpi_fleet *fleet, const char *ref, const bool *nodes, bool replace,
              size_t *sent, struct dmpi_err *err)
{
    struct dmpi_engine *source;
    if (open_source(&source, err) < 0)
        return -1;
    int rc = push_from(source, fleet, ref, nodes, replace, sent, err);
    dmpi_engine_close(source);
    return rc;
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

static int push_member_image(struct dmpi_engine *source, struct dmpi_fleet *fleet,
                             const struct dmpi_plan *plan, size_t i, struct dmpi_err *err)
{
    const char *ref = plan->members[i].profile->image;
    dmpi_autofree bool *nodes = dmpi_xcalloc(dmpi_fleet_size(fleet), sizeof *nodes);
    for (size_t k = i; k < plan->n; k++)
        if (strcmp(plan->members[k].profile->image, ref) == 0)
            nodes[plan->members[k].node] = true;
    int rc = push_from(source, fleet, ref, nodes, false, NULL, err);
    if (rc == 0 || err->code == DMPI_ECANCELED)
        return rc;
    /*
     * What is missing here or a node that is down: up meets it again and reports it node by node. Not
     * so an image that an engine could not take, for want of space for instance.
     */
    if (err->code == DMPI_EENGINE || err->code == DMPI_ESYS)
        dmpi_out_note("warning: image %s was not sent: %s", ref, err->msg);
    else
        dmpi_debug("%s", err->msg);
    *err = (struct dmpi_err)DMPI_ERR_INIT;
    return 0;
}

int dmpi_push_plan(struct dmpi_fleet *fleet, const struct dmpi_spec *spec,
                   const struct dmpi_plan *plan, struct dmpi_err *err)
{
    struct dmpi_engine *source;
    if (only_local(spec))
        return 0;
    if (open_source(&source, err) < 0) {
        dmpi_debug("%s", err->msg);
        *err = (struct dmpi_err)DMPI_ERR_INIT;
        return 0;
    }
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < plan->n; i++)
        if (!seen_before(plan, i))
            rc = push_member_image(source, fleet, plan, i, err);
    dmpi_engine_close(source);
    return rc;
}
