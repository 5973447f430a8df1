// SPDX-License-Identifier: MIT
// The user that a cluster's containers run as, where that is not root.
#ifndef DMPI_SPEC_RUNAS_H
#define DMPI_SPEC_RUNAS_H

#include <jansson.h>

#include "base/err.h"

#define DMPI_ID_MAX 4294967294LL // the largest that a user or group can have

// The login name of that user in every container, whatever the image calls him: ssh_config, sshd and the
// containers agree on it.
#define DMPI_RUNAS_LOGIN "dockmpi"

// Whether text is UID, UID:GID or a NAME that an image may have.
// *out is a copy owned by the caller, NULL for root under any of his names. DMPI_EINVAL.
int dmpi_runas_parse(char **out, const char *text, struct dmpi_err *err);

// Sets in a HostConfig whom the folder of the keys belongs to. user: "UID:GID", or what is not known yet.
void dmpi_runas_body(json_t *host_config, const char *user);

#endif
