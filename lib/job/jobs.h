// SPDX-License-Identifier: MIT
// Jobs after their start: list, logs, wait, prune.
#ifndef DMPI_JOB_JOBS_H
#define DMPI_JOB_JOBS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/ctl.h"
#include "base/err.h"
#include "cluster/state.h"
#include "engine/stream.h"

struct dmpi_fleet;

// The job with that id ("3") or that container, the newest with that name; id NULL: the newest of all. Borrowed from state. NULL
// with DMPI_ENOTFOUND, which lists the ids there are.
const struct dmpi_member *dmpi_job_find(const struct dmpi_state *state, const char *cluster,
                                        const char *id, struct dmpi_err *err);

// The newest job that runs or is about to; NULL: none does. Borrowed from state.
const struct dmpi_member *dmpi_job_running(const struct dmpi_state *state, const char *cluster);

// "running", "succeeded", "failed", "canceled" (by whomever), "timeout" (run --timeout), or the engine's word for
// anything else. Static or borrowed.
const char *dmpi_job_state(const struct dmpi_member *job);

// Array of {job, name (null without one), cluster, state, exit_code (null while it runs), started, finished,
// ranks, attempts (how many have begun; null where it may have only one), attempts_max, program, oom_killed}.
// Owned by the caller.
json_t *dmpi_jobs_json(const struct dmpi_state *state);

struct dmpi_job_logs_opts {
    bool follow; // until the job ends
    bool timestamps;
    int64_t tail;       // last lines only; negative: all
    const char *output; // folder for the output of each rank (job/ranklog.h); NULL: none
    int64_t since_ns; // what it printed since then (nanoseconds since the epoch); 0: from the start
};

// Writes the job's output to streams, each byte once also when the connection breaks on the way.
// DMPI_EINVAL: output of a job whose lines do not tell their rank.
int dmpi_job_logs(struct dmpi_fleet *fleet, const struct dmpi_member *job,
                  const struct dmpi_job_logs_opts *opts, const struct dmpi_streams *streams,
                  const struct dmpi_ctl *ctl, struct dmpi_err *err);

// How a job ended.
struct dmpi_job_end {
    int code;          // -1: not known
    const char *state; // as dmpi_job_state; static; NULL: not known
};

// Waits for the end of the jobs; ends has room for n. Returns 0 when all are known; DMPI_ENOTFOUND also when a job's
// container was removed while it ran.
int dmpi_jobs_wait(struct dmpi_fleet *fleet, const struct dmpi_member *const *jobs, size_t n,
                   struct dmpi_job_end *ends, const struct dmpi_ctl *ctl, struct dmpi_err *err);

// Whether the job has ended, or will not be started any more; else DMPI_ECONFLICT with what can be done.
int dmpi_job_ended_check(const struct dmpi_member *job, struct dmpi_err *err);

// Removes the containers of these jobs, which have ended. Their logs go with them.
int dmpi_jobs_prune(struct dmpi_fleet *fleet, const struct dmpi_member *const *jobs, size_t n,
                    const struct dmpi_ctl *ctl, struct dmpi_err *err);

#endif
