// SPDX-License-Identifier: MIT
#include "job/jobs.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/mem.h"
#include "cluster/ended.h"
#include "cluster/unstarted.h"
#include "engine/containers.h"
#include "fleet/fleet.h"
#include "fleet/parallel.h"
#include "job/await.h"
#include "job/follow.h"
#include "job/ranklog.h"

// --- finding and showing ---------------------------------------------------------------------

static bool is_job(const struct dmpi_member *m, const char *cluster)
{
    return m->role == DMPI_JOB && (!cluster || strcmp(m->cluster, cluster) == 0);
}

static int unknown(const struct dmpi_state *state, const char *cluster, const char *id,
                   struct dmpi_err *err)
{
    struct dmpi_strv ids DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    for (size_t i = 0; i < state->n; i++) {
        const struct dmpi_member *m = &state->members[i];
        if (is_job(m, cluster) && m->job_name[0])
            dmpi_strv_addf(&ids, "%s (%s)", m->job, m->job_name);
        else if (is_job(m, cluster))
            dmpi_strv_add(&ids, m->job);
    }
    dmpi_autofree char *list = dmpi_strv_join(&ids, ", ");
    if (ids.n == 0)
        return dmpi_err_set(err, DMPI_ENOTFOUND,
                            "cluster %s has no jobs (jobs run with --rm leave nothing)", cluster);
    return dmpi_err_set(err, DMPI_ENOTFOUND, "cluster %s has no job '%s'; it has %s", cluster, id,
                        list);
}

const struct dmpi_member *dmpi_job_find(const struct dmpi_state *state, const char *cluster,
                                        const char *id, struct dmpi_err *err)
{
    const struct dmpi_member *newest = NULL;
    for (size_t i = 0; i < state->n; i++) {
        const struct dmpi_member *m = &state->members[i];
        if (!is_job(m, cluster))
            continue;
        if (id && (strcmp(m->job, id) == 0 || strcmp(m->container, id) == 0))
            return m;
        bool meant = !id || (id[0] && strcmp(m->job_name, id) == 0);
        if (meant && (!newest || m->index > newest->index))
            newest = m;
    }
    if (newest)
        return newest;
    unknown(state, cluster, id, err);
    return NULL;
}

// One that was never started does not stand before those that run.
static bool goes(const struct dmpi_member *job)
{
    return !dmpi_member_ended(job) && !dmpi_job_unstarted(job, (int64_t)time(NULL));
}

const struct dmpi_member *dmpi_job_running(const struct dmpi_state *state, const char *cluster)
{
    const struct dmpi_member *newest = NULL;
    for (size_t i = 0; i < state->n; i++) {
        const struct dmpi_member *m = &state->members[i];
        if (is_job(m, cluster) && goes(m) && (!newest || m->index > newest->index))
            newest = m;
    }
    return newest;
}

const char *dmpi_job_state(const struct dmpi_member *job)
{
    if (strcmp(job->state, "exited") != 0)
        return job->state;
    return job->ending ? job->ending : job->exit_code == 0 ? "succeeded" : "failed";
}

static json_t *iso_time(int64_t ms)
{
    char text[32];
    struct tm utc;
    time_t seconds = (time_t)(ms / 1000);
    if (ms == 0 || !gmtime_r(&seconds, &utc))
        return json_null();
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
    return dmpi_json_new_str(text);
}

static json_t *job_json(const struct dmpi_member *job)
{
    json_t *o = dmpi_json_new_obj();
    dmpi_json_set_str(o, "job", job->job);
    dmpi_json_set(o, "name", job->job_name[0] ? dmpi_json_new_str(job->job_name) : json_null());
    dmpi_json_set_str(o, "cluster", job->cluster);
    dmpi_json_set_str(o, "state", dmpi_job_state(job));
    dmpi_json_set(o, "exit_code", job->exit_code < 0 ? json_null() : json_integer(job->exit_code));
    dmpi_json_set(o, "started", iso_time(job->started));
    dmpi_json_set(o, "finished", iso_time(job->finished));
    dmpi_json_set_int(o, "ranks", job->ranks);
    dmpi_json_set(o, "attempts", job->attempts ? json_integer(job->attempts) : json_null());
    dmpi_json_set_int(o, "attempts_max", job->restarts + 1);
    dmpi_json_set_str(o, "program", job->program);
    dmpi_json_set_bool(o, "oom_killed", job->oom_killed);
    return o;
}

json_t *dmpi_jobs_json(const struct dmpi_state *state)
{
    json_t *jobs = dmpi_json_new_arr();
    for (size_t i = 0; i < state->n; i++) {
        if (state->members[i].role == DMPI_JOB)
            dmpi_json_add(jobs, job_json(&state->members[i]));
    }
    return jobs;
}

// --- one job ---------------------------------------------------------------------------------

