// SPDX-License-Identifier: MIT
#include "cluster/unstarted.h"

#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/containers.h"
#include "fleet/fleet.h"

#define LOOK_MS 200

bool dmpi_job_unstarted(const struct dmpi_member *member, int64_t now)
{
    return member->role == DMPI_JOB && strcmp(member->state, "created") == 0 &&
           now - member->created > DMPI_UNSTARTED_MS / 1000;
}

// Whether the engine still calls it created. A container that is gone is not.
static int is_created(bool *out, struct dmpi_engine *engine, const char *id,
                      const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    dmpi_json_auto json_t *info = NULL;
    *out = false;
    if (dmpi_container_inspect(engine, ctl, id, &info, err) < 0)
        return err->code == DMPI_ENOTFOUND ? 0 : -1;
    const char *status = dmpi_json_str(dmpi_json_obj(info, "State"), "Status");
    *out = status && strcmp(status, "created") == 0;
    return 0;
}

int dmpi_job_started_wait(struct dmpi_engine *engine, const struct dmpi_member *job,
                          const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    const struct dmpi_ctl patience = dmpi_ctl_within(ctl, DMPI_UNSTARTED_MS);
    for (;;) {
        bool created = false;
        if (is_created(&created, engine, job->id, ctl, err) < 0)
            return -1;
        if (!created)
            return 0;
        if (dmpi_ctl_sleep(&patience, LOOK_MS, err) == 0)
            continue;
        if (dmpi_ctl_check(ctl, err) < 0)
            return -1;
        return dmpi_err_set(err, DMPI_ECONFLICT,
                            "it was never started: the dockmpi that made it was ended before; run "
                            "it again");
    }
}

void dmpi_unstarted_drop(struct dmpi_fleet *fleet, const struct dmpi_state *state,
                         const char *cluster, const struct dmpi_ctl *ctl)
{
    int64_t now = (int64_t)time(NULL);
    for (size_t i = 0; i < state->n; i++) {
        const struct dmpi_member *m = &state->members[i];
        struct dmpi_engine *engine;
        struct dmpi_err err = DMPI_ERR_INIT;
        bool created = false;
        if (strcmp(m->cluster, cluster) != 0 || !dmpi_job_unstarted(m, now))
            continue;
        // The clocks may differ and it may have been started since: asked again, and not forced.
        if (dmpi_fleet_engine(&engine, fleet, m->node, ctl, &err) < 0 ||
            is_created(&created, engine, m->id, ctl, &err) < 0 ||
            (created && dmpi_container_remove(engine, ctl, m->id, false, true, &err) < 0))
            dmpi_debug("job %s, which was never started: %s", m->job, err.msg);
    }
}

bool dmpi_job_unkept(const struct dmpi_member *member, int64_t finished, int64_t now)
{
    return member->role == DMPI_JOB && member->unkept && strcmp(member->state, "exited") == 0 &&
           finished > 0 && now - finished > DMPI_UNKEPT_MS;
}

void dmpi_unkept_drop(struct dmpi_fleet *fleet, const struct dmpi_state *state, const char *cluster,
                      const struct dmpi_ctl *ctl)
{
    int64_t now = (int64_t)time(NULL) * 1000;
    for (size_t i = 0; i < state->n; i++) {
        const struct dmpi_member *m = &state->members[i];
        struct dmpi_engine *engine;
        struct dmpi_err err = DMPI_ERR_INIT;
        dmpi_json_auto json_t *info = NULL;
        int64_t ns = 0;
        // Only these few are asked when they ended.
        if (strcmp(m->cluster, cluster) != 0 || !dmpi_job_unkept(m, 1, now))
            continue;
        if (dmpi_fleet_engine(&engine, fleet, m->node, ctl, &err) < 0 ||
            dmpi_container_inspect(engine, ctl, m->id, &info, &err) < 0)
            continue;
        const char *at = dmpi_json_str(dmpi_json_obj(info, "State"), "FinishedAt");
        if (at && dmpi_text_time(&ns, at) == 0 && dmpi_job_unkept(m, ns / 1000000, now) &&
            dmpi_container_remove(engine, ctl, m->id, false, true, &err) < 0)
            dmpi_debug("job %s, whose client has gone: %s", m->job, err.msg);
    }
}
