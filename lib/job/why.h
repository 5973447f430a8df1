// SPDX-License-Identifier: MIT
// Why a job does not go on: every worker is asked at once what the job's processes do there.
#ifndef DMPI_JOB_WHY_H
#define DMPI_JOB_WHY_H

#include <jansson.h>

#include "base/ctl.h"
#include "base/err.h"
#include "cluster/state.h"
#include "job/why_judge.h"

struct dmpi_fleet;

// Borrows names of nodes from the fleet.
struct dmpi_why {
    const struct dmpi_member *job; // borrowed from the state
    bool running;                  // if not, only containers were looked at, and there are no ranks
    struct dmpi_why_place *places; // workers by index, then the job's container
    size_t n;
    struct dmpi_why_verdict verdict;
    char *last_line; // what the job printed last; NULL: nothing, or not known
    char *last_at;   // when, as the engine writes it: "2026-01-31T12:00:00.123456789Z"
};

// Asks, 10 s for each worker at most; those that do not answer are part of the result. *out is to be freed
// also after an error.
int dmpi_why_ask(struct dmpi_why *out, struct dmpi_fleet *fleet, const struct dmpi_state *state,
                 const struct dmpi_member *job, const struct dmpi_ctl *ctl, struct dmpi_err *err);
void dmpi_why_free(struct dmpi_why *why); // NULL is allowed

// Object with "job", "name" (null without one), "state", "conclusion", "notes", "last_output", "ranks", "workers". Owned by the caller.
json_t *dmpi_why_json(const struct dmpi_why *why);

// The ranks that a rank has connections to, for people: "0, 2 (64 KiB unsent)"; "" for none. Owned by the caller.
char *dmpi_why_peers_text(const struct dmpi_why *why, const struct dmpi_why_rank *rank);

#endif
