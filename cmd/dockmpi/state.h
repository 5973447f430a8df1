// SPDX-License-Identifier: MIT
/* A cluster's containers as verbs see them: listed, named, chosen. */
#ifndef DMPI_CMD_STATE_H
#define DMPI_CMD_STATE_H

#include "app.h"
#include "cluster/state.h"

/**
 * Lists the session's cluster, and counts as a use of it where it has a time to live. Nodes that do not answer are told on stderr; it fails only when no
 * node answered. `out` is to be freed with dmpi_state_free in every case.
 */
int dmpi_session_state(struct dmpi_state *out, struct dmpi_session *session, struct dmpi_err *err);

/** The same where the cluster must be there: else DMPI_ENOTFOUND, which names those that are. */
int dmpi_session_members(struct dmpi_state *out, struct dmpi_session *session,
                         struct dmpi_err *err);

/**
 * The member called `name` ("launcher", "worker-0"); it must run. Borrowed from `state`.
 * NULL with an error that lists what there is.
 */
const struct dmpi_member *dmpi_session_member(const struct dmpi_state *state, const char *cluster,
                                              const char *name, struct dmpi_err *err);

/** "launcher", "worker-3" or what a job is called. Owned by the caller. */
char *dmpi_member_label(const struct dmpi_member *member);

/** How many nodes did not answer. */
size_t dmpi_state_failed(const struct dmpi_state *state);

#endif
