// SPDX-License-Identifier: MIT
// A program of ours whose standard output is streamed to an engine.
#ifndef DMPI_CLUSTER_CHILD_H
#define DMPI_CLUSTER_CHILD_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/ctl.h"
#include "base/err.h"
#include "base/strv.h"
#include "engine/stream.h"

// What the program writes to standard error, line by line; valid during the call.
typedef void dmpi_child_line_fn(void *arg, const char *line);

struct dmpi_child {
    const char *name; // for messages; borrowed
    pid_t pid;        // 0: it was waited for
    int out, err;     // -1: at its end
    struct dmpi_buf line;
    char *last; // the last line of standard error that was not empty
    const struct dmpi_ctl *ctl;
    dmpi_child_line_fn *tell; // may be NULL
    void *arg;
};

// Starts argv (argv[0] is a path) in a session of its own, with empty standard input and no
// signal blocked. Everything is borrowed until dmpi_child_end.
int dmpi_child_start(struct dmpi_child *out, const struct dmpi_strv *argv,
                     const struct dmpi_ctl *ctl, dmpi_child_line_fn *tell, void *arg,
                     struct dmpi_err *err);

// Its standard output. The end is reported only when the program ended with success; otherwise the
// read fails with the last line of its standard error, so that nobody takes half for the whole.
struct dmpi_source dmpi_child_source(struct dmpi_child *child);

// Ends it if it still runs (TERM for its whole session, KILL after ten seconds) and frees everything.
void dmpi_child_end(struct dmpi_child *child);

#endif
