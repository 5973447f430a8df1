// SPDX-License-Identifier: MIT
#ifndef DMPI_ENGINE_STREAM_H
#define DMPI_ENGINE_STREAM_H

#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * Where the body of a request comes from. read returns the number of bytes put into buf (1..n),
 * 0 at the end, -1 with *err set to give the request up. It may block; nothing is buffered ahead.
 */
struct dmpi_source {
    ssize_t (*read)(void *arg, void *buf, size_t n, struct dmpi_err *err);
    void *arg;
};

/*
 * Where the body of an answer goes. write takes all n bytes and returns 0, or -1 with *err set to
 * give the call up. It may block: the engine then waits. A sink whose write is NULL discards.
 */
struct dmpi_sink {
    int (*write)(void *arg, const void *data, size_t n, struct dmpi_err *err);
    void *arg;
};

/* The two outputs of a container or an exec. With a terminal all comes through out. */
struct dmpi_streams {
    struct dmpi_sink out;
    struct dmpi_sink err;
};

/* Writes to a sink; a sink without write swallows the data. */
int dmpi_sink_write(const struct dmpi_sink *sink, const void *data, size_t n, struct dmpi_err *err);

/* Appends to buf (borrowed). What is over the buffer's maximum is an EENGINE error. */
struct dmpi_sink dmpi_sink_to_buf(struct dmpi_buf *buf);

/* Appends to buf (borrowed) and silently drops what is over its maximum (buf->overflow tells). */
struct dmpi_sink dmpi_sink_to_buf_capped(struct dmpi_buf *buf);

/* Writes to the descriptor *fd (borrowed; must outlive the sink). Blocks as the descriptor does. */
struct dmpi_sink dmpi_sink_to_fd(const int *fd);

/* Reads from the descriptor *fd (borrowed; must outlive the source). */
struct dmpi_source dmpi_source_from_fd(const int *fd);

/* A piece of memory as a source: state is the caller's, data is borrowed. */
struct dmpi_memory {
    const char *data;
    size_t len;
    size_t pos;
};
struct dmpi_source dmpi_source_from_memory(struct dmpi_memory *state);

#endif
