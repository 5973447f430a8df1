// SPDX-License-Identifier: MIT
/* Images to the nodes that lack them: `image push`, and `up`. */
#ifndef DMPI_CMD_PUSH_H
#define DMPI_CMD_PUSH_H

#include <stdbool.h>

#include "base/err.h"
#include "fleet/fleet.h"
#include "spec/plan.h"
#include "spec/profile.h"

/**
 * Brings the image of `profile` to the nodes of `fleet` that lack it, with live progress: from the
 * engine that docker itself would use, from a node that has it, or from its registry. `nodes`
 * chooses (NULL: all). `*sent` (may be NULL) is raised by the number of nodes that got it.
 */
int dmpi_push(struct dmpi_fleet *fleet, const struct dmpi_profile *profile, const bool *nodes,
              size_t *sent, struct dmpi_err *err);

/**
 * Before `up`: brings what the plan needs to where it is not. An image that is nowhere is no error:
 * `up` itself tells, with the remedy.
 */
int dmpi_push_plan(struct dmpi_fleet *fleet, const struct dmpi_spec *spec,
                   const struct dmpi_plan *plan, struct dmpi_err *err);

/* The engine that docker itself would talk to; NULL when none answers (said in `-v`). */
struct dmpi_engine *dmpi_local_engine(void);

#endif
