// SPDX-License-Identifier: MIT
/* The jobs that a verb's operands name. */
#ifndef DMPI_CMD_JOBSET_H
#define DMPI_CMD_JOBSET_H

#include "app.h"
#include "job/jobs.h"

struct dmpi_jobset {
    struct dmpi_session session;
    struct dmpi_state state;
    const struct dmpi_member **jobs; /* borrowed from state */
    size_t n;
};

/**
 * Opens the cluster and finds the named jobs; without a name the newest, with `running` the newest
 * that runs if one does. To be closed also after an error.
 */
int dmpi_jobset_open(struct dmpi_jobset *out, const struct dmpi_common *common,
                     const struct dmpi_strv *names, bool running, struct dmpi_err *err);
void dmpi_jobset_close(struct dmpi_jobset *set);

#endif
