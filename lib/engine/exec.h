// SPDX-License-Identifier: MIT
#ifndef DMPI_ENGINE_EXEC_H
#define DMPI_ENGINE_EXEC_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/ctl.h"
#include "base/err.h"
#include "base/strv.h"
#include "engine/engine.h"
#include "engine/hijack.h"

struct dmpi_exec_opts {
    const struct dmpi_strv *argv; /* no shell in between */
    const struct dmpi_strv *env;  /* added "K=V", NULL: none */
    const char *workdir;          /* NULL: the container's */
    const char *user;             /* NULL: the container's */
    const char *mark; /* set as $DOCKMPI_EXEC, for dmpi_exec_end to find it by; NULL: none */
    bool stdin_open;
    bool tty;
    bool bulk;      /* much data is to go through it: not over the connection of short calls */
    int rows, cols; /* first size of the terminal, 0: the engine's default */
};

/*
 * Creates and starts a process in a running container. *id (the caller's) is for exec_code and
 * exec_resize, *out is its connection.
 */
int dmpi_exec_start(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *container,
                    const struct dmpi_exec_opts *opts, char **id, struct dmpi_hijack **out,
                    struct dmpi_err *err);

/*
 * The exit code of an exec whose connection came to its end; waits the moment that the engine needs
 * to notice. A program that is not in the image: 126 or 127.
 */
int dmpi_exec_code(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id, int *code,
                   struct dmpi_err *err);

int dmpi_exec_resize(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id, int rows,
                     int cols, struct dmpi_err *err);

/*
 * Runs argv to its end with input (may be NULL) on its stdin. What it writes is appended to out and
 * err_out (NULL: thrown away); what is over their maximum is dropped and marked as overflow.
 */
int dmpi_exec_run(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *container,
                  const struct dmpi_strv *argv, const void *input, size_t len, struct dmpi_buf *out,
                  struct dmpi_buf *err_out, int *code, struct dmpi_err *err);

/*
 * The same with whole options, any source of input (fd in pump) and any sinks. Where it fails or is
 * canceled, a program with a mark is ended before it returns.
 */
int dmpi_exec_stream(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *container,
                     const struct dmpi_exec_opts *opts, const struct dmpi_pump *pump, int *code,
                     struct dmpi_err *err);

/*
 * Ends the processes whose environment has this mark (letters and digits): HUP and TERM, and KILL to those that
 * remain after 2 s. The API has no call for it. Best effort, within some seconds of its own; the
 * container needs a shell and grep.
 */
void dmpi_exec_end(struct dmpi_engine *e, const char *container, const char *mark);

#endif
