// SPDX-License-Identifier: MIT
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cluster/down.h"
#include "out.h"
#include "state.h"
#include "verbs.h"

struct down {
    struct dmpi_common common;
    bool all, dry_run;
};

static void show(void *arg, const char *node, const char *container, enum dmpi_stage stage,
                 const char *detail)
{
    (void)arg;
    dmpi_progress_set(container ? container : node,
                      stage == DMPI_STAGE_REMOVED || stage == DMPI_STAGE_FAILED, "%s%s%s",
                      dmpi_stage_name(stage), detail ? ": " : "", detail ? detail : "");
}

static json_t *result_json(const struct dmpi_state *removed, const struct dmpi_fleet *fleet,
                           size_t left)
{
    json_t *list = dmpi_json_new_arr();
    for (size_t i = 0; i < removed->n; i++) {
        json_t *o = dmpi_json_new_obj();
        dmpi_json_set_str(o, "cluster", removed->members[i].cluster);
        dmpi_json_set_str(o, "container", removed->members[i].container);
        dmpi_json_set_str(o, "node", dmpi_fleet_name(fleet, removed->members[i].node));
        dmpi_json_add(list, o);
    }
    json_t *result = dmpi_json_new_obj();
    dmpi_json_set(result, "removed", list);
    dmpi_json_set_int(result, "left", (json_int_t)left);
    return result;
}

static int dry_run(const struct down *o, struct dmpi_session *session, struct dmpi_err *err)
{
    struct dmpi_state state;
    const char *cluster = o->all ? NULL : session->spec.name;
    int rc = dmpi_state_load(&state, session->fleet, cluster, dmpi_app_ctl(), err);
    if (o->common.json)
        dmpi_out_json(result_json(&state, session->fleet, state.n));
    else
        for (size_t i = 0; i < state.n; i++)
            dmpi_out_line("would remove %s on %s", state.members[i].container,
                          dmpi_fleet_name(session->fleet, state.members[i].node));
    dmpi_state_free(&state);
    return rc;
}

/* Says what is gone, a line a cluster; nothing when there was nothing: a second `down` is quiet. */
static void print_removed(const struct dmpi_state *removed)
{
    for (size_t i = 0, first = 0; i < removed->n; i++) {
        const char *cluster = removed->members[i].cluster;
        if (i + 1 < removed->n && strcmp(removed->members[i + 1].cluster, cluster) == 0)
            continue;
        dmpi_out_line("cluster %s: removed %zu container%s; nothing of it is left", cluster,
                      i + 1 - first, i + 1 - first == 1 ? "" : "s");
        first = i + 1;
    }
}

/* Containers cost nothing; rented machines do. */
static void remind(const struct dmpi_session *session)
{
    size_t far = 0;
    for (size_t i = 0; i < session->spec.n_nodes; i++)
        far += !dmpi_endpoint_local(&session->spec.nodes[i].ep);
    if (far)
        dmpi_out_note("%zu remote host%s still on; rented machines cost until they are stopped",
                      far, far == 1 ? " is" : "s are");
}

static int take_down(const struct down *o, struct dmpi_session *session, struct dmpi_err *err)
{
    struct dmpi_down_opts opts = {.progress = show};
    struct dmpi_down_result result = {0};
    dmpi_progress_start();
    int rc = dmpi_cluster_down(session->fleet, o->all ? NULL : session->spec.name, &opts,
                               dmpi_app_ctl(), &result, err);
    dmpi_progress_end();
    if (o->common.json)
        dmpi_out_json(result_json(&result.removed, session->fleet, result.left));
    else if (rc == 0)
        print_removed(&result.removed);
    if (rc < 0 && dmpi_state_failed(&result.removed) > 1) /* else err says the same */
        for (size_t i = 0; i < result.removed.n_nodes; i++)
            if (result.removed.errs[i].code != DMPI_OK)
                dmpi_out_note("%s", result.removed.errs[i].msg);
    if (rc == 0 && result.removed.n)
        remind(session);
    if (rc == 0 && !o->all)
        dmpi_session_forget(session->spec.name);
    dmpi_down_result_free(&result);
    return rc;
}

static int run(void *arg, const struct dmpi_strv *operands, struct dmpi_err *err)
{
    const struct down *o = arg;
    if (operands->n)
        return dmpi_usage(err, "down takes no operands; a cluster is chosen with --name");
    if (o->all && o->common.name)
        return dmpi_usage(err, "--all and --name exclude each other");
    struct dmpi_session session;
    int rc = dmpi_session_open(&session, &o->common, err);
    if (rc == 0)
        rc = o->dry_run ? dry_run(o, &session, err) : take_down(o, &session, err);
    dmpi_session_close(&session);
    return rc;
}

static const struct dmpi_opt opts[] = {
    {"all", 0, DMPI_OPT_FLAG, offsetof(struct down, all), NULL, "remove every cluster on the nodes",
     0, 0},
    {"dry-run", 0, DMPI_OPT_FLAG, offsetof(struct down, dry_run), NULL,
     "only say what would be removed", 0, 0},
    {0},
};

const struct dmpi_verb dmpi_verb_down = {
    .name = "down",
    .args = "",
    .summary = "remove the cluster's containers from every node, and check that none is left",
    .details =
        "Finds them by their label, so it also works when the cluster file is gone or `up` was\n"
        "cut off half-way. A cluster that is not there is no error.",
    .opts = opts,
    .opts_size = sizeof(struct down),
    .json = true,
    .run = run,
};
