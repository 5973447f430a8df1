// SPDX-License-Identifier: MIT
// How transfers tell how far they are.
#ifndef DMPI_JOB_PROGRESS_H
#define DMPI_JOB_PROGRESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

// Called at most every 100 ms for each container, and once at its end (done); from several threads,
// never two at once. total is 0 while it is not known. container is valid during the call.
typedef void dmpi_transfer_fn(void *arg, const char *container, uint64_t bytes, uint64_t total,
                              bool done);

struct dmpi_transfer_progress {
    dmpi_transfer_fn *fn; // NULL: nothing is told
    void *arg;
};

// For those who transfer: one meter for each container, with a lock that all of them share.
struct dmpi_meter {
    const struct dmpi_transfer_progress *progress; // may be NULL
    pthread_mutex_t *lock;
    const char *container;
    uint64_t total;
    int64_t told_ms;
};
void dmpi_meter_tell(struct dmpi_meter *meter, uint64_t bytes, bool done);

#endif
