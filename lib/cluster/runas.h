// SPDX-License-Identifier: MIT
// Containers whose processes are not root's (`up --user`): who that is follows from the image, and all that
// needs root is done through the engine before the container starts. Nothing in it ever runs as root.
#ifndef DMPI_CLUSTER_RUNAS_H
#define DMPI_CLUSTER_RUNAS_H

#include <jansson.h>

#include "base/buf.h"
#include "base/ctl.h"
#include "base/err.h"

struct dmpi_engine;

// Who the user is in one image.
struct dmpi_runas {
    unsigned long uid, gid;
    char *home, *shell;
    char *passwd; // the image's /etc/passwd with his line first
};

// Finds `user` ("UID", "UID:GID", or a name of the image) in the text of an image's /etc/passwd. A number that the
// image does not know gets /home/dockmpi and /bin/sh, as does one that is not meant to log in. DMPI_EINVAL: a name that the
// image does not have, or a user that is root. *out is to be freed also after an error.
int dmpi_runas_find(struct dmpi_runas *out, const char *user, const char *passwd,
                    struct dmpi_err *err);
void dmpi_runas_free(struct dmpi_runas *runas); // NULL is allowed

// Prepares a container that was created from `body` and not yet started, if its User is not root: the user's entry in
// /etc/passwd, his home with ssh's configuration, and the working folder, if no volume is mounted there, are put into it.
// Returns 1, having changed `body`, when only now it is known whom the folder of the keys must belong to: the container is then
// to be removed and created again. 0 when it may start, -1 with *err.
int dmpi_runas_prepare(json_t *body, struct dmpi_engine *engine, const char *id,
                       const struct dmpi_ctl *ctl, struct dmpi_err *err);

#endif
