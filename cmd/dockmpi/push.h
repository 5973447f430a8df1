// SPDX-License-Identifier: MIT
/* Images from the local engine to the nodes: `image push`, and `up` where a node lacks one. */
#ifndef DMPI_CMD_PUSH_H
#define DMPI_CMD_PUSH_H

#include <stdbool.h>

#include "base/err.h"
#include "fleet/fleet.h"
#include "spec/plan.h"

/**
 * Sends image `ref` from the engine that docker itself would use to the nodes of `fleet` that lack it,
 * with live progress. `nodes` chooses (NULL: all); `replace` also renews what has that name.
 * `*sent` (may be NULL) is the number of nodes that got it.
 */
int dmpi_push(struct dmpi_fleet *fleet, const char *ref, const bool *nodes, bool replace,
              size_t *sent, struct dmpi_err *err);

/**
 * Before `up`: sends what the plan needs and a node does not have. An image that is not here either
 * is no error: `up` itself tells, with the remedy.
 */
int dmpi_push_plan(struct dmpi_fleet *fleet, const struct dmpi_spec *spec,
                   const struct dmpi_plan *plan, struct dmpi_err *err);

#endif
