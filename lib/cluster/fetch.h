// SPDX-License-Identifier: MIT
// The mesh of a cluster that is up, read from the cluster itself.
#ifndef DMPI_CLUSTER_FETCH_H
#define DMPI_CLUSTER_FETCH_H

#include "base/ctl.h"
#include "base/err.h"
#include "cluster/state.h"
#include "mesh/mesh.h"

struct dmpi_engine;
struct dmpi_fleet;

// Reads key and workers of `cluster` from its launcher with one exec. `state` says where that is.
// *out is to be freed with dmpi_mesh_free, also after an error. DMPI_ENOTFOUND or DMPI_ECONFLICT,
// with `dockmpi up` as the remedy, when there is no launcher, when it does not run, or when it was
// restarted and so lost its keys.
int dmpi_cluster_mesh(struct dmpi_mesh *out, struct dmpi_fleet *fleet,
                      const struct dmpi_state *state, const char *cluster,
                      const struct dmpi_ctl *ctl, struct dmpi_err *err);

// The same from any running member. DMPI_ENOTFOUND when it has no keys.
int dmpi_member_mesh(struct dmpi_mesh *out, struct dmpi_engine *engine, const char *id,
                     const char *container, const struct dmpi_ctl *ctl, struct dmpi_err *err);

#endif
