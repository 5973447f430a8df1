// SPDX-License-Identifier: MIT
// The containers that a transfer is about.
#ifndef DMPI_JOB_TARGET_H
#define DMPI_JOB_TARGET_H

#include <stddef.h>

#include "base/err.h"

struct dmpi_state;
struct dmpi_fleet;

// One container. Everything is borrowed from state and fleet.
struct dmpi_target {
    size_t node;
    const char *id;
    const char *container;
    const char *alias; // "launcher", "worker-3"; owned by the list
};

struct dmpi_targets {
    struct dmpi_target *v;
    size_t n;
};

// The launcher and all workers of a cluster that run (with_launcher false: only the workers).
// DMPI_ENOTFOUND with "run `dockmpi up`" when there are none; DMPI_ECONFLICT naming the member and
// the remedy when one of them does not run. *out is to be freed also after an error.
int dmpi_targets_all(struct dmpi_targets *out, const struct dmpi_state *state, const char *cluster,
                     int with_launcher, struct dmpi_err *err);

// The one called alias, or by its container's name.
int dmpi_targets_one(struct dmpi_targets *out, const struct dmpi_state *state, const char *cluster,
                     const char *alias, struct dmpi_err *err);

void dmpi_targets_free(struct dmpi_targets *targets); // NULL is allowed

#endif
