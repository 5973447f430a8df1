// SPDX-License-Identifier: MIT
// The name that a user gives a job: usable wherever a job is named. Of the jobs of a cluster that have not
// ended only one can have it; it means the newest.
#ifndef DMPI_JOB_NAME_H
#define DMPI_JOB_NAME_H

#include "base/ctl.h"
#include "base/err.h"
#include "cluster/state.h"
#include "engine/engine.h"

// Docker's rule for names (letters, digits, '_', '.', '-'; the first a letter or digit), at most 63
// bytes, and not a number, which would be the id of a job. DMPI_EINVAL begins with --job-name.
int dmpi_job_name_check(const char *name, struct dmpi_err *err);

// Whether no job of the cluster has the name but those that have ended or that nobody will start any more;
// DMPI_ECONFLICT says which one.
int dmpi_job_name_free(const struct dmpi_state *state, const char *cluster, const char *name,
                       struct dmpi_err *err);

// The same for job number `index`, which has just been created under this name: of several clients that
// do so at the same moment one wins. engine: that of the jobs' node. Numbers from `first` on were found
// taken before: the engine may not list those jobs yet, which is waited for.
int dmpi_job_name_claim(struct dmpi_engine *engine, const char *cluster, const char *name,
                        int first, int index, const struct dmpi_ctl *ctl, struct dmpi_err *err);

#endif
