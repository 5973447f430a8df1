// SPDX-License-Identifier: MIT
#include "job/run.h"

#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "cluster/ended.h"
#include "cluster/ttl.h"
#include "cluster/unstarted.h"
#include "engine/containers.h"
#include "fleet/fleet.h"
#include "fleet/parallel.h"
#include "job/name.h"
#include "job/fate.h"
#include "job/ranklog.h"
#include "job/ranks.h"
#include "job/run_impl.h"
#include "mesh/files.h"

#define CLEAN_MS ((int64_t)20000) // for what must be done after a cancel
#define ENDED_MAX 40              // with so many ended jobs,
#define ENDED_KEPT 20             // all but so many are removed with their logs
#define SETTLE_MS ((int64_t)30000)
#define LATE_MS ((int64_t)5000) // by which the container's clock may differ from ours

// --- what is there ---------------------------------------------------------------------------

// A node that does not answer is no reason to stop here: `up --min-workers` may have gone on without
// it. Whether a worker of the mesh was on it is seen later.
static int load_state(struct dmpi_run *r, struct dmpi_err *err)
{
    if (dmpi_state_list(&r->state, r->fleet, r->spec->name, r->ctl, err) == 0)
        return 0;
    if (err->code == DMPI_ECANCELED || !dmpi_state_launcher(&r->state, r->spec->name))
        return -1;
    dmpi_warn("warning: %s", err->msg);
    *err = (struct dmpi_err)DMPI_ERR_INIT;
    return 0;
}

// Of a cluster that has a time to live the launcher ends first, and is removed at its end.
static bool is_over(const struct dmpi_run *r, const struct dmpi_member *worker)
{
    const struct dmpi_member *l = r->launcher;
    if (l)
        return l->ttl_s && !dmpi_member_running(l) && strcmp(l->state, "paused") != 0;
    return worker ? worker->ttl_s > 0 : dmpi_ttl_noted(r->spec->name);
}

static int find_cluster(struct dmpi_run *r, struct dmpi_err *err)
{
    const char *name = r->spec->name;
    if (load_state(r, err) < 0)
        return -1;
    const struct dmpi_member *worker = dmpi_state_worker(&r->state, name, 0);
    r->launcher = dmpi_state_launcher(&r->state, name);
    if (is_over(r, worker))
        return dmpi_ttl_over(name, err);
    if (!r->launcher && worker)
        return dmpi_err_set(
            err, DMPI_ENOTFOUND,
            "cluster %s has lost its launcher: run `dockmpi up` as before to repair it", name);
    r->result->absent = r->state.n == 0;
    if (!r->launcher)
        return dmpi_err_set(err, DMPI_ENOTFOUND, "cluster %s is not up: start it with `dockmpi up`",
                            name);
    if (dmpi_targets_all(&r->targets, &r->state, name, true, err) < 0 ||
        dmpi_fleet_engine(&r->engine, r->fleet, r->launcher->node, r->ctl, err) < 0)
        return -1;
    if (dmpi_ttl_use(r->fleet, &r->state, name, r->ctl, err) < 0)
        return -1;
    return dmpi_container_inspect(r->engine, r->ctl, r->launcher->id, &r->inspected, err);
}

static int choose_workdir(struct dmpi_run *r, struct dmpi_err *err)
{
    const char *own = dmpi_json_str(dmpi_json_obj(r->inspected, "Config"), "WorkingDir");
    r->workdir = r->opts->workdir ? r->opts->workdir : own && own[0] ? own : r->spec->workdir;
    if (r->workdir[0] != '/')
        return dmpi_err_set(err, DMPI_EINVAL, "--workdir %s: must begin with '/'", r->workdir);
    return 0;
}

static int read_code(struct dmpi_run *r, struct dmpi_err *err)
{
    if (!r->code.local)
        return 0;
    return dmpi_manifest_read(&r->manifest, r->code.local, r->code.place, true, err);
}

// How many ranks there will be; the layout checks the number later.
static int count_ranks(const struct dmpi_run *r)
{
    int np = r->opts->np ? r->opts->np : r->code.np, slots = 0;
    for (size_t i = 0; i < r->state.n; i++) {
        const struct dmpi_member *m = &r->state.members[i];
        if (m->role == DMPI_WORKER && strcmp(m->cluster, r->spec->name) == 0)
            slots += r->opts->slots ? r->opts->slots : m->slots;
    }
    return np ? np : slots;
}