int dmpi_job_logs(struct dmpi_fleet *fleet, const struct dmpi_member *job,
                  const struct dmpi_job_logs_opts *opts, const struct dmpi_streams *streams,
                  const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct dmpi_ranklog *ranklog = NULL;
    struct dmpi_follow f = DMPI_FOLLOW_INIT;
    f.node = dmpi_fleet_name(fleet, job->node);
    f.id = job->id;
    f.streams = *streams;
    f.once = !opts->follow;
    f.timestamps = opts->timestamps;
    f.tail = opts->tail;
    f.since_ns = opts->since_ns;
    if (f.once && f.tail == 0)
        return 0;
    if (opts->output && !job->tags[0])
        return dmpi_err_set(
            err, DMPI_EINVAL,
            "job %s: it was started without --tag or --output: its log does not tell "
            "which rank printed what",
            dmpi_member_called(job));
    if (dmpi_fleet_engine(&f.engine, fleet, job->node, ctl, err) < 0)
        return -1;
    if (job->tags[0] && dmpi_ranklog_open(&ranklog, streams, strcmp(job->tags, "show") == 0,
                                          opts->output, job->ranks, err) < 0)
        return -1;
    if (ranklog)
        f.streams = dmpi_ranklog_streams(ranklog);
    int rc = dmpi_follow_run(&f, ctl, err);
    if (rc == 0 && opts->follow && !job->unkept && dmpi_member_running(job))
        rc = dmpi_ended_kept(f.engine, job->id, ctl, err);
    struct dmpi_err late;
    if (dmpi_ranklog_close(ranklog, rc == 0 ? err : &late) < 0)
        rc = -1;
    return rc < 0 ? dmpi_err_wrap(err, "job %s: logs", dmpi_member_called(job)) : 0;
}

// --- several jobs at once --------------------------------------------------------------------

struct batch {
    struct dmpi_fleet *fleet;
    const struct dmpi_member *const *jobs;
    const struct dmpi_ctl *ctl;
    struct dmpi_job_end *ends;
    struct dmpi_err *errs;
    int (*fn)(struct batch *b, struct dmpi_engine *engine, size_t i, struct dmpi_err *err);
};

static void batch_item(size_t i, void *arg)
{
    struct batch *b = arg;
    struct dmpi_engine *engine;
    struct dmpi_err *err = &b->errs[i];
    *err = (struct dmpi_err)DMPI_ERR_INIT;
    if (dmpi_fleet_engine(&engine, b->fleet, b->jobs[i]->node, b->ctl, err) < 0 ||
        b->fn(b, engine, i, err) < 0)
        dmpi_err_wrap(err, "job %s", dmpi_member_called(b->jobs[i]));
    else
        err->code = DMPI_OK;
}

static int batch_run(struct batch *b, size_t n, struct dmpi_err *err)
{
    b->errs = dmpi_xcalloc(n, sizeof(*b->errs));
    dmpi_parallel(n, DMPI_FLEET_WINDOW, batch_item, b);
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        if (b->errs[i].code == DMPI_OK)
            continue;
        *err = b->errs[i];
        rc = -1;
    }
    free(b->errs);
    return rc;
}

static int wait_one(struct batch *b, struct dmpi_engine *engine, size_t i, struct dmpi_err *err)
{
    const struct dmpi_member *job = b->jobs[i];
    struct dmpi_job_end *end = &b->ends[i];
    *end = (struct dmpi_job_end){.code = -1};
    // The engine would answer 0 at once for a container that was never started.
    if (strcmp(job->state, "created") == 0 && dmpi_job_started_wait(engine, job, b->ctl, err) < 0)
        return -1;
    if (dmpi_await_code(engine, job->id, b->ctl, &end->code, err) < 0)
        return -1;
    if (end->code != 0 && !job->unkept && dmpi_ended_kept(engine, job->id, b->ctl, err) < 0) {
        end->code = -1;
        return -1;
    }
    end->state = dmpi_ended_word(engine, job->id, end->code, b->ctl);
    return 0;
}

int dmpi_jobs_wait(struct dmpi_fleet *fleet, const struct dmpi_member *const *jobs, size_t n,
                   struct dmpi_job_end *ends, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct batch b = {.fleet = fleet, .jobs = jobs, .ctl = ctl, .ends = ends, .fn = wait_one};
    return batch_run(&b, n, err);
}

static int remove_one(struct batch *b, struct dmpi_engine *engine, size_t i, struct dmpi_err *err)
{
    return dmpi_container_remove(engine, b->ctl, b->jobs[i]->id, false, true, err);
}

int dmpi_job_ended_check(const struct dmpi_member *job, struct dmpi_err *err)
{
    if (strcmp(job->state, "exited") == 0 || strcmp(job->state, "dead") == 0 ||
        dmpi_job_unstarted(job, (int64_t)time(NULL)))
        return 0;
    return dmpi_err_set(
        err, DMPI_ECONFLICT,
        "job %s has not ended: `dockmpi cancel %s` ends it, `dockmpi wait %s` waits "
        "for its end",
        dmpi_member_called(job), job->job, job->job);
}

int dmpi_jobs_prune(struct dmpi_fleet *fleet, const struct dmpi_member *const *jobs, size_t n,
                    const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct batch b = {.fleet = fleet, .jobs = jobs, .ctl = ctl, .fn = remove_one};
    return batch_run(&b, n, err);
}
