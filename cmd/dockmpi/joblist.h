// SPDX-License-Identifier: MIT
/* How a job is shown by `ps` and `jobs`. */
#ifndef DMPI_CMD_JOBLIST_H
#define DMPI_CMD_JOBLIST_H

#include <jansson.h>

#include "cluster/state.h"

/** A new object: job, cluster, state, exit_code (null while it runs), started, ranks, program. */
json_t *dmpi_joblist_json(const struct dmpi_member *job);

/** "running", "succeeded", "failed" or the engine's word for anything else. Static or borrowed. */
const char *dmpi_joblist_state(const struct dmpi_member *job);

#endif
