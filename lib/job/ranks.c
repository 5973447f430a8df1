// SPDX-License-Identifier: MIT
#include "job/ranks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "engine/containers.h"
#include "engine/exec.h"
#include "fleet/fleet.h"
#include "fleet/parallel.h"
#include "mesh/files.h"

#define PATIENCE_MS ((int64_t)15000) // for a worker, beyond the grace
#define ANSWER_MAX ((size_t)16 * 1024)

struct look {
    struct dmpi_fleet *fleet;
    const struct dmpi_member **members; // the place's worker; NULL: a node that did not answer
    struct dmpi_ranks *out;
    struct dmpi_strv argv;
    struct dmpi_ctl ctl;
};

// --- one worker ------------------------------------------------------------------------------

int dmpi_ranks_parse(int *ended, const char *text, struct dmpi_err *err)
{
    static const char first[] = "ended ", left[] = "left ";
    struct dmpi_strv lines DMPI_AUTO(dmpi_strv_free) = dmpi_strv_split(text, '\n');
    struct dmpi_strv numbers DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    long long number = 0;
    *ended = 0;
    if (lines.n && dmpi_text_starts_with(lines.v[0], first))
        numbers = dmpi_strv_split(lines.v[0] + sizeof(first) - 1, ' ');
    if (numbers.n != 2 || dmpi_text_int(&number, numbers.v[0], 0, INT32_MAX) < 0)
        return dmpi_err_set(err, DMPI_EPARSE,
                            "the container could not look for processes: it needs sh and grep");
    *ended = (int)number;
    struct dmpi_strv names DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    for (size_t i = 1; i < lines.n; i++)
        if (dmpi_text_starts_with(lines.v[i], left))
            dmpi_strv_take(&names, dmpi_text_print_safe(lines.v[i] + sizeof(left) - 1));
    if (names.n == 0)
        return 0;
    dmpi_autofree char *list = dmpi_strv_join(&names, ", ");
    return dmpi_err_set(err, DMPI_EENGINE, "these processes survive SIGKILL: %s", list);
}

// Why the engine ran nothing in the container. 0 when it does not run: then it has no processes.
static int explain(struct dmpi_engine *engine, const struct dmpi_member *m,
                   const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct dmpi_err other = DMPI_ERR_INIT;
    struct dmpi_ctl again = dmpi_ctl_within(ctl, PATIENCE_MS / 3);
    dmpi_json_auto json_t *info = NULL;
    if (err->code == DMPI_ENOTFOUND)
        return 0;
    if (dmpi_container_inspect(engine, &again, m->id, &info, &other) < 0)
        return other.code == DMPI_ENOTFOUND ? 0 : -1;
    const json_t *state = dmpi_json_obj(info, "State");
    if (dmpi_json_bool(state, "Paused", false))
        return dmpi_err_set(err, DMPI_ECONFLICT, "container %s is paused (docker unpause %s)",
                            m->container, m->container);
    return dmpi_json_bool(state, "Running", true) ? -1 : 0;
}

static int look_at(const struct look *look, const struct dmpi_member *m, int *ended,
                   struct dmpi_err *err)
{
    struct dmpi_engine *engine;
    struct dmpi_buf answer DMPI_AUTO(dmpi_buf_free) = DMPI_BUF_INIT(ANSWER_MAX);
    int code = 0;
    if (!dmpi_member_running(m))
        return 0;
    if (dmpi_fleet_engine(&engine, look->fleet, m->node, &look->ctl, err) < 0)
        return -1;
    if (strcmp(m->state, "paused") == 0 || // some engines would wait for its end
        dmpi_exec_run(engine, &look->ctl, m->id, &look->argv, NULL, 0, &answer, NULL, &code, err) <
            0)
        return explain(engine, m, NULL, err);
    return dmpi_ranks_parse(ended, dmpi_buf_str(&answer), err);
}

static void look_item(size_t i, void *arg)
{
    struct look *look = arg;
    struct dmpi_ranks_place *place = &look->out->v[i];
    struct dmpi_err err = DMPI_ERR_INIT;
    if (look->members[i] && look_at(look, look->members[i], &place->ended, &err) < 0) {
        if (err.code == DMPI_OK) // nobody could say why
            dmpi_err_set(&err, DMPI_EENGINE, "the engine does not answer");
        place->err = err;
    }
}

// --- all -------------------------------------------------------------------------------------

