// SPDX-License-Identifier: MIT
#include "job/cancel.h"

#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "cluster/ended.h"
#include "cluster/unstarted.h"
#include "engine/containers.h"
#include "engine/exec.h"
#include "fleet/fleet.h"
#include "fleet/parallel.h"

#define KILL_MS ((int64_t)15000) // patience for an engine that was told to kill
#define TELL_MS ((int64_t)5000)

struct cancel {
    struct dmpi_fleet *fleet;
    struct dmpi_cancel_job *jobs;
    const struct dmpi_cancel_opts *opts;
    const struct dmpi_ctl *ctl;
};

// Sends a signal; a job that has ended (or is gone) is as good.
static int signal_job(struct dmpi_engine *engine, const char *id, const char *signal,
                      const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    if (dmpi_container_kill(engine, ctl, id, signal, err) == 0 || err->code == DMPI_ECONFLICT ||
        err->code == DMPI_ENOTFOUND)
        return 0;
    return -1;
}

static int wait_end(struct dmpi_engine *engine, const char *id, const struct dmpi_ctl *ctl,
                    struct dmpi_err *err)
{
    int code;
    if (dmpi_container_wait(engine, ctl, id, &code, err) == 0 || err->code == DMPI_ENOTFOUND)
        return 0;
    return -1;
}

// Another grace than the job was started with is told to it in a file. Where that fails it keeps its own.
static void tell_grace(const struct cancel *c, struct dmpi_engine *engine, const char *id)
{
    dmpi_autofree char *ms = dmpi_xasprintf("%lld", (long long)c->opts->grace_ms);
    const char *const words[] = {"sh", "-c", "echo \"$1\" >/etc/dockmpi/grace", "sh", ms};
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv argv = DMPI_STRV_INIT;
    struct dmpi_ctl ctl = dmpi_ctl_within(c->ctl, TELL_MS);
    struct dmpi_err err = DMPI_ERR_INIT;
    int code = 0;
    dmpi_strv_add_array(&argv, words, DMPI_ARRAY_LEN(words));
    if (dmpi_exec_run(engine, &ctl, id, &argv, NULL, 0, NULL, NULL, &code, &err) < 0)
        dmpi_debug("the job was not told its grace: %s", err.msg);
}

// A job that its client has just made is started within moments, and then ended like any other. One that nobody
// will start any more is removed: the engine refuses that where it was started after all.
static int meet_start(struct dmpi_engine *engine, const struct dmpi_member *job,
                      const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    if (!dmpi_job_unstarted(job, (int64_t)time(NULL))) {
        if (dmpi_job_started_wait(engine, job, ctl, err) == 0)
            return 0;
        if (err->code != DMPI_ECONFLICT)
            return -1;
    }
    if (dmpi_container_remove(engine, ctl, job->id, false, true, err) == 0 ||
        err->code == DMPI_ECONFLICT || err->code == DMPI_ENOTFOUND)
        return 0;
    return -1;
}

static int ask(const struct cancel *c, struct dmpi_engine *engine, const struct dmpi_member *job,
               struct dmpi_err *err)
{
    int64_t grace = c->opts->grace_ms < 0 ? job->grace_ms : c->opts->grace_ms;
    bool other = c->opts->signal && strcmp(c->opts->signal, "TERM") != 0;
    struct dmpi_ctl patience = dmpi_ctl_within(c->ctl, grace + (other ? 0 : DMPI_CANCEL_MARGIN_MS));
    if (grace != job->grace_ms)
        tell_grace(c, engine, job->id);
    if (signal_job(engine, job->id, c->opts->signal ? c->opts->signal : "TERM", c->ctl, err) < 0)
        return -1;
    return wait_end(engine, job->id, &patience, err);
}

static int end_container(const struct cancel *c, struct dmpi_cancel_job *what, struct dmpi_err *err)
{
    const struct dmpi_member *job = what->member;
    struct dmpi_engine *engine;
    if (dmpi_fleet_engine(&engine, c->fleet, job->node, c->ctl, err) < 0)
        return -1;
    if (!dmpi_member_running(job) && meet_start(engine, job, c->ctl, err) < 0)
        return -1;
    if (c->opts->grace_ms != 0) {
        if (ask(c, engine, job, err) == 0) {
            what->counted =
                dmpi_ended_counts(&what->heeded, &what->killed, engine, job->id, c->ctl);
            return 0;
        }
        if (err->code != DMPI_ETIMEOUT || dmpi_ctl_check(c->ctl, err) < 0)
            return -1;
    }
    struct dmpi_ctl last = dmpi_ctl_within(c->ctl, KILL_MS);
    dmpi_ended_note(engine, job->id, &last);
    if (signal_job(engine, job->id, "KILL", &last, err) < 0)
        return -1;
    return wait_end(engine, job->id, &last, err);
}

static void cancel_item(size_t i, void *arg)
{
    struct cancel *c = arg;
    struct dmpi_cancel_job *job = &c->jobs[i];
    struct dmpi_err err = DMPI_ERR_INIT;
    job->err = err;
    if (!job->member || dmpi_member_ended(job->member))
        return;
    if (end_container(c, job, &err) < 0) {
        dmpi_err_wrap(&err, "job %s", dmpi_member_called(job->member));
        job->err = err;
    }
}

int dmpi_cancel(struct dmpi_ranks *ranks, struct dmpi_fleet *fleet, const struct dmpi_state *state,
                const char *cluster, struct dmpi_cancel_job *jobs, size_t n,
                const struct dmpi_cancel_opts *opts, const struct dmpi_ctl *ctl,
                struct dmpi_err *err)
{
    struct cancel c = {.fleet = fleet, .jobs = jobs, .opts = opts, .ctl = ctl};
    *ranks = (struct dmpi_ranks){0};
    dmpi_parallel(n, DMPI_FLEET_WINDOW, cancel_item, &c);
    // The ranks have had their grace, unless their job could not give it any more.
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv ids = DMPI_STRV_INIT;
    int64_t grace = 0;
    for (size_t i = 0; i < n; i++) {
        dmpi_strv_add(&ids, jobs[i].id);
        if (!jobs[i].member || dmpi_member_ended(jobs[i].member))
            grace = opts->grace_ms < 0 ? DMPI_GRACE_MS : opts->grace_ms;
    }
    int rc = n == 0 ? 0 : dmpi_ranks_end(ranks, fleet, state, cluster, &ids, grace, ctl, err);
    for (size_t i = 0; i < n; i++) {
        if (jobs[i].err.code == DMPI_OK)
            continue;
        *err = jobs[i].err;
        return -1;
    }
    return rc;
}
