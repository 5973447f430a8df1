// SPDX-License-Identifier: MIT
// Jobs whose client was ended too early: between creating and starting their container, so that nobody will start
// them; or before it could remove that of a job of which nothing was to be kept.
#ifndef DMPI_CLUSTER_UNSTARTED_H
#define DMPI_CLUSTER_UNSTARTED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ctl.h"
#include "base/err.h"
#include "cluster/state.h"

struct dmpi_engine;
struct dmpi_fleet;

// A client starts what it created within a second; one that is this late is gone.
#define DMPI_UNSTARTED_MS ((int64_t)10000)

// Whether the member is a job that nobody will start any more. now: seconds since the epoch.
bool dmpi_job_unstarted(const struct dmpi_member *member, int64_t now);

// Waits until the job's container is started or gone, DMPI_UNSTARTED_MS at most. DMPI_ECONFLICT, with
// the remedy, when it was not started.
int dmpi_job_started_wait(struct dmpi_engine *engine, const struct dmpi_member *job,
                          const struct dmpi_ctl *ctl, struct dmpi_err *err);

// Removes all of them from a cluster, which is `state`'s. What fails harms nobody: the next one tries again.
void dmpi_unstarted_drop(struct dmpi_fleet *fleet, const struct dmpi_state *state,
                         const char *cluster, const struct dmpi_ctl *ctl);

// A client removes the container of such a job as soon as it has its exit code.
#define DMPI_UNKEPT_MS ((int64_t)60000)

// Whether the member is a job that ended so long ago that its client will not remove it any more. Milliseconds
// since the epoch; finished 0: not known.
bool dmpi_job_unkept(const struct dmpi_member *member, int64_t finished, int64_t now);

// Removes all of these from a cluster, too.
void dmpi_unkept_drop(struct dmpi_fleet *fleet, const struct dmpi_state *state, const char *cluster,
                      const struct dmpi_ctl *ctl);

#endif
