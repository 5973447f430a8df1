// SPDX-License-Identifier: MIT
// A job of a cluster that is not there: all that spec and profiles tell.
#ifndef DMPI_JOB_DRY_H
#define DMPI_JOB_DRY_H

#include "base/err.h"
#include "job/code.h"
#include "job/run.h"
#include "mesh/mesh.h"
#include "mpi/command.h"
#include "spec/plan.h"

struct dmpi_dry {
    struct dmpi_job_code code;
    struct dmpi_plan plan;
    struct dmpi_mesh mesh; // made up where only a running cluster could know
    struct dmpi_mpi_command command;
    const char *workdir; // borrowed from opts or spec
};

// *out is to be freed also after an error.
int dmpi_dry_make(struct dmpi_dry *out, const struct dmpi_spec *spec,
                  const struct dmpi_run_opts *opts, struct dmpi_err *err);
void dmpi_dry_free(struct dmpi_dry *dry);

#endif
