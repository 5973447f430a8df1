// SPDX-License-Identifier: MIT
#include "job/run.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cluster/state.h"
#include "engine/containers.h"
#include "fleet/fleet.h"
#include "fleet/parallel.h"
#include "job/compose.h"
#include "job/manifest.h"
#include "job/meet.h"
#include "job/ranks.h"
#include "job/stream.h"
#include "job/target.h"
#include "mesh/files.h"
#include "spec/plan.h"

#define CLEAN_MS ((int64_t)20000) // for what must be done after a cancel
#define NAME_TRIES 100            // of others who start jobs at the same moment
#define ENDED_MAX 40              // with so many ended jobs,
#define ENDED_KEPT 20             // all but so many are removed with their logs
#define SETTLE_MS ((int64_t)30000)
#define RANKS_MS ((int64_t)10000) // for the ranks of a canceled job

// One run of a job. The order of the members is about that in which they become known.
struct run {
    struct dmpi_fleet *fleet;
    const struct dmpi_spec *spec;
    const struct dmpi_run_opts *opts;
    const struct dmpi_ctl *ctl;
    struct dmpi_run_result *result;

    struct dmpi_job_code code;
    struct dmpi_state state;
    const struct dmpi_member *launcher;
    struct dmpi_targets targets; // launcher and workers
    struct dmpi_engine *engine;  // the launcher's
    json_t *inspected;           // the launcher
    const char *workdir;
    struct dmpi_manifest manifest;

    char *id; // the job's container
    struct dmpi_job_stream stream;
    struct dmpi_mesh mesh;
    int master_port;
};

// --- what is there ---------------------------------------------------------------------------

// A node that does not answer is no reason to stop here: `up --min-workers` may have gone on without
// it. Whether a worker of the mesh was on it is seen later.
static int load_state(struct run *r, struct dmpi_err *err)
{
    if (dmpi_state_list(&r->state, r->fleet, r->spec->name, r->ctl, err) == 0)
        return 0;
    if (err->code == DMPI_ECANCELED || !dmpi_state_launcher(&r->state, r->spec->name))
        return -1;
    dmpi_warn("warning: %s", err->msg);
    *err = (struct dmpi_err)DMPI_ERR_INIT;
    return 0;
}

static int find_cluster(struct run *r, struct dmpi_err *err)
{
    const char *name = r->spec->name;
    if (load_state(r, err) < 0)
        return -1;
    r->launcher = dmpi_state_launcher(&r->state, name);
    if (!r->launcher && dmpi_state_worker(&r->state, name, 0))
        return dmpi_err_set(err, DMPI_ENOTFOUND,
                            "cluster %s has lost its launcher: run `dockmpi up` to repair it",
                            name);
    if (!r->launcher)
        return dmpi_err_set(err, DMPI_ENOTFOUND, "cluster %s is not up: start it with `dockmpi up`",
                            name);
    if (dmpi_targets_all(&r->targets, &r->state, name, true, err) < 0 ||
        dmpi_fleet_engine(&r->engine, r->fleet, r->launcher->node, r->ctl, err) < 0)
        return -1;
    return dmpi_container_inspect(r->engine, r->ctl, r->launcher->id, &r->inspected, err);
}

static int choose_workdir(struct run *r, struct dmpi_err *err)
{
    const char *own = dmpi_json_str(dmpi_json_obj(r->inspected, "Config"), "WorkingDir");
    r->workdir = r->opts->workdir ? r->opts->workdir : own && own[0] ? own : r->spec->workdir;
    if (r->workdir[0] != '/')
        return dmpi_err_set(err, DMPI_EINVAL, "--workdir %s: must begin with '/'", r->workdir);
    return 0;
}

static int read_code(struct run *r, struct dmpi_err *err)
{
    if (!r->code.local)
        return 0;
    return dmpi_manifest_read(&r->manifest, r->code.local, r->code.place, true, err);
}

