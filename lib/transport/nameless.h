// SPDX-License-Identifier: MIT
#ifndef DMPI_TRANSPORT_NAMELESS_H
#define DMPI_TRANSPORT_NAMELESS_H

#include "base/err.h"

/*
 * A unix socket for ourselves alone. It has to be bound at a path, in a folder that only this user
 * may enter; then the path goes and only a descriptor leads to it, so that nothing is left behind
 * whatever becomes of us.
 */
struct dmpi_nameless {
    char dir[96];   /* "" once it is gone */
    char path[108]; /* where to bind, later where to connect */
    int fd;         /* the socket's file, -1 while it has a path */
};

#define DMPI_NAMELESS_INIT                                                                         \
    {                                                                                              \
        "", "", -1                                                                                 \
    }

/* Makes the folder, in $XDG_RUNTIME_DIR or /tmp; path is free to be bound. */
int dmpi_nameless_make(struct dmpi_nameless *out, struct dmpi_err *err);

/*
 * To be called when the socket is bound: takes file and folder away; path leads to it still, in this
 * process. Where that does not work (no /proc) both stay until dmpi_nameless_end.
 */
void dmpi_nameless_vanish(struct dmpi_nameless *n);

/* Removes what is there; may be called again. */
void dmpi_nameless_end(struct dmpi_nameless *n);

#endif
