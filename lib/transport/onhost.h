// SPDX-License-Identifier: MIT
#ifndef DMPI_TRANSPORT_ONHOST_H
#define DMPI_TRANSPORT_ONHOST_H

#include <stdbool.h>

#include "base/ctl.h"
#include "base/err.h"
#include "base/strv.h"
#include "spec/endpoint.h"
#include "transport/ssh_config.h"

/* Commands on the machine of an engine itself, beside the engine and its containers. */

/* The exit code by which the ssh program says that it failed itself. */
#define DMPI_ONHOST_SSH_FAILED 255

/*
 * The local command line that runs `command` on the machine of ep: over ssh by the ssh program, with a
 * unix socket the command itself, since that machine is this one. An empty command is a shell; tty asks
 * ssh for a terminal. May run `ssh -G`. A TCP endpoint leads to the engine alone: DMPI_EINVAL. *out is
 * the caller's to free also after an error.
 */
int dmpi_onhost_argv(struct dmpi_strv *out, const struct dmpi_endpoint *ep,
                     const struct dmpi_strv *command, bool tty, const struct dmpi_ctl *ctl,
                     struct dmpi_err *err);

/* The same for ssh when c is known. Pure but for "~" in file names. */
void dmpi_onhost_ssh_argv(struct dmpi_strv *out, const struct dmpi_ssh_config *c,
                          const struct dmpi_endpoint *ep, const struct dmpi_strv *command,
                          bool tty);

/*
 * command with a working directory and variables ("K=V") around it; workdir may be NULL and env empty.
 * The result is the caller's.
 */
struct dmpi_strv dmpi_onhost_wrap(const struct dmpi_strv *command, const char *workdir,
                                  const struct dmpi_strv *env);

#endif