static struct dmpi_ranks_place *add_place(struct look *look, const struct dmpi_member *m,
                                          size_t node)
{
    struct dmpi_ranks_place *place = &look->out->v[look->out->n];
    *place = (struct dmpi_ranks_place){.node = dmpi_fleet_name(look->fleet, node)};
    if (m)
        snprintf(place->worker, sizeof(place->worker), "worker-%d", m->index);
    look->members[look->out->n++] = m;
    return place;
}

static void add_places(struct look *look, const struct dmpi_state *state, const char *cluster)
{
    for (size_t i = 0; i < state->n; i++) {
        const struct dmpi_member *m = &state->members[i];
        if (m->role == DMPI_WORKER && strcmp(m->cluster, cluster) == 0)
            add_place(look, m, m->node);
    }
    for (size_t i = 0; i < state->n_nodes; i++)
        if (state->errs[i].code != DMPI_OK)
            add_place(look, NULL, i)->err = state->errs[i];
}

static int sum_up(struct dmpi_ranks *out, const struct dmpi_strv *jobs, struct dmpi_err *err)
{
    const struct dmpi_ranks_place *first = NULL;
    for (size_t i = 0; i < out->n; i++) {
        out->ended += out->v[i].ended;
        if (out->v[i].err.code == DMPI_OK)
            continue;
        out->unverified++;
        if (!first)
            first = &out->v[i];
    }
    if (!first)
        return 0;
    dmpi_autofree char *place = first->worker[0]
                                    ? dmpi_xasprintf("%s on node %s: ", first->worker, first->node)
                                    : dmpi_xstrdup("");
    dmpi_autofree char *more = out->unverified == 1
                                   ? dmpi_xstrdup("")
                                   : dmpi_xasprintf(" (and %zu more)", out->unverified - 1);
    dmpi_autofree char *ids = dmpi_strv_join(jobs, " ");
    return dmpi_err_set(err, DMPI_EPARTIAL,
                        "ranks may be left, which could not be verified: %s%s%s; "
                        "`dockmpi cancel %s` again when that is mended",
                        place, first->err.msg, more, ids);
}

static void make_argv(struct dmpi_strv *argv, const struct dmpi_strv *jobs, int64_t grace_ms)
{
    dmpi_strv_add(argv, "sh");
    dmpi_strv_add(argv, "-c");
    dmpi_strv_add(argv, dmpi_mesh_end_sh);
    dmpi_strv_add(argv, "dockmpi-end");
    dmpi_strv_add(argv, "all");
    dmpi_strv_addf(argv, "%lld", (long long)grace_ms);
    dmpi_strv_add_all(argv, jobs);
}

int dmpi_ranks_end(struct dmpi_ranks *out, struct dmpi_fleet *fleet, const struct dmpi_state *state,
                   const char *cluster, const struct dmpi_strv *jobs, int64_t grace_ms,
                   const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct look look = {.fleet = fleet,
                        .out = out,
                        .argv = DMPI_STRV_INIT,
                        .ctl = dmpi_ctl_within(ctl, grace_ms + PATIENCE_MS)};
    size_t most = state->n + state->n_nodes + 1;
    *out = (struct dmpi_ranks){.v = dmpi_xcalloc(most, sizeof(*out->v))};
    dmpi_autofree const struct dmpi_member **members = dmpi_xcalloc(most, sizeof(*members));
    look.members = members;
    add_places(&look, state, cluster);
    make_argv(&look.argv, jobs, grace_ms);
    dmpi_parallel(out->n, DMPI_FLEET_WINDOW, look_item, &look);
    dmpi_strv_free(&look.argv);
    return sum_up(out, jobs, err);
}

int dmpi_ranks_end_one(struct dmpi_fleet *fleet, const struct dmpi_state *state,
                       const char *cluster, const char *job, struct dmpi_err *err)
{
    struct dmpi_strv jobs DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    struct dmpi_ranks ranks;
    dmpi_strv_add(&jobs, job);
    int rc = dmpi_ranks_end(&ranks, fleet, state, cluster, &jobs, 0, NULL, err);
    dmpi_ranks_free(&ranks);
    return rc < 0 ? dmpi_err_wrap(err, "was canceled") : 0;
}

void dmpi_ranks_free(struct dmpi_ranks *ranks)
{
    if (!ranks)
        return;
    free(ranks->v);
    *ranks = (struct dmpi_ranks){0};
}
