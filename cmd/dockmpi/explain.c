// SPDX-License-Identifier: MIT
#include "job/explain.h"

#include "base/json.h"
#include "base/mem.h"
#include "out.h"
#include "run.h"
#include "verbs.h"

static int from_plan(char **text, const struct dmpi_run_cmd *o, const struct dmpi_run_opts *opts,
                     struct dmpi_err *err)
{
    struct dmpi_spec spec = {0};
    int rc = dmpi_run_cmd_spec(&spec, o, err);
    if (rc == 0)
        rc = dmpi_explain_plan(text, &spec, opts, err);
    dmpi_spec_free(&spec);
    return rc;
}

static int from_cluster(char **text, const struct dmpi_run_cmd *o, const struct dmpi_run_opts *opts,
                        struct dmpi_err *err)
{
    struct dmpi_session session;
    int rc = dmpi_session_open(&session, &o->common, err);
    if (rc == 0)
        rc = dmpi_explain_cluster(text, session.fleet, &session.spec, opts, dmpi_app_ctl(), err);
    dmpi_session_close(&session);
    return rc;
}

static void print(const struct dmpi_run_cmd *o, const char *text)
{
    if (o->common.json) {
        json_t *result = dmpi_json_new_obj();
        dmpi_json_set_str(result, "script", text);
        dmpi_out_json(result);
    } else {
        dmpi_out_text(text);
    }
}

static int run(void *arg, const struct dmpi_strv *operands, struct dmpi_err *err)
{
    const struct dmpi_run_cmd *o = arg;
    struct dmpi_run_opts opts;
    char *images, *text = NULL;
    int rc = dmpi_run_cmd_prepare(&opts, &images, o, operands, err);
    if (rc == 0 &&
        (o->image || o->workers || o->ports || (o->common.file && !o->common.by_environment)))
        rc = from_plan(&text, o, &opts, err);
    else if (rc == 0)
        rc = from_cluster(&text, o, &opts, err);
    if (rc == 0)
        print(o, text);
    free(text);
    dmpi_run_cmd_done(&opts, images);
    return rc;
}

const struct dmpi_verb dmpi_verb_explain = {
    .name = "explain",
    .args = "JOB|FILE|FOLDER [ARGUMENTS]  |  -- PROGRAM [ARGUMENTS]",
    .summary = "print the commands that would do by hand what `run` does",
    .details =
        "Takes what `run` takes and prints a shell script: docker, ssh-keygen, sshd, the copying\n"
        "of the code, mpirun, and the cleaning up. It runs as it is (`dockmpi explain ... | sh`),\n"
        "beside a running cluster; with --image, --workers or -f it needs none. What looks like a\n"
        "secret is left to your environment (--env=NAME).",
    .opts = dmpi_run_cmd_opts,
    .opts_size = sizeof(struct dmpi_run_cmd),
    .how = DMPI_FIRST_STOPS,
    .json = true,
    .run = run,
};
