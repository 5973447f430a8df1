// SPDX-License-Identifier: MIT
// Starting other programs, waiting for them, ending them. The only place that does so.
#ifndef DMPI_BASE_SPAWN_H
#define DMPI_BASE_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/ctl.h"
#include "base/err.h"
#include "base/strv.h"

enum { DMPI_SPAWN_NULL = -1, DMPI_SPAWN_OURS = -2 };

// What a program gets. Descriptors stay the caller's; DMPI_SPAWN_NULL is /dev/null, DMPI_SPAWN_OURS
// is the one that we have ourselves.
struct dmpi_spawn {
    int in, out, err;
    // In a session of its own: an interrupt at the terminal reaches us and not it, and ending it
    // ends what it started. Otherwise it is in our process group, may read the terminal, and hears
    // what the user types there.
    bool apart;
};

// Starts argv (argv[0] is looked for in PATH), with no signal blocked or ignored, in our folder and
// environment. Returns its pid, or -1 with *err: DMPI_ENOTFOUND when there is no such program.
pid_t dmpi_spawn(const struct dmpi_strv *argv, const struct dmpi_spawn *how, struct dmpi_err *err);

// Waits for its end; *status is that of waitpid. -1 when ctl ended the wait (it still runs) or pid
// is no child of ours.
int dmpi_spawn_wait(pid_t pid, const struct dmpi_ctl *ctl, int *status, struct dmpi_err *err);

// The exit code that a shell would give for a status: 128 + signal for one that was killed.
int dmpi_spawn_code(int status);

// TERM, and KILL when it is still there after grace_ms; waits for it. What was started apart is
// ended with all that it started. The result is its status, 0 when there was nothing to wait for
// (pid <= 0 is allowed).
int dmpi_spawn_end(pid_t pid, const struct dmpi_spawn *how, int64_t grace_ms);

// Runs argv apart, to its end. Its standard output is appended to out, its standard error dropped.
// *code: its exit code. -1 when it could not be started (DMPI_ENOTFOUND: there is no such program)
// or ctl ended it; it is gone then.
int dmpi_spawn_output(const struct dmpi_strv *argv, const struct dmpi_ctl *ctl,
                      struct dmpi_buf *out, int *code, struct dmpi_err *err);

#endif
