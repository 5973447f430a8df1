// SPDX-License-Identifier: MIT
// The members of the cluster itself, where it is up: the short-lived cluster says nothing about them.
#include <string.h>

#include "base/mem.h"
#include "cluster/doctor_impl.h"
#include "cluster/fetch.h"
#include "fleet/fleet.h"

#define REPAIR "`dockmpi up`, with the options that it had"

static void judge_member(struct dmpi_report *r, const struct dmpi_member *m, int *running)
{
    dmpi_autofree char *worker = dmpi_xasprintf("worker-%d", m->index);
    const char *name = m->role == DMPI_WORKER ? worker : "launcher";
    if (dmpi_member_running(m) && strcmp(m->state, "paused") != 0)
        ++*running;
    else
        dmpi_report_add(r, DMPI_BAD, "cluster", m->node_tag, REPAIR,
                        "%s of cluster %s is %s, not running", name, m->cluster, m->state);
}

static bool node_answered(const struct dmpi_state *state, const struct dmpi_fleet *fleet,
                          const char *node)
{
    for (size_t i = 0; i < state->n_nodes; i++)
        if (strcmp(dmpi_fleet_name(fleet, i), node) == 0)
            return state->errs[i].code == DMPI_OK;
    return true; // of the fleet no more: its container is not to be found
}

// Those whom the launcher knows. What a node has that does not answer is not known.
static void judge_missing(struct dmpi_report *r, const struct dmpi_state *state,
                          const struct dmpi_fleet *fleet, const struct dmpi_mesh *mesh,
                          const char *cluster)
{
    for (size_t i = 0; i < mesh->n; i++) {
        const struct dmpi_mesh_worker *w = &mesh->workers[i];
        if (!dmpi_state_worker(state, cluster, w->index) && node_answered(state, fleet, w->node))
            dmpi_report_add(r, DMPI_BAD, "cluster", w->node, REPAIR,
                            "%s of cluster %s is gone: it has no container", w->alias, cluster);
    }
}

void dmpi_exam_standing(struct dmpi_report *r, struct dmpi_fleet *fleet, const char *cluster,
                        const struct dmpi_ctl *ctl)
{
    struct dmpi_state state DMPI_AUTO(dmpi_state_free) = {0};
    struct dmpi_mesh mesh DMPI_AUTO(dmpi_mesh_free) = {0};
    struct dmpi_err err = DMPI_ERR_INIT; // nodes that do not answer are told already
    size_t bad = r->bad;
    int running = 0;
    dmpi_state_list(&state, fleet, cluster, ctl, &err);
    for (size_t i = 0; i < state.n; i++)
        if (state.members[i].role != DMPI_JOB)
            judge_member(r, &state.members[i], &running);
    if (running == 0)
        return; // it is not up, or all of it is told
    if (dmpi_cluster_mesh(&mesh, fleet, &state, cluster, ctl, &err) == 0)
        judge_missing(r, &state, fleet, &mesh, cluster);
    else if (r->bad == bad && (err.code == DMPI_ENOTFOUND || err.code == DMPI_ECONFLICT))
        dmpi_report_add(r, DMPI_BAD, "cluster", NULL, REPAIR, "%s", err.msg);
    if (r->bad == bad)
        dmpi_report_add(r, DMPI_GOOD, "cluster", NULL, NULL,
                        "cluster %s is up: its %d containers run", cluster, running);
}
