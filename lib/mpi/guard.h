// SPDX-License-Identifier: MIT
// mpirun and its launch daemons that talk only to each other: images/launcher/guard.c, loaded on both sides. Pure.
#ifndef DMPI_MPI_GUARD_H
#define DMPI_MPI_GUARD_H

#include "base/strv.h"
#include "mpi/command.h"
#include "mpi/hostfile.h"

#define DMPI_GUARD_LIB "/usr/lib/dockmpi/guard.so"

// Adds to env what guards the job's mpirun and its daemons; nothing where a member of its world cannot be guarded,
// because the others would not hear it, and nothing where the user names a launch agent of his own (MCA parameters,
// mpirun_args). Adds to notes which it is and why, for people.
void dmpi_guard_env(struct dmpi_strv *env, struct dmpi_strv *notes, const struct dmpi_mpi_job *job,
                    const struct dmpi_layout *layout);

#endif
