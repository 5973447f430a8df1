// SPDX-License-Identifier: MIT
// A run as the commands that a person would type by hand: docker, ssh-keygen, ssh's configuration,
// mpirun. The text is a shell script that runs as it is.
#ifndef DMPI_JOB_EXPLAIN_H
#define DMPI_JOB_EXPLAIN_H

#include "base/ctl.h"
#include "base/err.h"
#include "job/run.h"

struct dmpi_fleet;

// From spec and profiles alone, without any engine: what only a running cluster knows (interfaces, exact
// networks) is missing. *out is owned by the caller.
int dmpi_explain_plan(char **out, const struct dmpi_spec *spec, const struct dmpi_run_opts *opts,
                      struct dmpi_err *err);

// From the cluster of that name as it runs. DMPI_ENOTFOUND when it does not.
int dmpi_explain_cluster(char **out, struct dmpi_fleet *fleet, const struct dmpi_spec *spec,
                         const struct dmpi_run_opts *opts, const struct dmpi_ctl *ctl,
                         struct dmpi_err *err);

#endif
