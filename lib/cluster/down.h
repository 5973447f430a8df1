// SPDX-License-Identifier: MIT
// Remove everything that carries a cluster's label, and prove it.
#ifndef DMPI_CLUSTER_DOWN_H
#define DMPI_CLUSTER_DOWN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/ctl.h"
#include "base/err.h"
#include "cluster/progress.h"
#include "cluster/state.h"

struct dmpi_fleet;

struct dmpi_down_opts {
    dmpi_progress_fn *progress; // may be NULL
    void *progress_arg;
    // The launcher's node, on which the cluster's lock is (see lock.h); DMPI_DOWN_FIND: where a launcher
    // is found, else the first node. A node that does not answer is no reason to leave the others alone.
    size_t home;
    int64_t lock_ms; // patience while another client changes the cluster
};

#define DMPI_DOWN_FIND ((size_t)-1)

struct dmpi_down_result {
    struct dmpi_state removed; // what was there; errs: one a node, DMPI_OK where nothing is left
    size_t left;               // containers that are still there after a second look
    bool *processes; // one a node: processes were looked for, too; false where only the engine is
                     // seen, whose word is that those of a removed container have ended
};

// Removes the containers of `cluster` (NULL: of every cluster) on every node of the fleet at once,
// running or not, with their anonymous volumes; then looks, where nothing was found, too: for containers,
// for volumes and networks, and on this machine for processes. Keys are in the memory of containers
// alone and go with them. Needs no plan and no file beyond the nodes of the fleet. Finding nothing is
// success. Returns 0 when every node answered and nothing is left, else -1 with a summary; `result` is
// filled in both cases, empty (no nodes) when another client held the cluster's lock for too long. What was removed on other nodes stays removed.
int dmpi_cluster_down(struct dmpi_fleet *fleet, const char *cluster,
                      const struct dmpi_down_opts *opts, const struct dmpi_ctl *ctl,
                      struct dmpi_down_result *result, struct dmpi_err *err);

void dmpi_down_result_free(struct dmpi_down_result *result);

#endif
