// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "job/fate.h"
#include "jobset.h"
#include "out.h"
#include "run.h"
#include "state.h"
#include "verbs.h"

static int worst(const struct dmpi_job_end *ends, size_t n)
{
    int code = 0;
    for (size_t i = 0; i < n; i++)
        if (ends[i].code > code)
            code = ends[i].code;
    return code;
}

/* The exit code cannot tell these from a job that failed. */
static void tell(const struct dmpi_jobset *set, const struct dmpi_job_end *ends)
{
    for (size_t i = 0; i < set->n; i++) {
        if (strcmp(ends[i].state, "canceled") == 0)
            dmpi_out_note("job %s: " DMPI_RUN_WAS_CANCELED, dmpi_member_called(set->jobs[i]));
        else if (strcmp(ends[i].state, "timeout") == 0)
            dmpi_out_note("job %s: canceled after --timeout", dmpi_member_called(set->jobs[i]));
    }
}

/* What became of the job's workers is asked now that it has ended. That nothing can be learnt is no failure. */
static void tell_causes(struct dmpi_jobset *set, const struct dmpi_job_end *ends)
{
    struct dmpi_state state = {0};
    struct dmpi_err ignored;
    bool failed = false;
    for (size_t i = 0; i < set->n; i++)
        failed = failed || strcmp(ends[i].state, "failed") == 0;
    if (failed && dmpi_session_state(&state, &set->session, &ignored) < 0)
        failed = false;
    for (size_t i = 0; failed && i < set->n; i++) {
        struct dmpi_strv causes DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
        const struct dmpi_member *job =
            dmpi_job_find(&state, set->jobs[i]->cluster, set->jobs[i]->job, &ignored);
        if (job)
            dmpi_fates_of(&causes, set->session.fleet, &state, job);
        for (size_t k = 0; k < causes.n; k++)
            dmpi_out_note("job %s: %s", dmpi_member_called(set->jobs[i]), causes.v[k]);
    }
    dmpi_state_free(&state);
}

static void print(const struct dmpi_jobset *set, const struct dmpi_job_end *ends)
{
    json_t *list = dmpi_json_new_arr();
    for (size_t i = 0; i < set->n; i++) {
        json_t *o = dmpi_json_new_obj();
        dmpi_json_set_str(o, "job", set->jobs[i]->job);
        dmpi_json_set_int(o, "exit_code", ends[i].code);
        dmpi_json_set_str(o, "state", ends[i].state);
        dmpi_json_add(list, o);
    }
    json_t *result = dmpi_json_new_obj();
    dmpi_json_set(result, "jobs", list);
    dmpi_out_json(result);
}

static int run(void *arg, const struct dmpi_strv *operands, struct dmpi_err *err)
{
    const struct dmpi_common *common = arg;
    struct dmpi_jobset set;
    int code = 0;
    int rc = dmpi_jobset_open(&set, common, operands, false, err);
    if (rc == 0) {
        dmpi_autofree struct dmpi_job_end *ends = dmpi_xcalloc(set.n + 1, sizeof *ends);
        rc = dmpi_jobs_wait(set.session.fleet, set.jobs, set.n, ends, dmpi_app_ctl(), err);
        code = worst(ends, set.n);
        if (rc == 0 && common->json)
            print(&set, ends);
        else if (rc == 0)
            tell(&set, ends);
        if (rc == 0 && !common->json)
            tell_causes(&set, ends);
    }
    dmpi_jobset_close(&set);
    return rc < 0 ? -1 : code;
}

static const struct dmpi_opt opts[] = {{0}};

const struct dmpi_verb dmpi_verb_wait = {
    .name = "wait",
    .args = "[JOB...]",
    .summary = "wait for the end of jobs (default: the newest) and return the worst exit code",
    .details =
        "A job that was canceled, by `dockmpi cancel` or Ctrl-C, has exit code 143, and 137 where "
        "it was\n"
        "killed without grace; one that ran longer than `run --timeout` has 124. Those codes can "
        "be a\n"
        "program's own, too: the state (also in --json) tells canceled and timeout from failed.\n"
        "When the job's container is removed meanwhile, as by `dockmpi down`, wait ends with 125.",
    .opts = opts,
    .opts_size = sizeof(struct dmpi_common),
    .json = true,
    .run = run,
};
