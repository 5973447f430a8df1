// SPDX-License-Identifier: MIT
#ifndef DMPI_TRANSPORT_SSH_HOSTKEY_H
#define DMPI_TRANSPORT_SSH_HOSTKEY_H

#include <libssh2.h>
#include <stdbool.h>

#include "base/err.h"
#include "transport/ssh_config.h"

/* What the known_hosts files say about one host. */
struct dmpi_hostkeys {
    LIBSSH2_KNOWNHOSTS *hosts;
    char *name;    /* as the files would name it: "host" or "[host]:port" */
    bool too_rich; /* patterns, certificates or revoked keys: only the ssh program can judge */
    char *files;   /* their names, for messages */
};

/* Reads the files; those that are not there are skipped. Free it before the session. */
int dmpi_hostkeys_load(struct dmpi_hostkeys *out, LIBSSH2_SESSION *session,
                       const struct dmpi_ssh_config *c, struct dmpi_err *err);
void dmpi_hostkeys_free(struct dmpi_hostkeys *k);

/* Before the handshake: asks the host for a key of a kind that is known. */
void dmpi_hostkeys_prefer(struct dmpi_hostkeys *k, LIBSSH2_SESSION *session);

/* After the handshake: EDENIED for an unknown host and, loudly, for a key that changed. */
int dmpi_hostkeys_check(struct dmpi_hostkeys *k, LIBSSH2_SESSION *session,
                        const struct dmpi_ssh_config *c, struct dmpi_err *err);

#endif
