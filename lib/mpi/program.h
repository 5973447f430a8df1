// SPDX-License-Identifier: MIT
// The words after mpirun's own: the wrapper that it starts for each rank (mesh/rank.sh), and what the
// wrapper is told.
#ifndef DMPI_MPI_PROGRAM_H
#define DMPI_MPI_PROGRAM_H

#include "base/err.h"
#include "base/strv.h"
#include "mpi/command.h"
#include "mpi/tune.h"

// Adds the wrapper and the words for it.
void dmpi_program_wrap(struct dmpi_strv *argv, const struct dmpi_strv *words);

// Adds what the ranks of one image need in a mixed cluster: "-g PROFILE COUNT" and COUNT words
// (assignments, "--", program, arguments). Application contexts of mpirun would be for this, but the
// daemons of PRRTE 3.0 crash as soon as there are two. DMPI_EINVAL: arguments for mpirun that
// cannot be limited to some ranks.
int dmpi_program_group(struct dmpi_strv *words, const struct dmpi_mpi_job *job,
                       const struct dmpi_mpi_group *g, const struct dmpi_tuned *tuned,
                       struct dmpi_err *err);

#endif
