// SPDX-License-Identifier: MIT
#ifndef DMPI_TRANSPORT_SSH_CONFIG_H
#define DMPI_TRANSPORT_SSH_CONFIG_H

#include <stdbool.h>

#include "base/ctl.h"
#include "base/err.h"
#include "base/strv.h"
#include "spec/endpoint.h"

/* How a host is reached, as the user's own ssh would reach it. All owned; NULL: not set. */
struct dmpi_ssh_config {
    char *program; /* the ssh program: $DOCKMPI_SSH or "ssh"; NULL when there is none */
    char *given;   /* the host as the endpoint names it */
    char *host;    /* what it stands for */
    char *user;
    int port;
    char *host_key_alias;
    char *agent; /* socket of the agent, NULL: none */
    char *proxy_jump;
    char *proxy_command; /* its tokens are not replaced yet */
    bool identities_only;
    char *beyond;                 /* a setting that only the ssh program can honour, NULL: none */
    struct dmpi_strv identities;  /* files, only those that exist */
    struct dmpi_strv known_hosts; /* files */
};

/* Asks `ssh -G`; without an ssh program ssh's own defaults hold. Free it also after a failure. */
int dmpi_ssh_config_load(struct dmpi_ssh_config *out, const struct dmpi_endpoint *ep,
                         const struct dmpi_ctl *ctl, struct dmpi_err *err);
void dmpi_ssh_config_free(struct dmpi_ssh_config *c);

/* Takes over what `ssh -G` printed. Pure but for "~". */
void dmpi_ssh_config_parse(struct dmpi_ssh_config *c, const char *text);

/*
 * Replaces %h %p %r %n %d %% of a ProxyCommand or IdentityFile. NULL when it holds a token that only ssh knows, or
 * when the result would be longer than 64 KiB. The result is the caller's.
 */
char *dmpi_ssh_config_expand(const struct dmpi_ssh_config *c, const char *command);

/* The common part of an ssh command line: program, options, port, user and identity; not the host. */
void dmpi_ssh_config_argv(struct dmpi_strv *argv, const struct dmpi_ssh_config *c,
                          const struct dmpi_endpoint *ep);

#endif
