// SPDX-License-Identifier: MIT
// What is left of jobs in the workers: ended, and looked for until nothing is there.
#ifndef DMPI_JOB_RANKS_H
#define DMPI_JOB_RANKS_H

#include <stddef.h>
#include <stdint.h>

#include "base/ctl.h"
#include "base/err.h"
#include "base/strv.h"
#include "cluster/state.h"

struct dmpi_fleet;

// What was seen in one worker, or that a node does not answer.
struct dmpi_ranks_place {
    char worker[32];     // "worker-1"; "" for a node whose workers cannot be told
    const char *node;    // borrowed from the fleet
    int ended;           // processes that had to be ended
    struct dmpi_err err; // DMPI_OK: looked, and nothing of the jobs is there
};

struct dmpi_ranks {
    struct dmpi_ranks_place *v; // every worker, and every node that did not answer
    size_t n, unverified;
    int ended;
};

// Ends the ranks and launch daemons of these jobs (ids) in every worker of the cluster, with all that they
// started and that has kept their environment, and looks until none is there (mesh/end.sh). Ranks get TERM and
// grace_ms to heed it; 0: KILL at once. A worker that does not answer costs the grace and 15 s. Processes
// are told by their environment, not by their names; a worker that does not run has none.
//
// Returns 0 when all workers were looked at and are clean. Otherwise -1: the error says how many were not,
// names the first with the cause, and the remedy. out is to be freed in both cases.
int dmpi_ranks_end(struct dmpi_ranks *out, struct dmpi_fleet *fleet, const struct dmpi_state *state,
                   const char *cluster, const struct dmpi_strv *jobs, int64_t grace_ms,
                   const struct dmpi_ctl *ctl, struct dmpi_err *err);

// The same for one job that was canceled and has ended, whatever the user has interrupted.
int dmpi_ranks_end_one(struct dmpi_fleet *fleet, const struct dmpi_state *state,
                       const char *cluster, const char *job, struct dmpi_err *err);

void dmpi_ranks_free(struct dmpi_ranks *ranks); // NULL is allowed

// Pure: reads what end.sh printed. DMPI_EENGINE when processes are left, DMPI_EPARSE for anything else.
int dmpi_ranks_parse(int *ended, const char *text, struct dmpi_err *err);

#endif
