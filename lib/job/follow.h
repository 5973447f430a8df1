// SPDX-License-Identifier: MIT
// A job's output from the engine's log, every byte once, also when the connection breaks on the way.
//
// The engine gives each entry of the log (a line; of longer ones a part) a time. After a loss the log is
// read again from an entry a few seconds back, and as many entries are passed over as had come since:
// so it does not matter that several have the same time, or that stdout's and stderr's are not in order.
#ifndef DMPI_JOB_FOLLOW_H
#define DMPI_JOB_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ctl.h"
#include "base/err.h"
#include "engine/engine.h"
#include "engine/stream.h"

#define DMPI_FOLLOW_ALL ((int64_t)-1)

// A place in the log: how many entries of each stream have come since that time.
struct dmpi_follow_place {
    int64_t since_ns; // 0: the beginning
    uint64_t n[2];
};

struct dmpi_follow {
    // Set by the caller; borrowed.
    struct dmpi_engine *engine;
    const char *node; // the engine's, for messages
    const char *id;   // container
    struct dmpi_streams streams;
    bool once;         // only what there is: do not wait for the job's end
    bool timestamps;   // hand on the time of each entry, too
    int64_t tail;      // so many of the last lines that there are; 0: what comes from now on
    int64_t since_ns;  // what was printed since then; 0: everything
    bool lost;         // the engine was lost just now: the user is told if it is not there at once
    int64_t find_ms;   // how long a lost engine is looked for; 0: a minute
    uint64_t lines[2]; // of stdout and stderr: lines that the user has by other means,
    uint64_t bytes[2]; // and bytes of the one after

    // Private.
    struct dmpi_follow_place all, base, next;
    int64_t newest, time; // of all entries; of the present one
    uint64_t entries;     // that came in all
    uint64_t pass[2];     // entries to be passed over
    bool begun, failed, passing, in_stamp;
    int open;      // stream of the present entry, -1: none
    int redo;      // stream of the entry that broke off, -1: none
    uint64_t part; // bytes of the present entry that came, also before the connection broke
    uint64_t at;   // and since
    char stamp[64];
    size_t stamp_len;
};
#define DMPI_FOLLOW_INIT                                                                           \
    {                                                                                              \
        .tail = DMPI_FOLLOW_ALL, .open = -1, .redo = -1                                            \
    }

// Hands the output on until the job ends (once: until the end of what there is). May be called again
// after ctl ended it, and goes on where it was. A lost engine is looked for for find_ms; then
// DMPI_EUNREACHABLE. DMPI_ENOTFOUND: the container is gone, and what it printed last may have been missed.
int dmpi_follow_run(struct dmpi_follow *f, const struct dmpi_ctl *ctl, struct dmpi_err *err);

#endif
