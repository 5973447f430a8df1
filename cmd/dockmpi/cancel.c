// SPDX-License-Identifier: MIT

#include "base/json.h"
#include "base/mem.h"
#include "jobset.h"
#include "out.h"
#include "verbs.h"

struct cancel {
    struct dmpi_common common;
    const char *signal;
    int64_t grace_ms;
    bool all;
};

static int run(void *arg, const struct dmpi_strv *operands, struct dmpi_err *err)
{
    const struct cancel *o = arg;
    if (o->all && operands->n)
        return dmpi_usage(err, "--all and names of jobs exclude each other");
    struct dmpi_jobset set;
    int rc = dmpi_jobset_open(&set, &o->common, operands, o->all, err);
    if (rc == 0)
        rc = dmpi_jobs_cancel(set.session.fleet, set.jobs, set.n, o->signal, o->grace_ms,
                              dmpi_app_ctl(), err);
    for (size_t i = 0; rc == 0 && i < set.n; i++)
        dmpi_out_line("job %s: %s", set.jobs[i]->job,
                      dmpi_member_running(set.jobs[i]) ? "canceled" : "had ended before");
    dmpi_jobset_close(&set);
    return rc;
}

static const struct dmpi_opt opts[] = {
    {"all", 'a', DMPI_OPT_FLAG, offsetof(struct cancel, all), NULL, "every job of the cluster", 0,
     0},
    {"signal", 's', DMPI_OPT_STR, offsetof(struct cancel, signal), "NAME",
     "what the job gets first (default TERM)", 0, 0},
    {"grace", 0, DMPI_OPT_DURATION, offsetof(struct cancel, grace_ms), "TIME",
     "how long it may take before it is killed (default 10s)", 0, 0},
    {0},
};

const struct dmpi_verb dmpi_verb_cancel = {
    .name = "cancel",
    .args = "[JOB...]",
    .summary = "end jobs (default: the newest): every rank on every worker",
    .opts = opts,
    .opts_size = sizeof(struct cancel),
    .run = run,
};
