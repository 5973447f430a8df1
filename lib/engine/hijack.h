// SPDX-License-Identifier: MIT
#ifndef DMPI_ENGINE_HIJACK_H
#define DMPI_ENGINE_HIJACK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/ctl.h"
#include "base/err.h"
#include "engine/demux.h"
#include "engine/engine.h"
#include "engine/stream.h"

/*
 * A connection that the engine handed over (attach, exec): bytes both ways. What is read is a
 * multiplexed stream (engine/demux.h) unless the container or exec has a terminal.
 * For one thread at a time.
 */
struct dmpi_hijack;

/* What a non-blocking call returns when nothing can be done now. */
#define DMPI_WOULD_BLOCK (-2)

/* NULL is allowed. Closes the connection; the container goes on. */
void dmpi_hijack_close(struct dmpi_hijack *h);

/*
 * The descriptor for poll(): POLLIN always, POLLOUT while dmpi_hijack_wants_write. Before polling
 * call dmpi_hijack_read_some until DMPI_WOULD_BLOCK: bytes may wait above the socket (TLS).
 */
int dmpi_hijack_fd(const struct dmpi_hijack *h);
bool dmpi_hijack_wants_write(const struct dmpi_hijack *h);

/* Non-blocking: bytes read, 0 at the end, DMPI_WOULD_BLOCK, -1 with *err. */
ssize_t dmpi_hijack_read_some(struct dmpi_hijack *h, void *buf, size_t n, struct dmpi_err *err);

/* Waits for at least one byte: bytes read, 0 at the end, -1 with *err. */
ssize_t dmpi_hijack_read(struct dmpi_hijack *h, const struct dmpi_ctl *ctl, void *buf, size_t n,
                         struct dmpi_err *err);

/*
 * Non-blocking: how many bytes were taken over (1..n), DMPI_WOULD_BLOCK, -1 with *err. Some of
 * them may still wait inside; call again (n may be 0: just push) while dmpi_hijack_wants_write.
 */
ssize_t dmpi_hijack_write_some(struct dmpi_hijack *h, const void *data, size_t n,
                               struct dmpi_err *err);

/* Writes everything before it returns. Reads nothing meanwhile: see dmpi_hijack_pump. */
int dmpi_hijack_write(struct dmpi_hijack *h, const struct dmpi_ctl *ctl, const void *data, size_t n,
                      struct dmpi_err *err);

/* Ends our direction: the other side's stdin sees its end. Reading goes on. Idempotent. */
int dmpi_hijack_half_close(struct dmpi_hijack *h, const struct dmpi_ctl *ctl, struct dmpi_err *err);

/*
 * What dmpi_hijack_pump carries; all zero but fds -1: DMPI_PUMP_INIT. To the other side go data,
 * then source, then in_fd, each until its end, then the half-close.
 */
struct dmpi_pump {
    const void *data; /* borrowed, NULL: nothing */
    size_t len;
    struct dmpi_source source; /* read NULL: none; while it blocks nothing else moves */
    int in_fd;                 /* -1: none */
    bool keep_stdin;           /* do not half-close when data and in_fd are at their end */
    bool tty;                  /* what comes is raw, not multiplexed */
    struct dmpi_streams streams;
    struct dmpi_demux *demux; /* goes on with this state and its sinks instead, NULL: none */
    int wake_fd;              /* on_wake is called when it is readable (window size...), -1: none */
    int (*on_wake)(void *arg, struct dmpi_err *err); /* 0: go on, 1: end with success, -1: error */
    void *wake_arg;
};
#define DMPI_PUMP_INIT                                                                             \
    {                                                                                              \
        .in_fd = -1, .wake_fd = -1                                                                 \
    }

/* Carries both directions at once until the other side ends; never deadlocks on full pipes. */
int dmpi_hijack_pump(struct dmpi_hijack *h, const struct dmpi_ctl *ctl,
                     const struct dmpi_pump *pump, struct dmpi_err *err);

#endif
