// SPDX-License-Identifier: MIT
// The shell text that starts mpirun in the job's container.
#ifndef DMPI_MPI_JOBFILE_H
#define DMPI_MPI_JOBFILE_H

#include "mpi/command.h"
#include "mpi/hostfile.h"

// Content of /etc/dockmpi/job from the command's environment and arguments. It is run by a shell of its
// own, which mpirun then replaces. Comments tell run-job (mesh/world.sh) which ranks are to come. Owned by
// the caller.
char *dmpi_jobfile(const struct dmpi_mpi_command *command, const struct dmpi_mpi_job *job,
                   const struct dmpi_layout *layout);

#endif
