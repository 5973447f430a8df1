// SPDX-License-Identifier: MIT
// The exit code of a container that somebody else may remove as soon as it has ended: it is waited for
// beside everything else.
#ifndef DMPI_JOB_AWAIT_H
#define DMPI_JOB_AWAIT_H

#include <pthread.h>
#include <stdbool.h>

#include "base/ctl.h"
#include "engine/engine.h"

// Waits until the container does not run. An engine that is lost meanwhile is looked for for a minute; then
// DMPI_EUNREACHABLE.
int dmpi_await_code(struct dmpi_engine *engine, const char *id, const struct dmpi_ctl *ctl,
                    int *code, struct dmpi_err *err);

struct dmpi_await {
    // Private.
    struct dmpi_engine *engine;
    const char *id;
    pthread_t thread;
    int stop_fd, done_fd; // event descriptors
    bool runs, known;
    int code;
};

// Starts to wait. engine and id are borrowed until dmpi_await_end. Where no thread can be had, nothing is
// known at the end.
void dmpi_await_start(struct dmpi_await *a, struct dmpi_engine *engine, const char *id);

// Ends the waiting, at most ms from now. Whether *code is known. May be called for one that was never
// started (all zero).
bool dmpi_await_end(struct dmpi_await *a, int64_t ms, int *code);

#endif
