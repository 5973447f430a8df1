// SPDX-License-Identifier: MIT
#ifndef DMPI_TRANSPORT_SSH_SESSION_H
#define DMPI_TRANSPORT_SSH_SESSION_H

#include <libssh2.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/ctl.h"
#include "base/err.h"
#include "transport/ssh_config.h"

/* One authenticated SSH connection made by libssh2, non-blocking. For one thread at a time. */
struct dmpi_ssh_session {
    LIBSSH2_SESSION *ssh;
    int fd;
    pid_t proxy; /* the program behind fd (ProxyJump, ProxyCommand), 0: none */
    char *name;  /* "user@host:port", for messages */
};

/*
 * Connects, checks the host's key, authenticates. On failure *program tells whether the ssh
 * program might fare better (a key or an algorithm that libssh2 does not know). Whatever the
 * result: end with dmpi_ssh_session_close.
 */
int dmpi_ssh_session_open(struct dmpi_ssh_session *s, const struct dmpi_ssh_config *c,
                          const struct dmpi_endpoint *ep, const struct dmpi_ctl *ctl, bool *program,
                          struct dmpi_err *err);
void dmpi_ssh_session_close(struct dmpi_ssh_session *s);

/* Waits until libssh2 can go on after LIBSSH2_ERROR_EAGAIN. */
int dmpi_ssh_session_wait(struct dmpi_ssh_session *s, const struct dmpi_ctl *ctl,
                          struct dmpi_err *err);

/* libssh2's words about its last failure. Borrowed. */
const char *dmpi_ssh_session_error(struct dmpi_ssh_session *s);

/* ssh_auth.c: tries agent and identity files. */
int dmpi_ssh_auth(struct dmpi_ssh_session *s, const struct dmpi_ssh_config *c,
                  const struct dmpi_endpoint *ep, const struct dmpi_ctl *ctl, struct dmpi_err *err);

#endif