// --- the job itself --------------------------------------------------------------------------

// The sinks, behind who watches for silence, and what takes the ranks' lines apart where they are tagged.
static int open_streams(struct dmpi_run *r, struct dmpi_err *err)
{
    const struct dmpi_run_opts *o = r->opts;
    struct dmpi_streams to = o->streams;
    if ((o->tag || o->output) &&
        dmpi_ranklog_open(&r->ranklog, &to, o->tag, o->output, r->result->np, err) < 0)
        return -1;
    if (r->ranklog)
        to = dmpi_ranklog_streams(r->ranklog);
    r->stall = (struct dmpi_stall){.fleet = r->fleet,
                                   .cluster = r->spec->name,
                                   .quiet_ms = o->detach ? 0 : o->stall_ms,
                                   .tell = o->on_stall,
                                   .arg = o->arg};
    r->stream.streams = dmpi_stall_streams(&r->stall, &to);
    return 0;
}

static int attend(void *arg, struct dmpi_err *err)
{
    struct dmpi_run *r = arg;
    int64_t begun = dmpi_now_ms();
    struct dmpi_run_result *result = r->result;
    if (r->opts->detach) {
        struct dmpi_ctl ctl = dmpi_ctl_within(r->ctl, SETTLE_MS);
        return dmpi_job_stream_settle(&r->stream, &ctl, err);
    }
    r->stream.grace_ms = r->opts->grace_ms;
    // The job's container knows the time by itself; this is for one that does not react.
    if (r->opts->timeout_ms)
        r->stream.timeout_at = begun + r->opts->timeout_ms + LATE_MS;
    if (dmpi_job_stream_run(&r->stream, &result->exit_code, err) < 0) {
        struct dmpi_err ignored; // why it was canceled says more
        if (r->stream.kill_at)
            dmpi_ranks_end_one(r->fleet, &r->state, r->spec->name, result->job, &ignored);
        return dmpi_err_wrap(err, "job %s on node %s", result->called,
                             dmpi_fleet_name(r->fleet, r->launcher->node));
    }
    dmpi_run_result_take(result, &r->stream);
    if ((r->stream.kill_at || result->timed_out) &&
        dmpi_ranks_end_one(r->fleet, &r->state, r->spec->name, result->job, err) < 0)
        return dmpi_err_wrap(err, "job %s", result->called);
    if (!r->stream.kill_at && !result->timed_out && !result->ended)
        dmpi_fates_after(&result->causes, r->fleet, &r->targets, result->exit_code,
                         dmpi_now_ms() - begun);
    // Its workers may have gone a moment before it.
    if (result->causes.n && dmpi_ended_kept(r->engine, r->id, NULL, err) < 0)
        return dmpi_err_wrap(err, "job %s on node %s", result->called,
                             dmpi_fleet_name(r->fleet, r->launcher->node));
    return 0;
}

// Ended jobs keep their logs, but not for ever. Failing here harms nobody.
static void drop_old_jobs(const struct dmpi_run *r)
{
    dmpi_unstarted_drop(r->fleet, &r->state, r->spec->name, r->ctl);
    dmpi_unkept_drop(r->fleet, &r->state, r->spec->name, r->ctl);
    const struct dmpi_member *ended[ENDED_MAX * 2];
    size_t n = 0;
    for (size_t i = r->state.n; i-- > 0 && n < DMPI_ARRAY_LEN(ended);) { // the newest come last
        const struct dmpi_member *m = &r->state.members[i];
        if (m->role == DMPI_JOB && strcmp(m->cluster, r->spec->name) == 0 &&
            strcmp(m->state, "exited") == 0 && m->node == r->launcher->node)
            ended[n++] = m;
    }
    for (size_t i = ENDED_KEPT; n >= ENDED_MAX && i < n; i++) {
        struct dmpi_err err;
        if (dmpi_container_remove(r->engine, r->ctl, ended[i]->id, false, true, &err) < 0)
            dmpi_debug("job %s: %s", ended[i]->job, err.msg);
    }
}

// The job is attended to while others are cleared away.
struct course {
    struct dmpi_run *run;
    int rc;
    struct dmpi_err *err;
};

static void course_item(size_t i, void *arg)
{
    struct course *c = arg;
    if (i == 0)
        c->rc = dmpi_stall_while(&c->run->stall, attend, c->run, c->err);
    else
        drop_old_jobs(c->run);
}

