// SPDX-License-Identifier: MIT
// Ends jobs: their containers first, which give the ranks their grace, then what is left in the workers.
#ifndef DMPI_JOB_CANCEL_H
#define DMPI_JOB_CANCEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ctl.h"
#include "base/err.h"
#include "cluster/state.h"
#include "job/ranks.h"

struct dmpi_engine;
struct dmpi_fleet;

// How long ranks may go on after TERM unless somebody says otherwise; that of `docker stop`.
#define DMPI_GRACE_MS ((int64_t)10000)
// More would keep what is to end alive.
#define DMPI_GRACE_MAX_MS ((int64_t)24 * 3600 * 1000)
// What a job that is ended may need beyond its grace on a busy machine, before its container is killed.
#define DMPI_CANCEL_MARGIN_MS ((int64_t)15000)

// One job to end.
struct dmpi_cancel_job {
    const char *id;                   // borrowed
    const struct dmpi_member *member; // its container; NULL: it is gone, but ranks may be left
    // Told:
    struct dmpi_err err; // DMPI_OK when its container has ended
    bool
        counted; // whether it is known how many of its processes ended when they were told to, and how many
    int heeded, killed; // had to be killed
};

struct dmpi_cancel_opts {
    const char *signal; // what the job gets first; NULL: TERM
    int64_t grace_ms;   // 0: killed at once; negative: as the job was started with
};

// Ends the jobs, all at once, and looks at every worker of the cluster that nothing of them is left. Returns 0
// when that is so, also for jobs that had ended before. Otherwise -1: the error names the first that is
// not so; jobs and ranks hold each one's. The same call later finishes the work. ranks is to be freed
// in both cases.
int dmpi_cancel(struct dmpi_ranks *ranks, struct dmpi_fleet *fleet, const struct dmpi_state *state,
                const char *cluster, struct dmpi_cancel_job *jobs, size_t n,
                const struct dmpi_cancel_opts *opts, const struct dmpi_ctl *ctl,
                struct dmpi_err *err);

#endif
