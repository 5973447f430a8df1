// SPDX-License-Identifier: MIT
#ifndef DMPI_TRANSPORT_HELPER_H
#define DMPI_TRANSPORT_HELPER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/ctl.h"
#include "base/err.h"
#include "base/strv.h"

/*
 * Programs that a transport needs beside it (ssh). They run in a session of their own, so that an
 * interrupt of the user reaches us and not them: cleaning up still needs the connection.
 */

/*
 * Starts argv with these descriptors as its stdin, stdout and stderr (-1: /dev/null). Returns its
 * pid, -1 with *err (ENOTFOUND when there is no such program).
 */
pid_t dmpi_helper_start(const struct dmpi_strv *argv, int in, int out, int err_fd,
                        struct dmpi_err *err);

/* TERM to it and its own children, then KILL after a moment; waits for it. pid <= 0: nothing. */
void dmpi_helper_end(pid_t pid);

/*
 * Runs argv to its end; its stdout is appended to out, its stderr is dropped. *code: its exit code
 * (128 + signal). ENOTFOUND when there is no such program.
 */
int dmpi_helper_output(const struct dmpi_strv *argv, const struct dmpi_ctl *ctl,
                       struct dmpi_buf *out, int *code, struct dmpi_err *err);

#endif
