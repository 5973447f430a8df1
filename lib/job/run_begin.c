// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "cluster/lock.h"
#include "cluster/runas.h"
#include "engine/containers.h"
#include "fleet/fleet.h"
#include "fleet/parallel.h"
#include "job/compose.h"
#include "job/meet.h"
#include "job/name.h"
#include "job/run_impl.h"
#include "job/sync.h"
#include "mesh/files.h"
#include "mpi/firewall.h"
#include "spec/plan.h"

#define CLEAN_MS ((int64_t)20000) // for what must be done after a cancel
#define NAME_TRIES 100            // of others who start jobs at the same moment
// A container that does not run yet reads nothing: so much fits into every connection's buffers.
#define EARLY_MAX ((size_t)32 * 1024)

static int next_index(const struct dmpi_run *r)
{
    int last = 0;
    for (size_t i = 0; i < r->state.n; i++) {
        const struct dmpi_member *m = &r->state.members[i];
        if (m->role == DMPI_JOB && strcmp(m->cluster, r->spec->name) == 0 && m->index > last)
            last = m->index;
    }
    return last + 1;
}

static int create_as(struct dmpi_run *r, int index, struct dmpi_err *err)
{
    dmpi_json_auto json_t *body = NULL;
    free(r->result->job);
    free(r->result->called);
    free(r->result->container);
    r->result->job = dmpi_xasprintf("%d", index);
    r->result->called = dmpi_xstrdup(r->opts->name ? r->opts->name : r->result->job);
    r->result->container = dmpi_container_name(r->spec->name, DMPI_JOB, index);
    struct dmpi_plan_job plan = {.launcher = r->inspected,
                                 .cluster = r->spec->name,
                                 .index = index,
                                 .job = r->result->job,
                                 .name = r->opts->name,
                                 .tags = r->opts->tag      ? "show"
                                         : r->opts->output ? "hide"
                                                           : NULL,
                                 .program = r->code.label,
                                 .ranks = r->result->np,
                                 .unkept = !r->opts->keep,
                                 .grace_ms = (int)r->opts->grace_ms,
                                 .restarts = r->opts->restarts,
                                 .workdir = r->workdir};
    // An engine goes on to create what we have given up waiting for, and then nobody would remove it:
    // a cancel takes effect after this call.
    struct dmpi_ctl ctl = dmpi_ctl_within(NULL, CLEAN_MS);
    if (dmpi_ctl_check(r->ctl, err) < 0 || dmpi_plan_job(&body, &plan, err) < 0)
        return -1;
    if (dmpi_container_create(r->engine, &ctl, r->result->container, body, &r->id, err) < 0)
        return -1;
    return dmpi_runas_prepare(body, r->engine, r->id, &ctl, err);
}

static int create(struct dmpi_run *r, struct dmpi_err *err)
{
    int first = next_index(r);
    const char *name = r->opts->name;
    for (int index = first; index < first + NAME_TRIES; index++) {
        if (create_as(r, index, err) == 0)
            return name ? dmpi_job_name_claim(r->engine, r->spec->name, name, first, index, r->ctl,
                                              err)
                        : 0;
        if (err->code != DMPI_ECONFLICT)
            return dmpi_err_wrap(err, "create the job's container");
    }
    return dmpi_err_wrap(err, "create the job's container");
}

static void reach(struct dmpi_run *r, enum dmpi_run_stage stage)
{
    pthread_mutex_lock(&r->start.lock);
    r->start.stage = stage;
    pthread_cond_signal(&r->start.changed);
    pthread_mutex_unlock(&r->start.lock);
}

// Whether the container has come so far; false when its start failed.
static bool wait_for(struct dmpi_run *r, enum dmpi_run_stage stage)
{
    pthread_mutex_lock(&r->start.lock);
    while (r->start.stage < stage)
        pthread_cond_wait(&r->start.changed, &r->start.lock);
    bool reached = r->start.stage != STAGE_FAILED;
    pthread_mutex_unlock(&r->start.lock);
    return reached;
}

static int create_attached(struct dmpi_run *r, struct dmpi_err *err)
{
    if (create(r, err) < 0)
        return -1;
    r->stream.engine = r->engine;
    r->stream.node = dmpi_fleet_name(r->fleet, r->launcher->node);
    r->stream.id = r->id;
    if (dmpi_job_stream_open(&r->stream, r->ctl, err) < 0)
        return dmpi_err_wrap(err, "start the job's container");
    return 0;
}

static int start_container(struct dmpi_run *r, struct dmpi_err *err)
{
    int rc = create_attached(r, err);
    if (rc == 0) {
        reach(r, STAGE_ATTACHED);
        rc = dmpi_container_start(r->engine, r->ctl, r->id, err);
        if (rc < 0)
            dmpi_err_wrap(err, "start the job's container");
    }
    reach(r, rc == 0 ? STAGE_STARTED : STAGE_FAILED);
    return rc;
}

int dmpi_run_meet(struct dmpi_run *r, struct dmpi_err *err)
{
    const struct dmpi_meet meet = {.fleet = r->fleet,
                                   .state = &r->state,
                                   .cluster = r->spec->name,
                                   .launcher = r->launcher,
                                   .first = &r->targets.v[r->targets.n > 1 ? 1 : 0],
                                   .ctl = r->ctl};
    return dmpi_job_meet(&r->mesh, &r->facts, &meet, err);
}

