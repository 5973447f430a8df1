// SPDX-License-Identifier: MIT
// Clusters with a time to live (`up --ttl`). Their containers end and remove themselves when nobody has
// used the cluster for so long, with no client and nothing of ours but their own process (spec/ttl.sh).
// What counts as a use: a running job, any process that somebody started inside, and every command that
// calls dmpi_ttl_use.
#ifndef DMPI_CLUSTER_TTL_H
#define DMPI_CLUSTER_TTL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ctl.h"
#include "cluster/state.h"

struct dmpi_fleet;

// Puts the end off in every running launcher and worker of the cluster that has one, all at once. Nothing
// is asked of the engines when this user did so within the last tenth of the time, for the same launcher:
// a file in the cache folder notes that. 0: none of them ends before its whole time is over again, or it could not
// be reached (told as a debug message: it lives on for the time that it has, and the next command tries again).
// DMPI_ENOTFOUND: one has ended meanwhile.
int dmpi_ttl_use(struct dmpi_fleet *fleet, const struct dmpi_state *state, const char *cluster,
                 const struct dmpi_ctl *ctl, struct dmpi_err *err);

// Fills *err for a cluster whose time seems to be over: its launcher is gone. -1.
int dmpi_ttl_over(const char *cluster, struct dmpi_err *err);

// Whether this user had used a cluster of that name that has a time to live, and nobody has taken it down from here.
bool dmpi_ttl_noted(const char *cluster);

// Forgets what dmpi_ttl_use noted on this machine of a cluster that is gone.
void dmpi_ttl_forget(const char *cluster);

// Seconds until the launcher of the cluster (without one, its first worker) ends unless it is used; -1
// when it has no end or does not tell.
int64_t dmpi_ttl_left(struct dmpi_fleet *fleet, const struct dmpi_state *state, const char *cluster,
                      const struct dmpi_ctl *ctl);

#endif
