// SPDX-License-Identifier: MIT
// Bring a cluster to its wanted state.
#ifndef DMPI_CLUSTER_UP_H
#define DMPI_CLUSTER_UP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ctl.h"
#include "base/err.h"
#include "cluster/progress.h"

struct dmpi_fleet;
struct dmpi_plan;
struct dmpi_spec;

struct dmpi_up_opts {
    dmpi_progress_fn *progress; // may be NULL
    void *progress_arg;
    int min_workers; // succeed with this many workers ready; 0: all that are wanted
    bool force; // take over a name that another definition uses; replace members of running jobs
    int64_t ready_ms; // patience for one container to get ready; 0: 60 seconds
    bool unique;      // the cluster's name is nobody else's: no lock is needed
    int64_t lock_ms;  // patience while another client changes the cluster, see lock.h
};

enum dmpi_change {
    DMPI_KEPT,
    DMPI_CREATED,
    DMPI_REPLACED,
    DMPI_REMOVED,
    DMPI_FAILED, // wanted, and not ready
};

// What became of one container. Strings are owned by the result and never NULL.
struct dmpi_up_member {
    enum dmpi_change change;
    char *container;
    char *node;
    char *why;    // for replaced, removed and failed; else ""
    bool updated; // kept, and given the changed mesh
    bool undone;  // failed only because the rest did
};

struct dmpi_up_result {
    struct dmpi_up_member *members;
    size_t n;
    struct dmpi_err *errs; // one a node: the first thing that failed there
    size_t n_nodes;
    int workers_wanted;
    int workers_ready;
};

// Brings the cluster of `spec` and `plan` to its wanted state: a member that is there, ready and
// made from the same plan is kept, every other one is made, replaced or removed. Returns 0 when the
// launcher and enough workers are ready for mpirun (see min_workers; result->errs may still name
// nodes that failed), else -1 with a one-line error that names node, container, cause and remedy.
// What this call created and did not get ready is removed again, also when it is cancelled; members
// that were ready before stay. `result` is filled in both cases and freed with dmpi_up_result_free.
// `fleet` is that of spec->nodes.
int dmpi_cluster_up(struct dmpi_fleet *fleet, const struct dmpi_spec *spec,
                    const struct dmpi_plan *plan, const struct dmpi_up_opts *opts,
                    const struct dmpi_ctl *ctl, struct dmpi_up_result *result,
                    struct dmpi_err *err);

void dmpi_up_result_free(struct dmpi_up_result *result);

// A word for a change: "kept", "created", "replaced", "removed", "failed". Static.
const char *dmpi_change_name(enum dmpi_change change);

// True when `result` tells of no change at all.
bool dmpi_up_unchanged(const struct dmpi_up_result *result);

#endif