// How many ranks there will be; the layout checks the number later.
static int count_ranks(const struct run *r)
{
    int np = r->opts->np ? r->opts->np : r->code.np, slots = 0;
    for (size_t i = 0; i < r->state.n; i++) {
        const struct dmpi_member *m = &r->state.members[i];
        if (m->role == DMPI_WORKER && strcmp(m->cluster, r->spec->name) == 0)
            slots += r->opts->slots ? r->opts->slots : m->slots;
    }
    return np ? np : slots;
}

// --- everything that can be done at once -----------------------------------------------------

static int next_index(const struct run *r)
{
    int last = 0;
    for (size_t i = 0; i < r->state.n; i++) {
        const struct dmpi_member *m = &r->state.members[i];
        if (m->role == DMPI_JOB && strcmp(m->cluster, r->spec->name) == 0 && m->index > last)
            last = m->index;
    }
    return last + 1;
}

static int create_as(struct run *r, int index, struct dmpi_err *err)
{
    dmpi_json_auto json_t *body = NULL;
    free(r->result->job);
    free(r->result->container);
    r->result->job = dmpi_xasprintf("%d", index);
    r->result->container = dmpi_container_name(r->spec->name, DMPI_JOB, index);
    struct dmpi_plan_job plan = {.launcher = r->inspected,
                                 .cluster = r->spec->name,
                                 .index = index,
                                 .job = r->result->job,
                                 .program = r->code.label,
                                 .ranks = r->result->np,
                                 .workdir = r->workdir};
    // An engine goes on to create what we have given up waiting for, and then nobody would remove it:
    // a cancel takes effect after this call.
    struct dmpi_ctl ctl = dmpi_ctl_within(NULL, CLEAN_MS);
    if (dmpi_ctl_check(r->ctl, err) < 0 || dmpi_plan_job(&body, &plan, err) < 0)
        return -1;
    return dmpi_container_create(r->engine, &ctl, r->result->container, body, &r->id, err);
}

static int create(struct run *r, struct dmpi_err *err)
{
    int index = next_index(r), last = index + NAME_TRIES;
    for (; index < last; index++) {
        if (create_as(r, index, err) == 0)
            return 0;
        if (err->code != DMPI_ECONFLICT)
            return dmpi_err_wrap(err, "create the job's container");
    }
    return dmpi_err_wrap(err, "create the job's container");
}

static int start_container(struct run *r, struct dmpi_err *err)
{
    if (create(r, err) < 0)
        return -1;
    r->stream.engine = r->engine;
    r->stream.id = r->id;
    if (dmpi_job_stream_open(&r->stream, r->ctl, err) < 0 ||
        dmpi_container_start(r->engine, r->ctl, r->id, err) < 0)
        return dmpi_err_wrap(err, "start the job's container");
    return 0;
}

static int meet_cluster(struct run *r, struct dmpi_err *err)
{
    dmpi_autofree char *seed = dmpi_xasprintf("%s/job/%d", r->spec->name, next_index(r));
    const struct dmpi_meet meet = {.fleet = r->fleet,
                                   .state = &r->state,
                                   .cluster = r->spec->name,
                                   .launcher = r->launcher,
                                   .first = &r->targets.v[r->targets.n > 1 ? 1 : 0],
                                   .seed = seed,
                                   .ctl = r->ctl};
    return dmpi_job_meet(&r->mesh, &r->master_port, &meet, err);
}

static int sync_code(struct run *r, struct dmpi_err *err)
{
    if (!r->code.local)
        return 0;
    return dmpi_sync(&r->manifest, r->workdir, r->fleet, &r->targets, &r->opts->progress, r->ctl,
                     &r->result->sync, err);
}

static int (*const tasks[])(struct run *r, struct dmpi_err *err) = {start_container, meet_cluster,
                                                                    sync_code};
#define N_TASKS DMPI_ARRAY_LEN(tasks)

struct gather {
    struct run *run;
    int rc[N_TASKS];
    struct dmpi_err errs[N_TASKS];
};

