// SPDX-License-Identifier: MIT
// What a job must know of a running cluster before its command can be composed.
#ifndef DMPI_JOB_MEET_H
#define DMPI_JOB_MEET_H

#include "base/ctl.h"
#include "base/err.h"
#include "cluster/state.h"
#include "job/target.h"
#include "mesh/mesh.h"

struct dmpi_fleet;

// All borrowed.
struct dmpi_meet {
    struct dmpi_fleet *fleet;
    const struct dmpi_state *state;
    const char *cluster;
    const struct dmpi_member *launcher; // runs
    const struct dmpi_target *first;    // the first worker
    const struct dmpi_ctl *ctl;
};

// Reads the mesh (keys included: dmpi_mesh_free, also after an error) and the ports on which somebody
// listens at the first worker (dmpi_facts_free, also after an error); one exec where launcher and first
// worker share a host, else two at once.
int dmpi_job_meet(struct dmpi_mesh *mesh, struct dmpi_facts *facts, const struct dmpi_meet *meet,
                  struct dmpi_err *err);

#endif
