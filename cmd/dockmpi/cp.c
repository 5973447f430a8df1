// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "job/copy.h"
#include "out.h"
#include "state.h"
#include "transfer.h"
#include "verbs.h"

struct cp {
    struct dmpi_common common;
    bool workers;
};

static void report(const struct dmpi_copy_result *result, bool json)
{
    char bytes[16];
    if (json) {
        json_t *o = dmpi_json_new_obj();
        dmpi_json_set_int(o, "files", (json_int_t)result->files);
        dmpi_json_set_int(o, "bytes", (json_int_t)result->bytes);
        dmpi_out_json(o);
    } else {
        dmpi_debug("%llu files, %s", (unsigned long long)result->files,
                   dmpi_text_human_bytes(bytes, (int64_t)result->bytes));
    }
}

static int run(void *arg, const struct dmpi_strv *operands, struct dmpi_err *err)
{
    const struct cp *o = arg;
    if (operands->n < 2)
        return dmpi_usage(err, "cp needs at least one source and a destination");
    struct dmpi_session session;
    struct dmpi_state state = {0};
    int rc = dmpi_session_open(&session, &o->common, err);
    if (rc == 0)
        rc = dmpi_session_members(&state, &session, err);
    if (rc == 0) {
        struct dmpi_copy_opts opts = {.cluster = session.spec.name,
                                      .workers_only = o->workers,
                                      .progress = dmpi_transfer_display()};
        struct dmpi_copy_result result = {0};
        dmpi_progress_start();
        rc = dmpi_copy(operands, session.fleet, &state, &opts, dmpi_app_ctl(), &result, err);
        dmpi_progress_end();
        if (rc == 0)
            report(&result, o->common.json);
    }
    dmpi_state_free(&state);
    dmpi_session_close(&session);
    return rc;
}

static const struct dmpi_opt opts[] = {
    {"workers", 0, DMPI_OPT_FLAG, offsetof(struct cp, workers), NULL,
     ":PATH as destination leaves the launcher out", 0, 0},
    {0},
};

const struct dmpi_verb dmpi_verb_cp = {
    .name = "cp",
    .args = "SRC... DST",
    .summary = "copy files and folders into containers and out of them",
    .details =
        "  dockmpi cp ./code :/work            to the launcher and every worker\n"
        "  dockmpi cp ./x worker-0:/work       to one\n"
        "  dockmpi cp worker-0:/work/x .       from one\n"
        "  dockmpi cp :/work/x out/            from every worker, a folder each\n"
        "A destination that is a folder gets the source under its name; SRC/. means what is\n"
        "in SRC. A local name with a colon is written ./a:b. Names of one file stay one file;\n"
        "holes in sparse files are sent, and written, as zeros.",
    .opts = opts,
    .opts_size = sizeof(struct cp),
    .json = true,
    .run = run,
};
