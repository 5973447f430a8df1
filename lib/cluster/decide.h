// SPDX-License-Identifier: MIT
// What `up` must do: the wanted plan against what was found. Pure.
#ifndef DMPI_CLUSTER_DECIDE_H
#define DMPI_CLUSTER_DECIDE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "cluster/state.h"
#include "cluster/up.h"
#include "spec/plan.h"

// One container to look at. `found` is borrowed from the state and NULL when nothing is there;
// `wanted` is borrowed from the plan and NULL when it is to go.
struct dmpi_step {
    enum dmpi_change change; // DMPI_FAILED: its node does not answer
    const struct dmpi_plan_member *wanted;
    const struct dmpi_member *found;
    char *why; // replaced, removed; else ""
};

struct dmpi_decision {
    struct dmpi_step *steps; // the plan's members in its order, then what is to go
    size_t n;
};

// Compares. `image_ids` has the id of the image of each plan member on its node, NULL where unknown
// or not there yet. A member is kept when it runs, is in its place, and was made from the same plan
// and image. A member that is found more than once, or on the wrong node, is replaced, and every
// other find removed. Members on nodes that did not answer are DMPI_FAILED. Jobs are never touched.
// Free with dmpi_decision_free.
void dmpi_decide(struct dmpi_decision *out, const struct dmpi_plan *plan,
                 const struct dmpi_state *state, const char *const *image_ids);

void dmpi_decision_free(struct dmpi_decision *decision);

// Turns a kept step into a replaced one.
void dmpi_step_replace(struct dmpi_step *step, const char *why);

// Whether the decision may be carried out without force. DMPI_ECONFLICT when
// - a running job would lose a running worker (any job counts for every worker: they share the mesh);
// - something would change in a cluster that another definition made (see dmpi_spec.origin): a
//   cluster that is exactly as wanted may be used from anywhere, a different one is not ours.
int dmpi_decision_check(const struct dmpi_decision *decision, const struct dmpi_state *state,
                        const char *origin, struct dmpi_err *err);

#endif
