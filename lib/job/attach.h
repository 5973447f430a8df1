// SPDX-License-Identifier: MIT
// Coming back to a job, from any machine: what it printed, what it prints, and its end.
#ifndef DMPI_JOB_ATTACH_H
#define DMPI_JOB_ATTACH_H

#include <stdint.h>

#include "base/ctl.h"
#include "base/err.h"
#include "cluster/state.h"
#include "engine/stream.h"
#include "job/run.h"

struct dmpi_fleet;

struct dmpi_attach_opts {
    int64_t tail;     // so many lines of what it has printed; 0: none; negative: all
    int64_t since_ns; // what it printed since then (nanoseconds since the epoch); 0: from the start
    int insist_fd;    // readable: the job is killed; -1: none
    int leave_fd;     // readable: we go, the job goes on; -1: none
    struct dmpi_streams streams;
    void (*on_cancel)(void *arg, bool timed_out,
                      int64_t grace_ms); // as in dmpi_run_opts; arg is NULL
    int64_t stall_ms;                    // as in struct dmpi_run_opts, and on_stall
    void (*on_stall)(void *arg, const char *job, const char *text);
};

// As dmpi_run from the job's start on, also with several clients at once: ctl->cancel_fd cancels the job, and
// result tells how it ended. The job's standard input is not to be had: it belongs to the client that
// started the job, and has ended with it.
int dmpi_job_attach(struct dmpi_fleet *fleet, const struct dmpi_state *state,
                    const struct dmpi_member *job, const struct dmpi_attach_opts *opts,
                    const struct dmpi_ctl *ctl, struct dmpi_run_result *result,
                    struct dmpi_err *err);

#endif
