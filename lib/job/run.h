// SPDX-License-Identifier: MIT
// Run a job: one container that lives as long as its mpirun.
#ifndef DMPI_JOB_RUN_H
#define DMPI_JOB_RUN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/ctl.h"
#include "base/err.h"
#include "base/strv.h"
#include "engine/stream.h"
#include "job/cancel.h"
#include "job/code.h"
#include "job/progress.h"
#include "job/sync.h"
#include "spec/spec.h"

struct dmpi_fleet;

// All borrowed; zero means: not given.
struct dmpi_run_opts {
    const char *images_dir;
    struct dmpi_strv words; // JOB, FILE, DIR or program, then arguments
    bool program;           // words are a program of the image (after `--`)
    int np, slots;
    bool tag;           // show with each line which rank printed it
    const char *output; // folder for the output of each rank (job/ranklog.h); NULL: none
    int restarts; // how often the job is started again when it failed; not with standard input
    struct dmpi_strv env; // KEY=VALUE
    struct dmpi_strv mca; // KEY=VALUE
    const char *tune, *backend, *workdir;
    const char *name;  // how the user calls the job, see dmpi_job_name_check
    const char *image; // dry run: "cpu:2" of a cluster that is not there
    bool keep;         // keep the finished container, for `logs`
    bool detach;       // return when it runs; the container stays until `jobs --prune` or `down`
    bool map,
        map_json; // tell on the job's stderr where each rank is, for people or as one line of JSON
    bool verify;  // tell which transports Open MPI uses; others than asked for end the job
    int64_t stall_ms; // tell of a job that printed nothing for so long and does not go on; 0: never
    int64_t timeout_ms; // the job is canceled after that time, also when we are gone; 0: never
    int64_t grace_ms;   // how long ranks may go on after TERM when the job is ended; 0: not at all
    int stdin_fd;  // copied to rank 0 until its end; -1: no standard input. The mpirun of Open MPI
                   // 5.0 loses parts of what is more than some KiB
    int insist_fd; // readable: the user insists, the job is killed; -1: none
    int leave_fd; // readable: we go, the job goes on, its container stays, also when ctl is canceled; -1: none
    struct dmpi_streams streams; // the job's stdout and stderr as they come
    struct dmpi_transfer_progress progress;
    // Told once, before the job starts (may be NULL).
    void (*on_start)(void *arg, const char *job, int np);
    // Told when the job is asked to end, by the user or because its time is over (may be NULL).
    void (*on_cancel)(void *arg, bool timed_out, int64_t grace_ms);
    // See job/stall.h; needed with stall_ms.
    void (*on_stall)(void *arg, const char *job, const char *text);
    void *arg;
};
#define DMPI_RUN_OPTS_INIT                                                                         \
    {                                                                                              \
        .stdin_fd = -1, .insist_fd = -1, .leave_fd = -1, .grace_ms = DMPI_GRACE_MS                 \
    }

// Strings are owned and may be NULL.
struct dmpi_run_result {
    char *job;       // id: "1", "2", ...
    char *called;    // what the user calls it: the name that he gave it, or its id
    char *container; // its name
    int np;
    int exit_code; // the job's own; when it was canceled 143, or 137 if it had to be killed; 124: timed_out
    bool canceled;  // by us
    bool ended;     // by somebody else's cancel
    bool timed_out; // its own time was over
    bool left;      // it goes on: exit_code is not known
    bool killed;    // by us, without time to end
    int heeded;     // canceled: its processes that ended when they were told to,
    int forced;     // and that had to be killed
    bool oom_killed;
    bool absent; // it could not be run because nothing of the cluster is there
    struct dmpi_strv
        causes; // a lost job: what has become of its workers, "worker-1 on node h1: ..."
    struct dmpi_sync_result sync;
};

// Runs the job on the cluster of spec and waits for its end (or start: detach). ctl->cancel_fd
// stands for the first Ctrl-C: the job gets TERM, its ranks end on every worker, and the call
// returns 0 with result->canceled. Returns 0 whenever the job ran and result->exit_code tells how it
// ended; -1 when it could not be run or its end could not be learnt. result is filled as far as
// known in both cases; free it.
int dmpi_run(struct dmpi_fleet *fleet, const struct dmpi_spec *spec,
             const struct dmpi_run_opts *opts, const struct dmpi_ctl *ctl,
             struct dmpi_run_result *result, struct dmpi_err *err);
void dmpi_run_result_free(struct dmpi_run_result *result); // NULL is allowed

// What dmpi_run would do, calculated from spec and profiles alone: no engine is asked. *out is a
// new object with "text" (network, hostfile and mpirun line for people), "network" (worker, node,
// interface, network; null where only the node can tell), "hostfile", "argv", "env", "np", "sync"
// (local, remote; null when nothing is synced).
int dmpi_run_dry(json_t **out, const struct dmpi_spec *spec, const struct dmpi_run_opts *opts,
                 struct dmpi_err *err);

// The same for a cluster that runs, with the ports and networks that its members know; nothing is
// changed. DMPI_ENOTFOUND also when it is not up.
int dmpi_run_dry_live(json_t **out, struct dmpi_fleet *fleet, const struct dmpi_spec *spec,
                      const struct dmpi_run_opts *opts, const struct dmpi_ctl *ctl,
                      struct dmpi_err *err);

#endif
