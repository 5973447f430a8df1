// SPDX-License-Identifier: MIT
/* Commands on the nodes themselves (--host) instead of in their containers. */
#ifndef DMPI_CMD_HOST_H
#define DMPI_CMD_HOST_H

#include <stdbool.h>

#include "base/err.h"
#include "base/strv.h"
#include "spec/spec.h"

/* What to run, and on which nodes: those named in `where`, those of a role, else all. Borrowed. */
struct dmpi_host_exec {
    const struct dmpi_strv *argv, *env, *where;
    const char *workdir;
    bool all, workers, launcher, interactive, no_label;
};

/** Runs it on all chosen nodes at once. Returns the worst exit code, -1 when a node failed. */
int dmpi_host_exec(const struct dmpi_spec *spec, const struct dmpi_host_exec *what,
                   struct dmpi_err *err);

/**
 * A shell, or `command` when it is not empty, on the node called `name` (NULL: the launcher's), with
 * our own terminal or standard streams. Returns its exit code.
 */
int dmpi_host_shell(const struct dmpi_spec *spec, const char *name, const struct dmpi_strv *command,
                    struct dmpi_err *err);

#endif
