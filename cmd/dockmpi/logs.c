// SPDX-License-Identifier: MIT
#include <unistd.h>

#include "base/mem.h"
#include "job/jobs.h"
#include "out.h"
#include "since.h"
#include "state.h"
#include "verbs.h"

struct logs {
    struct dmpi_common common;
    bool follow, timestamps;
    long long tail;
    const char *since, *output;
};

static int run(void *arg, const struct dmpi_strv *operands, struct dmpi_err *err)
{
    static const int out_fd = STDOUT_FILENO, err_fd = STDERR_FILENO;
    const struct logs *o = arg;
    if (operands->n > 1)
        return dmpi_usage(err, "logs takes one job at most");
    struct dmpi_job_logs_opts opts = {
        .follow = o->follow, .timestamps = o->timestamps, .tail = o->tail, .output = o->output};
    if (o->output && (o->timestamps || o->tail >= 0 || o->since))
        return dmpi_usage(err, "--output takes the whole log: not with -t, --tail or --since");
    if (o->since && dmpi_since_parse(&opts.since_ns, o->since, err) < 0)
        return -1;
    const struct dmpi_streams streams = {dmpi_out_sink(&out_fd), dmpi_out_sink(&err_fd)};
    struct dmpi_session session;
    struct dmpi_state state = {0};
    const struct dmpi_member *job = NULL;
    int rc = dmpi_session_open(&session, &o->common, err);
    if (rc == 0)
        rc = dmpi_session_members(&state, &session, err);
    if (rc == 0 &&
        !(job = dmpi_job_find(&state, session.spec.name, operands->n ? operands->v[0] : NULL, err)))
        rc = -1;
    if (rc == 0)
        rc = dmpi_job_logs(session.fleet, job, &opts, &streams, dmpi_app_ctl(), err);
    if (rc < 0 && o->follow && job && dmpi_member_running(job) && err->code == DMPI_ECANCELED)
        dmpi_out_note("job %s goes on; `dockmpi cancel %s` would end it", dmpi_member_called(job),
                      dmpi_member_called(job));
    dmpi_state_free(&state);
    dmpi_session_close(&session);
    return rc;
}

static const struct logs defaults = {.tail = -1};

static const struct dmpi_opt opts[] = {
    {"follow", 'f', DMPI_OPT_FLAG, offsetof(struct logs, follow), NULL, "go on until the job ends",
     0, 0},
    {"timestamps", 't', DMPI_OPT_FLAG, offsetof(struct logs, timestamps), NULL,
     "with the time of every line", 0, 0},
    {"tail", 'n', DMPI_OPT_INT, offsetof(struct logs, tail), "N", "only the last N lines", 0,
     INT64_MAX},
    {"output", 0, DMPI_OPT_STR, offsetof(struct logs, output), "DIR",
     "of a job with --tag or --output: what each rank printed also as DIR/rank-N.log, the rest as "
     "DIR/job.log",
     0, 0},
    {"since", 0, DMPI_OPT_STR, offsetof(struct logs, since), "TIME",
     "only what came since then: 10m, or 2026-11-21T10:00:00Z", 0, 0},
    {0},
};

const struct dmpi_verb dmpi_verb_logs = {
    .name = "logs",
    .args = "[JOB]",
    .summary = "what a job printed (default: the newest), on the same two streams",
    .details = "As with docker, -f follows; the cluster file is given by --file here. The job is "
               "named by\n"
               "its name or its number. `attach` comes back to it as if you had never left.",
    .opts = opts,
    .opts_size = sizeof(struct logs),
    .defaults = &defaults,
    .run = run,
};
