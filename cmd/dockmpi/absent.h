// SPDX-License-Identifier: MIT
/* A cluster that is not there: most often its name was mistyped, or --name forgotten. */
#ifndef DMPI_CMD_ABSENT_H
#define DMPI_CMD_ABSENT_H

#include "app.h"

/** A line on stderr that the session's cluster is not there, and which clusters are on its nodes. */
void dmpi_absent_note(struct dmpi_session *session);

/**
 * The error that the session's cluster is not up, with the clusters that are on its nodes. Returns -1.
 */
int dmpi_absent_fail(struct dmpi_session *session, struct dmpi_err *err);

#endif
