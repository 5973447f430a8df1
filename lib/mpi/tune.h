// SPDX-License-Identifier: MIT
// Named sets of MCA parameters (--tune).
#ifndef DMPI_MPI_TUNE_H
#define DMPI_MPI_TUNE_H

#include "base/err.h"

struct dmpi_tune {
    const char *name;
    const char *summary;
    const char *const *mca; // "KEY=VALUE", NULL-terminated
    const char *const *env; // "KEY=VALUE" for the ranks, NULL-terminated
};

// The set with that name; NULL or "" is "auto". NULL with DMPI_EINVAL, listing what exists.
const struct dmpi_tune *dmpi_tune_find(const char *name, struct dmpi_err *err);
// NULL-terminated array of all sets.
const struct dmpi_tune *const *dmpi_tune_all(void);

#endif
