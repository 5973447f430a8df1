// SPDX-License-Identifier: MIT
// What has become of containers, for who wonders why a job failed or does not go on.
#ifndef DMPI_JOB_FATE_H
#define DMPI_JOB_FATE_H

#include <jansson.h>

#include "base/ctl.h"
#include "base/strv.h"
#include "cluster/state.h"
#include "job/target.h"

struct dmpi_fleet;

// By what inspect answered: "its container is paused", "its container has ended: out of memory"; NULL for one
// that runs. Owned by the caller.
char *dmpi_fate_text(const json_t *inspected);

// The same by asking, within ctl: also "its container is gone" and that its node or engine does not answer.
char *dmpi_fate_ask(struct dmpi_fleet *fleet, size_t node, const char *id,
                    const struct dmpi_ctl *ctl);

// All targets at once, within ms each; adds a line "worker-1 on node h1: FATE" for each that does not run, and for
// each in which the kernel has ended a process for want of memory in the last since_ms.
void dmpi_fates(struct dmpi_strv *out, struct dmpi_fleet *fleet, const struct dmpi_targets *targets,
                int64_t since_ms, int64_t ms);

// The same after a job ended with code, within 4 s, if it may have ended for a container and not for its
// program: mpirun lost a worker (255), a rank was killed (137), a rank did not come (125).
void dmpi_fates_after(struct dmpi_strv *out, struct dmpi_fleet *fleet,
                      const struct dmpi_targets *targets, int code, int64_t since_ms);

// Of a job that failed so at any time: adds a line for each present worker in which the kernel ended a process for
// want of memory while the job ran, as far as the engines remember (their last 256 events). Within 4 s.
void dmpi_fates_of(struct dmpi_strv *out, struct dmpi_fleet *fleet, const struct dmpi_state *state,
                   const struct dmpi_member *job);

#endif
