// SPDX-License-Identifier: MIT
// What is left of a job in the workers.
#ifndef DMPI_JOB_RANKS_H
#define DMPI_JOB_RANKS_H

#include <stdint.h>

#include "base/ctl.h"
#include "base/err.h"
#include "job/target.h"

struct dmpi_fleet;

// Waits until no worker has a launch daemon of the job any more (with it go the job's ranks), at most
// ms milliseconds. job is the job container's name, which the daemons carry in their arguments.
// DMPI_ETIMEOUT names a worker that still has one, with the remedy.
int dmpi_job_ranks_wait(struct dmpi_fleet *fleet, const struct dmpi_targets *targets,
                        const char *job, int64_t ms, struct dmpi_err *err);

#endif
