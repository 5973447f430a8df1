// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "base/json.h"
#include "base/mem.h"
#include "out.h"
#include "verbs.h"

/* Why no engine is asked: `version` answers at once, also on a machine without Docker. */
static int run(void *opts, const struct dmpi_strv *operands, struct dmpi_err *err)
{
    const struct dmpi_common *common = opts;
    if (operands->n)
        return dmpi_usage(err, "version takes no operands");
    if (common->json) {
        json_t *result = json_object();
        dmpi_json_set_str(result, "version", DOCKMPI_VERSION);
        dmpi_out_json(result);
    } else {
        puts("dockmpi " DOCKMPI_VERSION);
    }
    return DMPI_EXIT_OK;
}

static const struct dmpi_opt opts[] = {{0}};

const struct dmpi_verb dmpi_verb_version = {
    .name = "version",
    .args = "",
    .summary = "print the version of this program",
    .opts = opts,
    .opts_size = sizeof(struct dmpi_common),
    .json = true,
    .run = run,
};
