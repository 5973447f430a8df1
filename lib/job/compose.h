// SPDX-License-Identifier: MIT
// A job's mpirun command from the mesh, the image profiles and what the user asked for. Pure but for
// reading profiles.
#ifndef DMPI_JOB_COMPOSE_H
#define DMPI_JOB_COMPOSE_H

#include "base/err.h"
#include "job/code.h"
#include "job/mca.h"
#include "job/run.h"
#include "mesh/mesh.h"
#include "mpi/command.h"

// All borrowed.
struct dmpi_compose {
    const struct dmpi_run_opts *opts;
    const struct dmpi_job_code *code;
    const struct dmpi_mesh *mesh;
    const char *launcher_profile; // NULL: none known
    const char *workdir;
    const char *cluster;
    const char *job;            // its id; NULL: it has none yet
    int master_port;            // 0: none
    const struct dmpi_mca *mca; // what the images know; NULL: not asked
};

// *out is to be freed also after an error. A profile that this machine does not have is replaced by
// what the mesh knows of it (its interpreter).
int dmpi_job_compose(struct dmpi_mpi_command *out, const struct dmpi_compose *what,
                     struct dmpi_err *err);

#endif
