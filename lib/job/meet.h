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
    struct dmpi_ports ports;            // what the cluster keeps to; 0, 0: to none
    const char *seed;                   // the same seed gives the same port while that is free
    const struct dmpi_ctl *ctl;
};

// Reads the mesh (keys included: dmpi_mesh_free, also after an error) and finds a port for the ranks'
// rendezvous that nobody listens on at the first worker; one exec where launcher and first worker share
// a host, else two at once.
int dmpi_job_meet(struct dmpi_mesh *mesh, int *port, const struct dmpi_meet *meet,
                  struct dmpi_err *err);

#endif