static int go(struct dmpi_run *r, struct dmpi_err *err)
{
    struct course c = {.run = r, .err = err};
    r->stall.job = r->result->called;
    dmpi_parallel(2, 2, course_item, &c);
    return c.rc;
}

// A job that did not come to its start leaves nothing; one that ended leaves its log if wanted.
static void clean(struct dmpi_run *r, bool started)
{
    bool keep = started && (r->opts->keep || r->opts->detach || r->stream.left);
    struct dmpi_err err;
    struct dmpi_ctl ctl = dmpi_ctl_within(NULL, CLEAN_MS);
    if (r->id && !keep && dmpi_container_remove(r->engine, &ctl, r->id, true, true, &err) < 0)
        dmpi_warn("container %s is left behind: %s", r->result->container, err.msg);
    dmpi_job_stream_close(&r->stream);
}

static int perform(struct dmpi_run *r, struct dmpi_err *err)
{
    r->stream.cancel_fd = r->ctl->cancel_fd;
    r->stream.insist_fd = r->opts->insist_fd;
    r->stream.leave_fd = r->opts->leave_fd;
    r->stream.on_cancel = r->opts->on_cancel;
    r->stream.arg = r->opts->arg;
    r->stream.stdin_fd = r->opts->detach ? -1 : r->opts->stdin_fd;
    int rc = open_streams(r, err);
    if (rc == 0)
        rc = dmpi_run_begin(r, err);
    bool started = rc == 0;
    if (rc == 0)
        rc = go(r, err);
    struct dmpi_err late;
    if (dmpi_ranklog_close(r->ranklog, rc == 0 ? err : &late) < 0)
        rc = -1;
    clean(r, started);
    return rc;
}

int dmpi_run_prepare(struct dmpi_run *r, struct dmpi_err *err)
{
    const char *name = r->opts->name;
    if (name && dmpi_job_name_check(name, err) < 0)
        return -1;
    if (dmpi_job_code_find(&r->code, r->opts->images_dir, &r->opts->words, r->opts->program, err) <
            0 ||
        find_cluster(r, err) < 0 || choose_workdir(r, err) < 0 || read_code(r, err) < 0)
        return -1;
    if (name && dmpi_job_name_free(&r->state, r->spec->name, name, err) < 0)
        return -1;
    r->result->np = count_ranks(r);
    return 0;
}

void dmpi_run_free(struct dmpi_run *r)
{
    dmpi_mesh_free(&r->mesh);
    dmpi_job_mca_free(&r->mca);
    dmpi_facts_free(&r->facts);
    dmpi_manifest_free(&r->manifest);
    dmpi_targets_free(&r->targets);
    dmpi_state_free(&r->state);
    dmpi_job_code_free(&r->code);
    json_decref(r->inspected);
    free(r->id);
}

int dmpi_run(struct dmpi_fleet *fleet, const struct dmpi_spec *spec,
             const struct dmpi_run_opts *opts, const struct dmpi_ctl *ctl,
             struct dmpi_run_result *result, struct dmpi_err *err)
{
    *result = (struct dmpi_run_result){0};
    const struct dmpi_ctl none = DMPI_CTL_NONE;
    struct dmpi_run r = {
        .fleet = fleet,
        .spec = spec,
        .opts = opts,
        .ctl = ctl ? ctl : &none,
        .result = result,
        .start = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER}};
    int rc = dmpi_run_prepare(&r, err);
    if (rc == 0)
        rc = perform(&r, err);
    dmpi_run_free(&r);
    return rc;
}

void dmpi_run_result_take(struct dmpi_run_result *result, const struct dmpi_job_stream *s)
{
    result->left = s->left;
    result->canceled = s->canceled;
    result->killed = s->killed;
    result->heeded = s->heeded;
    result->forced = s->forced;
    result->oom_killed = s->oom_killed;
    result->timed_out = s->timed_out || (s->ending && strcmp(s->ending, "timeout") == 0);
    result->ended = !s->canceled && s->ending && strcmp(s->ending, "canceled") == 0;
    if (result->timed_out) // also where the job's container did not see to it
        result->exit_code = DMPI_EXIT_TIMEOUT;
}

void dmpi_run_result_free(struct dmpi_run_result *result)
{
    if (!result)
        return;
    free(result->job);
    free(result->called);
    free(result->container);
    dmpi_strv_free(&result->causes);
    *result = (struct dmpi_run_result){0};
}
