// SPDX-License-Identifier: MIT
// What run.c (a job from its program to its exit code) and run_begin.c (its container, up to mpirun's
// start) share.
#ifndef DMPI_JOB_RUN_IMPL_H
#define DMPI_JOB_RUN_IMPL_H

#include <jansson.h>
#include <pthread.h>

#include "cluster/state.h"
#include "job/manifest.h"
#include "job/mca.h"
#include "job/ranklog.h"
#include "job/run.h"
#include "job/stall.h"
#include "job/stream.h"
#include "job/target.h"
#include "mesh/mesh.h"
#include "mpi/command.h"

// How far the job's container has come: the threads that start and that feed it meet here.
enum dmpi_run_stage { STAGE_NONE, STAGE_ATTACHED, STAGE_STARTED, STAGE_FAILED };
struct dmpi_run_start {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum dmpi_run_stage stage;
};

// One run of a job. The order of the members is about that in which they become known.
struct dmpi_run {
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
    struct dmpi_stall stall;
    struct dmpi_ranklog *ranklog; // NULL: lines are not tagged
    struct dmpi_run_start start;
    struct dmpi_mesh mesh;
    struct dmpi_mca mca;
    struct dmpi_facts facts; // of the first worker's node: the ports that are taken there
};

// Finds program and cluster, before anything is changed. What it fills is freed by dmpi_run_free, also
// after an error.
int dmpi_run_prepare(struct dmpi_run *r, struct dmpi_err *err);
void dmpi_run_free(struct dmpi_run *r);

// Reads the mesh and the ports that are taken at the first worker.
int dmpi_run_meet(struct dmpi_run *r, struct dmpi_err *err);

// The job's command, once the mesh is known and found to be what runs. *out is to be freed also after an
// error.
int dmpi_run_compose(struct dmpi_mpi_command *out, struct dmpi_run *r, struct dmpi_err *err);

// Brings the job's container to the point where mpirun starts: creates, attaches, starts and feeds it,
// and meanwhile learns the mesh and syncs the code. After an error the container may be there.
int dmpi_run_begin(struct dmpi_run *r, struct dmpi_err *err);

// What the stream tells of the job's end; result->exit_code is known already.
void dmpi_run_result_take(struct dmpi_run_result *result, const struct dmpi_job_stream *s);

#endif
