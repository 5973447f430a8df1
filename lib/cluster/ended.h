// SPDX-License-Identifier: MIT
// How a job came to its end. Its exit code alone does not tell whether somebody asked for it: who is asked to end notes that
// inside the job's container, as a link whose target is the note (mesh/run-job.sh, and here before a KILL). It
// stays with the container, so any client can read it later.
#ifndef DMPI_CLUSTER_ENDED_H
#define DMPI_CLUSTER_ENDED_H

#include <stdbool.h>

#include "base/ctl.h"
#include "base/err.h"

struct dmpi_engine;

// The folder of the note, in the container's own layer; whom the container runs as must be able to write there.
#define DMPI_ENDED_DIR "/.dockmpi"

// "succeeded", "failed", "canceled" or "timeout" for a job's container that ended with `code`. Static. The engine is
// asked only about codes that a cancel can leave; where it does not answer, the job counts as failed.
const char *dmpi_ended_word(struct dmpi_engine *engine, const char *id, int code,
                            const struct dmpi_ctl *ctl);

// Of a canceled job's processes: how many ended when they were told to, and how many had to be killed. False where
// that was not noted, as for one that was killed at once.
bool dmpi_ended_counts(int *heeded, int *killed, struct dmpi_engine *engine, const char *id,
                       const struct dmpi_ctl *ctl);

// Notes that the job is asked to end, for a container that cannot do so because it will be killed. Failures are told as
// debug messages only: the job then counts as failed.
void dmpi_ended_note(struct dmpi_engine *engine, const char *id, const struct dmpi_ctl *ctl);

// For a job that ended and was to be kept: 0 when its container is there, or when the engine does not tell. -1 with
// DMPI_ENOTFOUND and the likely causes when somebody removed it, which ended the job.
int dmpi_ended_kept(struct dmpi_engine *engine, const char *id, const struct dmpi_ctl *ctl,
                    struct dmpi_err *err);

#endif
