// SPDX-License-Identifier: MIT
// Notices by itself that a job which somebody watches does not go on. Costs nothing while the job prints:
// only after a silence the workers are asked, as `why` does, and only a job in which no rank computes, or
// something is wrong, is told of. Once, until it prints again.
#ifndef DMPI_JOB_STALL_H
#define DMPI_JOB_STALL_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/stream.h"

struct dmpi_fleet;

struct dmpi_stall {
    // Set by the caller; borrowed.
    struct dmpi_fleet *fleet;
    const char *cluster, *job; // the job by name or id; may be set until dmpi_stall_while
    int64_t quiet_ms;          // the silence after which is looked; 0: never
    // text is one line without full stop, not yet safe for a terminal. Called from another thread.
    void (*tell)(void *arg, const char *job, const char *text);
    void *arg;

    // Private.
    struct dmpi_streams to;
    _Atomic int64_t heard_ms;
    int end[2];
};

// Streams that hand everything on to those given, and by which s hears the job. s must stay where it is.
struct dmpi_streams dmpi_stall_streams(struct dmpi_stall *s, const struct dmpi_streams *to);

// Calls fn, which returns when the job ended or is left, and watches the job meanwhile. Returns what fn does.
int dmpi_stall_while(struct dmpi_stall *s, int (*fn)(void *arg, struct dmpi_err *err), void *arg,
                     struct dmpi_err *err);

#endif
