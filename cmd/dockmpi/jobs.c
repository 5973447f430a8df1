// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/mem.h"
#include "joblist.h"
#include "out.h"
#include "state.h"
#include "verbs.h"

const char *dmpi_joblist_state(const struct dmpi_member *job)
{
    if (strcmp(job->state, "exited") != 0)
        return job->state;
    return job->exit_code == 0 ? "succeeded" : "failed";
}

static void iso_time(char out[32], int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

json_t *dmpi_joblist_json(const struct dmpi_member *job)
{
    char started[32] = "", finished[32] = "";
    if (job->started)
        iso_time(started, job->started);
    if (job->finished)
        iso_time(finished, job->finished);
    json_t *o = dmpi_json_new_obj();
    dmpi_json_set_str(o, "job", job->job);
    dmpi_json_set_str(o, "cluster", job->cluster);
    dmpi_json_set_str(o, "state", dmpi_joblist_state(job));
    dmpi_json_set(o, "exit_code", job->exit_code < 0 ? json_null() : json_integer(job->exit_code));
    dmpi_json_set_str(o, "started", job->started ? started : NULL);
    dmpi_json_set_str(o, "finished", job->finished ? finished : NULL);
    dmpi_json_set_int(o, "ranks", job->ranks);
    dmpi_json_set_str(o, "program", job->program);
    dmpi_json_set_bool(o, "oom_killed", job->oom_killed);
    return o;
}

static void add_row(struct dmpi_table *table, const struct dmpi_member *job)
{
    char code[16] = "", ranks[16], age[16] = "";
    if (job->exit_code >= 0)
        snprintf(code, sizeof code, "%d", job->exit_code);
    snprintf(ranks, sizeof ranks, "%d", job->ranks);
    int64_t end = job->finished ? job->finished : (int64_t)time(NULL) * 1000;
    if (job->started)
        dmpi_out_age((end - job->started) / 1000, age);
    dmpi_table_row(table, job->job, job->cluster, dmpi_joblist_state(job), code, ranks, age,
                   job->program, NULL);
}

static int run(void *opts, const struct dmpi_strv *operands, struct dmpi_err *err)
{
    const struct dmpi_common *common = opts;
    if (operands->n)
        return dmpi_usage(err, "jobs takes no operands");
    struct dmpi_session session;
    struct dmpi_state state = {0};
    int rc = dmpi_session_open(&session, common, err);
    if (rc == 0)
        rc = dmpi_session_state(&state, &session, err);
    if (rc == 0) {
        struct dmpi_table table;
        json_t *jobs = dmpi_json_new_arr();
        dmpi_table_start(&table, "JOB", "CLUSTER", "STATE", "EXIT", "RANKS", "TIME", "PROGRAM",
                         NULL);
        for (size_t i = 0; i < state.n; i++)
            if (state.members[i].role == DMPI_JOB) {
                add_row(&table, &state.members[i]);
                dmpi_json_add(jobs, dmpi_joblist_json(&state.members[i]));
            }
        if (common->json) {
            json_t *result = dmpi_json_new_obj();
            dmpi_json_set(result, "jobs", jobs);
            dmpi_out_json(result);
            dmpi_strv_free(&table.cells);
        } else {
            json_decref(jobs);
            dmpi_table_print(&table);
        }
    }
    dmpi_state_free(&state);
    dmpi_session_close(&session);
    return rc;
}

static const struct dmpi_opt opts[] = {{0}};

const struct dmpi_verb dmpi_verb_jobs = {
    .name = "jobs",
    .args = "",
    .summary = "list the cluster's jobs, also those that ended",
    .opts = opts,
    .opts_size = sizeof(struct dmpi_common),
    .json = true,
    .run = run,
};