static void gather_item(size_t i, void *arg)
{
    struct gather *g = arg;
    g->rc[i] = tasks[i](g->run, &g->errs[i]);
}

static int gather(struct run *r, struct dmpi_err *err)
{
    struct gather g = {.run = r};
    dmpi_parallel(N_TASKS, N_TASKS, gather_item, &g);
    for (size_t i = 0; i < N_TASKS; i++) {
        if (g.rc[i] < 0) {
            *err = g.errs[i];
            return -1;
        }
    }
    return 0;
}

static int lost_worker(const struct run *r, const struct dmpi_mesh_worker *w, struct dmpi_err *err)
{
    for (size_t i = 0; i < r->state.n_nodes; i++) {
        if (r->state.errs[i].code == DMPI_OK || strcmp(dmpi_fleet_name(r->fleet, i), w->node) != 0)
            continue;
        return dmpi_err_set(err, r->state.errs[i].code,
                            "%s cannot be reached (`dockmpi up --min-workers %zu` goes on without "
                            "it): %s",
                            w->alias, r->mesh.n > 1 ? r->mesh.n - 1 : 1, r->state.errs[i].msg);
    }
    return dmpi_err_set(err, DMPI_ENOTFOUND,
                        "%s of cluster %s is gone: run `dockmpi up` to repair it", w->alias,
                        r->spec->name);
}

// The containers that run against those that know each other.
static int check_mesh(const struct run *r, struct dmpi_err *err)
{
    for (size_t i = 0; i < r->mesh.n; i++) {
        if (!dmpi_state_worker(&r->state, r->spec->name, r->mesh.workers[i].index))
            return lost_worker(r, &r->mesh.workers[i], err);
    }
    for (size_t i = 0; i < r->state.n; i++) {
        const struct dmpi_member *m = &r->state.members[i];
        if (m->role == DMPI_WORKER && !dmpi_mesh_find(&r->mesh, m->index))
            return dmpi_err_set(err, DMPI_ECONFLICT,
                                "worker-%d of cluster %s is not connected to the others: run "
                                "`dockmpi up` to repair it",
                                m->index, r->spec->name);
    }
    return 0;
}

// --- the job itself --------------------------------------------------------------------------

static int feed(struct run *r, struct dmpi_err *err)
{
    struct dmpi_mpi_command command DMPI_AUTO(dmpi_mpi_command_free) = {0};
    struct dmpi_buf tar DMPI_AUTO(dmpi_secret_buf_free) = DMPI_BUF_INIT_SECRET(DMPI_MESH_TAR_MAX);
    struct dmpi_compose what = {.opts = r->opts,
                                .code = &r->code,
                                .mesh = &r->mesh,
                                .launcher_profile =
                                    r->launcher->profile[0] ? r->launcher->profile : NULL,
                                .workdir = r->workdir,
                                .master_port = r->master_port};
    if (check_mesh(r, err) < 0 || dmpi_job_compose(&command, &what, err) < 0 ||
        dmpi_mesh_tar_job(&tar, &r->mesh, command.hostfile, command.job, err) < 0)
        return -1;
    if (dmpi_log_enabled(DMPI_LOG_DEBUG)) {
        dmpi_autofree char *line = dmpi_mpi_command_text(&command);
        dmpi_debug("job %s: %s", r->result->job, line);
    }
    r->result->np = command.np;
    if (r->opts->on_start)
        r->opts->on_start(r->opts->arg, r->result->job, command.np);
    return dmpi_job_stream_feed(&r->stream, tar.data, tar.len, r->opts->stdin_fd < 0, r->ctl, err);
}

