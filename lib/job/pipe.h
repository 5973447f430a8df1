// SPDX-License-Identifier: MIT
// A conversation with one process in a container (an exec): both directions at once, so that full
// pipes never lock up, and step by step, so that what is sent can depend on what was answered.
#ifndef DMPI_JOB_PIPE_H
#define DMPI_JOB_PIPE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/ctl.h"
#include "base/err.h"
#include "base/strv.h"
#include "engine/demux.h"
#include "engine/engine.h"
#include "engine/hijack.h"
#include "engine/stream.h"

struct dmpi_pipe {
    struct dmpi_engine *engine; // borrowed
    struct dmpi_hijack *hijack;
    char *exec_id;
    struct dmpi_demux demux;
    struct dmpi_buf note; // what it wrote to stderr, cut at some length
    bool ended;           // its output came to an end
    bool broken;          // it does not take input any more
    struct dmpi_err why;  // with broken
    char *chunk;          // private
};

// Starts argv in a running container. Its stdout goes to out. bulk: much data is to come. To be closed
// also after an error.
// p must not move in memory while it is open.
int dmpi_pipe_open(struct dmpi_pipe *p, struct dmpi_engine *engine, const char *container,
                   const struct dmpi_strv *argv, bool bulk, const struct dmpi_sink *out,
                   const struct dmpi_ctl *ctl, struct dmpi_err *err);

// Sends all of source while it hands on what arrives. A process that ends or stops reading before is
// no error here: dmpi_pipe_finish tells how it ended.
int dmpi_pipe_send(struct dmpi_pipe *p, const struct dmpi_source *source,
                   const struct dmpi_ctl *ctl, struct dmpi_err *err);

// Hands on what arrives until *until (which the sink sets; NULL: never) or the end of the stream.
int dmpi_pipe_receive(struct dmpi_pipe *p, const bool *until, const struct dmpi_ctl *ctl,
                      struct dmpi_err *err);

// Ends its standard input, hands on the rest, waits for its end. A code other than 0 is DMPI_EENGINE
// with the first line that it wrote to stderr; 126 and 127 name argv0, the missing program.
int dmpi_pipe_finish(struct dmpi_pipe *p, const char *argv0, const struct dmpi_ctl *ctl,
                     struct dmpi_err *err);

void dmpi_pipe_close(struct dmpi_pipe *p);

#endif
