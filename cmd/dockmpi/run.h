// SPDX-License-Identifier: MIT
/* What `run` can be told; `explain` takes the same. */
#ifndef DMPI_CMD_RUN_H
#define DMPI_CMD_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "app.h"
#include "job/run.h"

struct dmpi_run_cmd {
    struct dmpi_common common;
    long long np, slots, restarts;
    struct dmpi_strv env, mca;
    const char *job_name, *detach_keys, *output, *tune, *backend, *workdir, *image, *workers,
        *ports;
    int64_t timeout_ms, grace_ms, stall_ms;
    bool detach, remove, keep, tag, interactive, dry_run, map, verify;
};

/** Their options. */
extern const struct dmpi_opt dmpi_run_cmd_opts[];

/**
 * Checks the command line. *out borrows from it and from *images, the folder of the profiles. Release both
 * with dmpi_run_cmd_done, also after an error.
 */
int dmpi_run_cmd_prepare(struct dmpi_run_opts *out, char **images, const struct dmpi_run_cmd *o,
                         const struct dmpi_strv *operands, struct dmpi_err *err);
void dmpi_run_cmd_done(struct dmpi_run_opts *opts, char *images);

/** Tells how many processes of a canceled job heeded the signal, if some had to be killed. */
void dmpi_run_tell_killed(const char *job, int heeded, int killed);

/** Tells who cancels how long it may take, 0: that the ranks are killed; for on_cancel. */
void dmpi_run_canceling(void *arg, bool timed_out, int64_t grace_ms);

/** How long a job may be silent until it is looked at whether it goes on, unless the user says otherwise. */
#define DMPI_STALL_MS (10 * 60 * 1000)

/** Tells of a job that does not go on, on stderr. */
void dmpi_run_stalled(void *arg, const char *job, const char *text);

/** Of a job that ended because somebody else wanted it. */
#define DMPI_RUN_WAS_CANCELED "was canceled (by `cancel`, `docker stop`, or its engine stopped)"

/** What a person must know of a job's end besides its code. */
void dmpi_run_tell(const struct dmpi_run_result *result);
/** The exit code of the command that showed the job. */
int dmpi_run_exit_code(const struct dmpi_run_result *result);

/** The specification of a cluster that is not there, from -f, --image, --workers and --ports. */
int dmpi_run_cmd_spec(struct dmpi_spec *out, const struct dmpi_run_cmd *o, struct dmpi_err *err);

#endif
