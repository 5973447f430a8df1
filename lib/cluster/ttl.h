// SPDX-License-Identifier: MIT
// Clusters with a time to live (`up --ttl`). Their containers end and remove themselves when nobody has
// used the cluster for so long, with no client and nothing of ours but their own process (spec/ttl.sh).
// What counts as a use: a running job, any process that somebody started inside, and every command that
// calls dmpi_ttl_use.
#ifndef DMPI_CLUSTER_TTL_H
#define DMPI_CLUSTER_TTL_H

#include <stdint.h>

#include "base/ctl.h"
#include "cluster/state.h"

struct dmpi_fleet;

// Puts the end off in every running launcher and worker of the cluster that has one, all at once. Nothing
// is asked of the engines when this user did so within the last tenth of the time, for the same launcher:
// a file in the cache folder notes that. Failures are told as debug messages only: the cluster lives on
// for the time that it has, and the next command tries again.
void dmpi_ttl_use(struct dmpi_fleet *fleet, const struct dmpi_state *state, const char *cluster,
                  const struct dmpi_ctl *ctl);

// Forgets what dmpi_ttl_use noted on this machine of a cluster that is gone.
void dmpi_ttl_forget(const char *cluster);

// Seconds until the launcher of the cluster (without one, its first worker) ends unless it is used; -1
// when it has no end or does not tell.
int64_t dmpi_ttl_left(struct dmpi_fleet *fleet, const struct dmpi_state *state, const char *cluster,
                      const struct dmpi_ctl *ctl);

#endif
