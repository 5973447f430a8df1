// SPDX-License-Identifier: MIT
// The containers that a transfer is about.
#ifndef DMPI_JOB_TARGET_H
#define DMPI_JOB_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct dmpi_member;
struct dmpi_state;

struct dmpi_target {
    size_t node;    // index into the fleet
    const char *id; // borrowed from the state, as is container
    const char *container;
    char alias[32]; // "launcher", "worker-3"
};

struct dmpi_targets {
    struct dmpi_target *v;
    size_t n;
};

// All workers of a cluster and, if asked for, its launcher. Each must run: DMPI_ECONFLICT names the one
// that does not, DMPI_ENOTFOUND means that there are none; both tell the remedy. *out is to be freed
// also after an error.
int dmpi_targets_all(struct dmpi_targets *out, const struct dmpi_state *state, const char *cluster,
                     bool launcher, struct dmpi_err *err);

// The one called alias ("launcher", "worker-3") or by its container's name.
int dmpi_targets_one(struct dmpi_targets *out, const struct dmpi_state *state, const char *cluster,
                     const char *alias, struct dmpi_err *err);

void dmpi_targets_free(struct dmpi_targets *targets); // NULL is allowed

#endif
