// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "cluster/ttl.h"
#include "hint.h"
#include "job/jobs.h"
#include "absent.h"
#include "out.h"
#include "state.h"
#include "verbs.h"

static json_t *container_json(const struct dmpi_member *m, const struct dmpi_fleet *fleet)
{
    json_t *o = dmpi_json_new_obj();
    dmpi_autofree char *label = dmpi_member_label(m);
    dmpi_json_set_str(o, "cluster", m->cluster);
    dmpi_json_set_str(o, "name", label);
    dmpi_json_set_str(o, "role", dmpi_role_name(m->role));
    dmpi_json_set_int(o, "index", m->index);
    dmpi_json_set_str(o, "container", m->container);
    dmpi_json_set_str(o, "id", m->id);
    dmpi_json_set_str(o, "node", dmpi_fleet_name(fleet, m->node));
    dmpi_json_set_str(o, "state", m->state);
    dmpi_json_set_str(o, "image", m->image);
    dmpi_json_set_str(o, "profile", m->profile);
    dmpi_json_set_int(o, "slots", m->slots);
    dmpi_json_set_str(o, "addr", m->addr);
    dmpi_json_set_int(o, "created", m->created);
    return o;
}

/* One object a cluster: how many workers it has and how many of them run. */
static void add_cluster(json_t *clusters, const struct dmpi_state *state, struct dmpi_fleet *fleet,
                        const char *name)
{
    int workers = 0, running = 0;
    bool launcher = false;
    for (size_t i = 0; i < state->n; i++) {
        const struct dmpi_member *m = &state->members[i];
        if (strcmp(m->cluster, name) != 0)
            continue;
        if (m->role == DMPI_WORKER) {
            workers++;
            running += dmpi_member_running(m);
        }
        launcher = launcher || (m->role == DMPI_LAUNCHER && dmpi_member_running(m));
    }
    json_t *o = dmpi_json_new_obj();
    dmpi_json_set_str(o, "name", name);
    dmpi_json_set_int(o, "workers", workers);
    dmpi_json_set_int(o, "workers_running", running);
    dmpi_json_set_bool(o, "launcher_running", launcher);
    int64_t left = dmpi_ttl_left(fleet, state, name, dmpi_app_ctl());
    if (left >= 0)
        dmpi_json_set_int(o, "ends_in_s", left);
    dmpi_json_add(clusters, o);
}

static json_t *state_json(const struct dmpi_state *state, struct dmpi_fleet *fleet)
{
    json_t *clusters = dmpi_json_new_arr(), *containers = dmpi_json_new_arr();
    for (size_t i = 0; i < state->n; i++) {
        const struct dmpi_member *m = &state->members[i];
        if (i == 0 || strcmp(m->cluster, state->members[i - 1].cluster) != 0)
            add_cluster(clusters, state, fleet, m->cluster);
        dmpi_json_add(containers, container_json(m, fleet));
    }
    json_t *result = dmpi_json_new_obj();
    dmpi_json_set(result, "clusters", clusters);
    dmpi_json_set(result, "containers", containers);
    dmpi_json_set(result, "jobs", dmpi_jobs_json(state));
    return result;
}

static void print_table(const struct dmpi_state *state, const struct dmpi_fleet *fleet)
{
    struct dmpi_table table;
    dmpi_table_start(&table, "CLUSTER", "NAME", "NODE", "ADDRESS", "IMAGE", "SLOTS", "STATE", "AGE",
                     NULL);
    long long now = (long long)time(NULL);
    for (size_t i = 0; i < state->n; i++) {
        const struct dmpi_member *m = &state->members[i];
        dmpi_autofree char *label = dmpi_member_label(m);
        char slots[16], age[16];
        /* A job is pinned to its launcher's image by id. */
        bool by_id = dmpi_text_starts_with(m->image, "sha256:");
        dmpi_autofree char *image = dmpi_xasprintf("%.*s", by_id ? 12 : 255, m->image + by_id * 7);
        snprintf(slots, sizeof slots, "%d", m->slots);
        dmpi_table_row(&table, m->cluster, label, dmpi_fleet_name(fleet, m->node), m->addr, image,
                       m->role == DMPI_WORKER ? slots : "",
                       m->role == DMPI_JOB ? dmpi_job_state(m) : m->state,
                       dmpi_out_age(now - m->created, age), NULL);
    }
    dmpi_table_print(&table);
}

/* Its containers have removed themselves, and nothing of it runs. */
static bool has_ended(const struct dmpi_state *state, const char *cluster)
{
    for (size_t i = 0; i < state->n; i++) {
        const struct dmpi_member *m = &state->members[i];
        if (strcmp(m->cluster, cluster) == 0 && (m->role != DMPI_JOB || !dmpi_member_ended(m)))
            return false;
    }
    return true;
}

static void print_ended(const char *cluster)
{
    dmpi_autofree char *text =
        dmpi_xasprintf("cluster %s has ended; its jobs' logs stay until `dockmpi down --name %s`",
                       cluster, cluster);
    dmpi_autofree char *whole = dmpi_hint(text);
    dmpi_out_line("%s", whole);
}

/* Clusters with a time to live: how much of it is left, or only their jobs. */
static void print_ends(const struct dmpi_state *state, struct dmpi_fleet *fleet)
{
    for (size_t i = 0; i < state->n; i++) {
        const char *cluster = state->members[i].cluster;
        if (i > 0 && strcmp(cluster, state->members[i - 1].cluster) == 0)
            continue;
        char time[16];
        int64_t left = dmpi_ttl_left(fleet, state, cluster, dmpi_app_ctl());
        if (left >= 0)
            dmpi_out_line("cluster %s ends in %s unless it is used", cluster,
                          dmpi_text_human_ms(time, left * 1000));
        else if (dmpi_state_failed(state) == 0 && has_ended(state, cluster))
            print_ended(cluster);
    }
}

static int run(void *opts, const struct dmpi_strv *operands, struct dmpi_err *err)
{
    const struct dmpi_common *common = opts;
    if (operands->n)
        return dmpi_usage(err, "ps takes no operands; a cluster is chosen with --name");
    struct dmpi_session session;
    struct dmpi_state state = {0};
    int rc = dmpi_session_open(&session, common, err);
    bool all = !common->name && !common->file;
    if (rc == 0)
        rc = dmpi_state_load(&state, session.fleet, all ? NULL : session.spec.name, dmpi_app_ctl(),
                             err);
    bool answered = session.fleet && dmpi_state_failed(&state) < state.n_nodes;
    if (rc == 0 || answered) {
        if (common->json) {
            dmpi_out_json(state_json(&state, session.fleet));
        } else {
            print_table(&state, session.fleet);
            print_ends(&state, session.fleet);
        }
    }
    if (rc == 0 && !all && !state.n)
        dmpi_absent_note(&session);
    dmpi_state_free(&state);
    dmpi_session_close(&session);
    return rc;
}

static const struct dmpi_opt opts[] = {{0}};

const struct dmpi_verb dmpi_verb_ps = {
    .name = "ps",
    .args = "",
    .summary = "list clusters, containers and jobs",
    .details =
        "Without --name and -f, or their variables: every cluster on the engine. The job's "
        "container is listed\n"
        "under the job's name; `dockmpi jobs` tells more about jobs. Looking is no use of a\n"
        "cluster with a time to live: its end comes no later for it.",
    .opts = opts,
    .opts_size = sizeof(struct dmpi_common),
    .json = true,
    .run = run,
};