static int sync_code(struct dmpi_run *r, struct dmpi_err *err)
{
    if (!r->code.local)
        return 0;
    return dmpi_sync(&r->manifest, r->workdir, r->fleet, &r->targets, &r->opts->progress, r->ctl,
                     &r->result->sync, err);
}

typedef int task_fn(struct dmpi_run *r, struct dmpi_err *err);

// A few tasks at once; the error is that of the first of them that failed.
enum { TASKS_MAX = 2 };
struct tasks {
    struct dmpi_run *run;
    task_fn *const *fn;
    int rc[TASKS_MAX];
    struct dmpi_err errs[TASKS_MAX];
};

static void task_item(size_t i, void *arg)
{
    struct tasks *t = arg;
    t->rc[i] = t->fn[i](t->run, &t->errs[i]);
}

static int do_both(struct dmpi_run *r, task_fn *const fn[TASKS_MAX], struct dmpi_err *err)
{
    struct tasks t = {.run = r, .fn = fn};
    dmpi_parallel(TASKS_MAX, TASKS_MAX, task_item, &t);
    for (size_t i = 0; i < TASKS_MAX; i++) {
        if (t.rc[i] < 0) {
            *err = t.errs[i];
            return -1;
        }
    }
    return 0;
}

static int lost_worker(const struct dmpi_run *r, const struct dmpi_mesh_worker *w,
                       struct dmpi_err *err)
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
                        "%s of cluster %s is gone: run `dockmpi up` as before to repair it",
                        w->alias, r->spec->name);
}

// The containers that run against those that know each other.
static int check_mesh(const struct dmpi_run *r, struct dmpi_err *err)
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
                                "`dockmpi up` as before to repair it",
                                m->index, r->spec->name);
    }
    return 0;
}

// --- the tar that the container waits for ----------------------------------------------------

int dmpi_run_compose(struct dmpi_mpi_command *out, struct dmpi_run *r, struct dmpi_err *err)
{
    // By the number that the engine let us have: jobs that start at the same moment differ in it.
    long long number = 0;
    int port = 0, index = next_index(r);
    if (r->result->job && dmpi_text_int(&number, r->result->job, 0, INT32_MAX) == 0)
        index = (int)number;
    if (dmpi_firewall_master_port(&port, &r->mesh.ports, &r->facts, r->spec->name, index, err) < 0)
        return dmpi_err_wrap(err, "the ranks' rendezvous");
    struct dmpi_compose what = {.opts = r->opts,
                                .code = &r->code,
                                .mesh = &r->mesh,
                                .launcher_profile =
                                    r->launcher->profile[0] ? r->launcher->profile : NULL,
                                .workdir = r->workdir,
                                .cluster = r->spec->name,
                                .job = r->result->job,
                                .master_port = port,
                                .mca = &r->mca};
    if (check_mesh(r, err) < 0)
        return -1;
    dmpi_job_mca_ask(&r->mca, r->opts, &r->mesh, &r->state, r->spec->name, r->fleet, r->ctl);
    return dmpi_job_compose(out, &what, err);
}

static int feed(struct dmpi_run *r, struct dmpi_err *err)
{
    struct dmpi_mpi_command command DMPI_AUTO(dmpi_mpi_command_free) = {0};
    struct dmpi_buf tar DMPI_AUTO(dmpi_secret_buf_free) = DMPI_BUF_INIT_SECRET(DMPI_MESH_TAR_MAX);
    if (dmpi_run_compose(&command, r, err) < 0 ||
        dmpi_mesh_tar_job(&tar, &r->mesh, command.hostfile, command.job, err) < 0)
        return -1;
    for (size_t i = 0; i < command.notes.n; i++)
        dmpi_debug("job %s: %s", r->result->job, command.notes.v[i]);
    if (dmpi_log_enabled(DMPI_LOG_DEBUG)) {
        dmpi_autofree char *line = dmpi_mpi_command_text(&command);
        dmpi_debug("job %s: %s", r->result->job, line);
    }
    r->result->np = command.np;
    if (tar.len > EARLY_MAX && !wait_for(r, STAGE_STARTED))
        return 0;
    return dmpi_job_stream_feed(&r->stream, tar.data, tar.len, r->opts->stdin_fd < 0, r->ctl, err);
}

// The engine keeps what is written before the container reads it, so that the container's start and
// all that the job needs from elsewhere take their time together.
static int prepare_and_feed(struct dmpi_run *r, struct dmpi_err *err)
{
    static task_fn *const needs[TASKS_MAX] = {dmpi_run_meet, sync_code};
    int rc = do_both(r, needs, err);
    bool attached = wait_for(r, STAGE_ATTACHED); // if not, start_container tells why
    // From the container's creation on, who takes the cluster down finds it; who had begun before is found.
    if (rc == 0 && attached)
        rc = dmpi_lock_check(r->engine, r->spec->name, r->ctl, err);
    return rc == 0 && attached ? feed(r, err) : rc;
}

int dmpi_run_begin(struct dmpi_run *r, struct dmpi_err *err)
{
    static task_fn *const tasks[TASKS_MAX] = {start_container, prepare_and_feed};
    if (do_both(r, tasks, err) < 0)
        return -1;
    if (r->opts->on_start)
        r->opts->on_start(r->opts->arg, r->result->job, r->result->np);
    return 0;
}
