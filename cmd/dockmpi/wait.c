// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "jobset.h"
#include "out.h"
#include "verbs.h"

static int worst(const int *codes, size_t n)
{
    int code = 0;
    for (size_t i = 0; i < n; i++)
        if (codes[i] > code)
            code = codes[i];
    return code;
}

static void print(const struct dmpi_jobset *set, const int *codes)
{
    json_t *list = dmpi_json_new_arr();
    for (size_t i = 0; i < set->n; i++) {
        json_t *o = dmpi_json_new_obj();
        dmpi_json_set_str(o, "job", set->jobs[i]->job);
        dmpi_json_set(o, "exit_code", codes[i] < 0 ? json_null() : json_integer(codes[i]));
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
        dmpi_autofree int *codes = dmpi_xcalloc(set.n + 1, sizeof *codes);
        rc = dmpi_jobs_wait(set.session.fleet, set.jobs, set.n, codes, dmpi_app_ctl(), err);
        code = worst(codes, set.n);
        if (rc == 0 && common->json)
            print(&set, codes);
    }
    dmpi_jobset_close(&set);
    return rc < 0 ? -1 : code;
}

static const struct dmpi_opt opts[] = {{0}};

const struct dmpi_verb dmpi_verb_wait = {
    .name = "wait",
    .args = "[JOB...]",
    .summary = "wait for the end of jobs (default: the newest) and return the worst exit code",
    .opts = opts,
    .opts_size = sizeof(struct dmpi_common),
    .json = true,
    .run = run,
};