static int attend(struct run *r, struct dmpi_err *err)
{
    struct dmpi_run_result *result = r->result;
    if (r->opts->detach) {
        struct dmpi_ctl ctl = dmpi_ctl_within(r->ctl, SETTLE_MS);
        return dmpi_job_stream_settle(&r->stream, &ctl, err);
    }
    r->stream.timeout_at = r->opts->timeout_ms ? dmpi_now_ms() + r->opts->timeout_ms : 0;
    if (dmpi_job_stream_run(&r->stream, &result->exit_code, err) < 0)
        return dmpi_err_wrap(err, "job %s", result->job);
    result->canceled = r->stream.canceled;
    result->timed_out = r->stream.timed_out;
    result->oom_killed = r->stream.oom_killed;
    if (r->stream.kill_at &&
        dmpi_job_ranks_wait(r->fleet, &r->targets, result->container, RANKS_MS, err) < 0)
        return dmpi_err_wrap(err, "job %s was canceled", result->job);
    return 0;
}

// Ended jobs keep their logs, but not for ever. Failing here harms nobody.
static void drop_old_jobs(const struct run *r)
{
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
    struct run *run;
    int rc;
    struct dmpi_err *err;
};

static void course_item(size_t i, void *arg)
{
    struct course *c = arg;
    if (i == 0)
        c->rc = attend(c->run, c->err);
    else
        drop_old_jobs(c->run);
}

static int go(struct run *r, struct dmpi_err *err)
{
    struct course c = {.run = r, .err = err};
    dmpi_parallel(2, 2, course_item, &c);
    return c.rc;
}

// A job that did not come to its start leaves nothing; one that ended leaves its log if wanted.
static void clean(struct run *r, bool started)
{
    bool keep = started && (r->opts->keep || r->opts->detach);
    struct dmpi_err err;
    struct dmpi_ctl ctl = dmpi_ctl_within(NULL, CLEAN_MS);
    if (r->id && !keep && dmpi_container_remove(r->engine, &ctl, r->id, true, true, &err) < 0)
        dmpi_warn("container %s is left behind: %s", r->result->container, err.msg);
    dmpi_job_stream_close(&r->stream);
}

static int perform(struct run *r, struct dmpi_err *err)
{
    r->stream.cancel_fd = r->ctl->cancel_fd;
    r->stream.insist_fd = r->opts->insist_fd;
    r->stream.stdin_fd = r->opts->detach ? -1 : r->opts->stdin_fd;
    r->stream.streams = r->opts->streams;
    int rc = gather(r, err);
    if (rc == 0)
        rc = feed(r, err);
    bool started = rc == 0;
    if (rc == 0)
        rc = go(r, err);
    clean(r, started);
    return rc;
}

static int prepare(struct run *r, struct dmpi_err *err)
{
    if (dmpi_job_code_find(&r->code, r->opts->images_dir, &r->opts->words, r->opts->program, err) <
            0 ||
        find_cluster(r, err) < 0 || choose_workdir(r, err) < 0 || read_code(r, err) < 0)
        return -1;
    r->result->np = count_ranks(r);
    return 0;
}

int dmpi_run(struct dmpi_fleet *fleet, const struct dmpi_spec *spec,
             const struct dmpi_run_opts *opts, const struct dmpi_ctl *ctl,
             struct dmpi_run_result *result, struct dmpi_err *err)
{
    *result = (struct dmpi_run_result){0};
    const struct dmpi_ctl none = DMPI_CTL_NONE;
    struct run r = {
        .fleet = fleet, .spec = spec, .opts = opts, .ctl = ctl ? ctl : &none, .result = result};
    int rc = prepare(&r, err);
    if (rc == 0)
        rc = perform(&r, err);
    dmpi_mesh_free(&r.mesh);
    dmpi_manifest_free(&r.manifest);
    dmpi_targets_free(&r.targets);
    dmpi_state_free(&r.state);
    dmpi_job_code_free(&r.code);
    json_decref(r.inspected);
    free(r.id);
    return rc;
}

void dmpi_run_result_free(struct dmpi_run_result *result)
{
    if (!result)
        return;
    free(result->job);
    free(result->container);
    *result = (struct dmpi_run_result){0};
}
