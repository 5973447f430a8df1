// SPDX-License-Identifier: MIT
#include "job/jobs.h"

#include <stdio.h>
#include <time.h>

#include "base/json.h"
#include "base/mem.h"
#include "out.h"
#include "state.h"
#include "verbs.h"

struct jobs {
    struct dmpi_common common;
    bool prune;
};

static void add_row(struct dmpi_table *table, const struct dmpi_member *job)
{
    char code[16] = "", ranks[16], age[16] = "";
    if (job->exit_code >= 0)
        snprintf(code, sizeof code, "%d", job->exit_code);
    snprintf(ranks, sizeof ranks, "%d", job->ranks);
    dmpi_autofree char *state = job->attempts > 1
                                    ? dmpi_xasprintf("%s (attempt %d of %d)", dmpi_job_state(job),
                                                     job->attempts, job->restarts + 1)
                                    : dmpi_xstrdup(dmpi_job_state(job));
    int64_t end = job->finished ? job->finished : (int64_t)time(NULL) * 1000;
    if (job->started)
        dmpi_out_age((end - job->started) / 1000, age);
    dmpi_table_row(table, job->job, job->job_name, job->cluster, state, code, ranks, age,
                   job->program, NULL);
}

static void list(const struct dmpi_state *state, bool json)
{
    if (json) {
        json_t *result = dmpi_json_new_obj();
        dmpi_json_set(result, "jobs", dmpi_jobs_json(state));
        dmpi_out_json(result);
        return;
    }
    struct dmpi_table table;
    dmpi_table_start(&table, "JOB", "NAME", "CLUSTER", "STATE", "EXIT", "RANKS", "TIME", "PROGRAM",
                     NULL);
    for (size_t i = 0; i < state->n; i++)
        if (state->members[i].role == DMPI_JOB)
            add_row(&table, &state->members[i]);
    dmpi_table_print(&table);
}

static int prune(struct dmpi_session *session, const struct dmpi_state *state, bool json,
                 struct dmpi_err *err)
{
    struct dmpi_strv removed = DMPI_STRV_INIT;
    int rc =
        dmpi_jobs_prune(session->fleet, state, session->spec.name, &removed, dmpi_app_ctl(), err);
    if (json) {
        json_t *result = dmpi_json_new_obj();
        dmpi_json_set(result, "removed", dmpi_json_strv(&removed));
        dmpi_out_json(result);
    } else {
        for (size_t i = 0; i < removed.n; i++)
            dmpi_out_line("removed job %s", removed.v[i]);
    }
    dmpi_strv_free(&removed);
    return rc;
}

static int run(void *arg, const struct dmpi_strv *operands, struct dmpi_err *err)
{
    const struct jobs *o = arg;
    if (operands->n)
        return dmpi_usage(err, "jobs takes no operands");
    struct dmpi_session session;
    struct dmpi_state state = {0};
    int rc = dmpi_session_open(&session, &o->common, err);
    if (rc == 0)
        rc = dmpi_session_state(&state, &session, err);
    if (rc == 0 && o->prune)
        rc = prune(&session, &state, o->common.json, err);
    else if (rc == 0)
        list(&state, o->common.json);
    dmpi_state_free(&state);
    dmpi_session_close(&session);
    return rc;
}

static const struct dmpi_opt opts[] = {
    {"prune", 0, DMPI_OPT_FLAG, offsetof(struct jobs, prune), NULL,
     "remove the containers and logs of jobs that ended", 0, 0},
    {0},
};

const struct dmpi_verb dmpi_verb_jobs = {
    .name = "jobs",
    .args = "",
    .summary = "list the cluster's jobs, also those that ended",
    .details = "A job that ended keeps its log until `jobs --prune`, `run --rm` or `down`. STATE "
               "tells which\n"
               "attempt it is, from the second on (run --restart-on-failure).",
    .opts = opts,
    .opts_size = sizeof(struct jobs),
    .json = true,
    .run = run,
};
