// SPDX-License-Identifier: MIT
#include "job/jobs.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/mem.h"
#include "absent.h"
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

/* What is to go: the named ones, which must have ended, or all that have. */
struct going {
    const struct dmpi_member **jobs; /* borrowed from state */
    size_t n;
};

static int choose_named(struct going *out, const struct dmpi_state *state, const char *cluster,
                        const struct dmpi_strv *names, struct dmpi_err *err)
{
    for (size_t i = 0; i < names->n; i++) {
        const struct dmpi_member *job = dmpi_job_find(state, cluster, names->v[i], err);
        if (!job || dmpi_job_ended_check(job, err) < 0)
            return -1;
        bool twice = false;
        for (size_t k = 0; k < out->n; k++)
            twice = twice || out->jobs[k] == job;
        if (!twice)
            out->jobs[out->n++] = job;
    }
    return 0;
}

static void choose_ended(struct going *out, const struct dmpi_state *state, const char *cluster)
{
    struct dmpi_err running;
    for (size_t i = 0; i < state->n; i++) {
        const struct dmpi_member *m = &state->members[i];
        if (m->role == DMPI_JOB && strcmp(m->cluster, cluster) == 0 &&
            dmpi_job_ended_check(m, &running) == 0)
            out->jobs[out->n++] = m;
    }
}

static void tell_removed(const struct going *gone, bool json)
{
    json_t *list = json ? dmpi_json_new_arr() : NULL;
    for (size_t i = 0; i < gone->n; i++) {
        const struct dmpi_member *m = gone->jobs[i];
        if (json)
            dmpi_json_add(list, dmpi_json_new_str(m->job));
        else if (m->job_name[0])
            dmpi_out_line("removed job %s (%s)", m->job, m->job_name);
        else
            dmpi_out_line("removed job %s", m->job);
    }
    if (!json)
        return;
    json_t *result = dmpi_json_new_obj();
    dmpi_json_set(result, "removed", list);
    dmpi_out_json(result);
}

static int prune(const struct dmpi_session *session, const struct dmpi_state *state,
                 const struct dmpi_strv *names, bool json, struct dmpi_err *err)
{
    dmpi_autofree const struct dmpi_member **jobs =
        dmpi_xcalloc(state->n + names->n + 1, sizeof(*jobs));
    struct going going = {.jobs = jobs};
    if (!names->n)
        choose_ended(&going, state, session->spec.name);
    else if (choose_named(&going, state, session->spec.name, names, err) < 0)
        return -1;
    if (dmpi_jobs_prune(session->fleet, going.jobs, going.n, dmpi_app_ctl(), err) < 0)
        return -1;
    tell_removed(&going, json);
    return 0;
}

static int run(void *arg, const struct dmpi_strv *operands, struct dmpi_err *err)
{
    const struct jobs *o = arg;
    if (operands->n && !o->prune)
        return dmpi_usage(err, "jobs lists all jobs: names and numbers go with --prune");
    struct dmpi_session session;
    struct dmpi_state state = {0};
    int rc = dmpi_session_open(&session, &o->common, err);
    if (rc == 0)
        rc = dmpi_session_state(&state, &session, err);
    if (rc == 0 && o->prune)
        rc = prune(&session, &state, operands, o->common.json, err);
    else if (rc == 0)
        list(&state, o->common.json);
    if (rc == 0 && !state.n && !dmpi_state_failed(&state))
        dmpi_absent_note(&session);
    dmpi_state_free(&state);
    dmpi_session_close(&session);
    return rc;
}

static const struct dmpi_opt opts[] = {
    {"prune", 0, DMPI_OPT_FLAG, offsetof(struct jobs, prune), NULL,
     "remove the containers and logs of these jobs, or of all that ended", 0, 0},
    {0},
};

const struct dmpi_verb dmpi_verb_jobs = {
    .name = "jobs",
    .args = "[--prune [JOB...]]",
    .summary = "list the cluster's jobs, also those that ended",
    .details =
        "A job that ended keeps its log until `jobs --prune` or `down`, unless it was started "
        "with\n"
        "`run --rm`. Its name is free again then, and means the newest job that has it: the "
        "others\n"
        "have their numbers. STATE tells which attempt it is, from the second on (run\n"
        "--restart-on-failure).",
    .opts = opts,
    .opts_size = sizeof(struct jobs),
    .json = true,
    .run = run,
};
