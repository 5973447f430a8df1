// SPDX-License-Identifier: MIT
#include "job/ranks.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/containers.h"
#include "engine/top.h"
#include "fleet/fleet.h"
#include "fleet/parallel.h"

#define PAUSE_MS ((int64_t)100)

struct look {
    struct dmpi_fleet *fleet;
    const struct dmpi_targets *targets;
    const char *mark; // part of the daemons' arguments
    struct dmpi_ctl ctl;
    struct dmpi_err *errs;
};

static bool shows(const json_t *top, const char *mark)
{
    const json_t *row, *cell;
    size_t i, k;
    json_array_foreach (dmpi_json_arr(top, "Processes"), i, row) {
        json_array_foreach (row, k, cell) {
            const char *text = json_string_value(cell);
            if (text && strstr(text, mark))
                return true;
        }
    }
    return false;
}

static int look_until_gone(const struct look *look, const struct dmpi_target *target,
                           struct dmpi_err *err)
{
    struct dmpi_engine *engine;
    if (dmpi_fleet_engine(&engine, look->fleet, target->node, &look->ctl, err) < 0)
        return -1;
    for (;;) {
        dmpi_json_auto json_t *top = NULL;
        if (dmpi_container_top(engine, &look->ctl, target->id, NULL, &top, err) < 0) {
            bool gone = err->code == DMPI_ENOTFOUND || err->code == DMPI_ECONFLICT;
            return gone ? 0 : -1; // a worker that does not run has no ranks
        }
        if (!shows(top, look->mark))
            return 0;
        if (dmpi_ctl_sleep(&look->ctl, PAUSE_MS, err) < 0)
            return dmpi_err_set(err, DMPI_ETIMEOUT,
                                "processes of the job are still there: `docker restart %s` and "
                                "`dockmpi up` remove them",
                                target->container);
    }
}

static void look_item(size_t i, void *arg)
{
    struct look *look = arg;
    look->errs[i] = (struct dmpi_err)DMPI_ERR_INIT;
    if (look_until_gone(look, &look->targets->v[i], &look->errs[i]) < 0)
        dmpi_err_wrap(&look->errs[i], "%s", look->targets->v[i].alias);
    else
        look->errs[i].code = DMPI_OK;
}

int dmpi_job_ranks_wait(struct dmpi_fleet *fleet, const struct dmpi_targets *targets,
                        const char *job, int64_t ms, struct dmpi_err *err)
{
    // The name of a daemon's job is "prterun-HOST-PID@0", HOST being the job container's.
    dmpi_autofree char *mark = dmpi_xasprintf("-%s-", job);
    struct look look = {.fleet = fleet,
                        .targets = targets,
                        .mark = mark,
                        .ctl = dmpi_ctl_within(NULL, ms),
                        .errs = dmpi_xcalloc(targets->n, sizeof(*look.errs))};
    dmpi_parallel(targets->n, DMPI_FLEET_WINDOW, look_item, &look);
    int rc = 0;
    for (size_t i = 0; i < targets->n && rc == 0; i++) {
        if (look.errs[i].code == DMPI_OK)
            continue;
        *err = look.errs[i];
        rc = -1;
    }
    free(look.errs);
    return rc;
}
