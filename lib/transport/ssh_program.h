// SPDX-License-Identifier: MIT
#ifndef DMPI_TRANSPORT_SSH_PROGRAM_H
#define DMPI_TRANSPORT_SSH_PROGRAM_H

#include <stdbool.h>

#include "base/ctl.h"
#include "base/err.h"
#include "transport/ssh_config.h"

/* The ssh program forwarding the engine's socket: for large bodies, and what libssh2 cannot do. */
struct dmpi_ssh_program;

/* Returns when its socket takes connections. */
int dmpi_ssh_program_start(struct dmpi_ssh_program **out, const struct dmpi_ssh_config *c,
                           const struct dmpi_endpoint *ep, const struct dmpi_ctl *ctl,
                           struct dmpi_err *err);

/* Where to connect, for this process alone. Borrowed. */
const char *dmpi_ssh_program_path(const struct dmpi_ssh_program *p);

void dmpi_ssh_program_stop(struct dmpi_ssh_program *p); /* NULL is allowed */

bool dmpi_ssh_program_alive(struct dmpi_ssh_program *p);

/* What it said last on stderr: -1 with *err, 0 when it said nothing. */
int dmpi_ssh_program_why(struct dmpi_ssh_program *p, struct dmpi_err *err);

#endif
