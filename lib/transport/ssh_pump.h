// SPDX-License-Identifier: MIT
#ifndef DMPI_TRANSPORT_SSH_PUMP_H
#define DMPI_TRANSPORT_SSH_PUMP_H

#include <stdbool.h>

#include "base/ctl.h"
#include "base/err.h"
#include "transport/ssh_session.h"

/*
 * Makes the engine's socket on the other host appear as a unix socket here: a thread accepts
 * connections on it and carries each over a channel of one SSH session. The channel is a forwarded
 * unix socket or, where the server refuses that, `docker system dial-stdio` run there.
 */
struct dmpi_ssh_pump;

/*
 * Finds out which way works, then listens. Takes the session over, also on failure. remote: the
 * socket's path there.
 */
int dmpi_ssh_pump_start(struct dmpi_ssh_pump **out, struct dmpi_ssh_session *session,
                        const char *remote, const struct dmpi_ctl *ctl, struct dmpi_err *err);

/* Where to connect, for this process alone. Borrowed. */
const char *dmpi_ssh_pump_path(const struct dmpi_ssh_pump *p);

/* Whether the server forwards the engine's socket; otherwise it runs dial-stdio. */
bool dmpi_ssh_pump_forwards(const struct dmpi_ssh_pump *p);

/* NULL is allowed. */
void dmpi_ssh_pump_stop(struct dmpi_ssh_pump *p);

/* False once the session is lost. */
bool dmpi_ssh_pump_alive(struct dmpi_ssh_pump *p);

/* Why the session or the last channel was lost: -1 with *err, 0 when there is nothing to say. */
int dmpi_ssh_pump_why(struct dmpi_ssh_pump *p, struct dmpi_err *err);

/* ssh_channel.c: */

/* How the engine's socket is reached on the other host. */
struct dmpi_ssh_way {
    bool stdio;
    char *remote;
    char *command; /* of stdio */
};

/*
 * One non-blocking step towards a channel; *ch may be set before it is ready. 0 ready, else
 * libssh2's code (EAGAIN: again later, and nobody else may open meanwhile).
 */
int dmpi_ssh_way_open(const struct dmpi_ssh_way *way, LIBSSH2_SESSION *ssh, LIBSSH2_CHANNEL **ch,
                      bool *started);

/* Tries both; *first is an open channel on which nothing was said. */
int dmpi_ssh_way_find(struct dmpi_ssh_way *out, struct dmpi_ssh_session *s, const char *remote,
                      LIBSSH2_CHANNEL **first, const struct dmpi_ctl *ctl, struct dmpi_err *err);
void dmpi_ssh_way_free(struct dmpi_ssh_way *way);

#endif
