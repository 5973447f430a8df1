// SPDX-License-Identifier: MIT
// How transfers tell how far they are.
#ifndef DMPI_JOB_PROGRESS_H
#define DMPI_JOB_PROGRESS_H

#include <stdint.h>

// Called at most every 100 ms for each container, and once at its end (done); from several threads,
// never two at once. total is 0 while it is not known. container is valid during the call.
typedef void dmpi_transfer_fn(void *arg, const char *container, uint64_t bytes, uint64_t total,
                              int done);

struct dmpi_transfer_progress {
    dmpi_transfer_fn *fn; // NULL: nothing is told
    void *arg;
};

#endif
