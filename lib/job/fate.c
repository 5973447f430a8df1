// SPDX-License-Identifier: MIT
#include "job/fate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/containers.h"
#include "fleet/fleet.h"
#include "fleet/parallel.h"

#define AFTER_MS ((int64_t)4000)

char *dmpi_fate_text(const json_t *inspected)
{
    const json_t *state = dmpi_json_obj(inspected, "State");
    int code = (int)dmpi_json_int(state, "ExitCode", 0);
    // The engine says so also of a container that lived on, whatever ended it later.
    const char *oom = dmpi_json_bool(state, "OOMKilled", false)
                          ? "; then or earlier the kernel ended a process in it for want of memory "
                            "(out of memory)"
                          : "";

    if (dmpi_json_bool(state, "Paused", false))
        return dmpi_xstrdup("its container is paused (`docker unpause` there lets it go on)");
    if (dmpi_json_bool(state, "Restarting", false))
        return dmpi_xstrdup("its container is being restarted");
    if (dmpi_json_bool(state, "Running", false))
        return NULL;
    if (code > 128 && code < 128 + 65)
        return dmpi_xasprintf("its container was ended by signal %d%s", code - 128, oom);
    return dmpi_xasprintf("its container has ended with code %d%s", code, oom);
}

char *dmpi_fate_ask(struct dmpi_fleet *fleet, size_t node, const char *id,
                    const struct dmpi_ctl *ctl)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_engine *engine;
    dmpi_json_auto json_t *info = NULL;

    if (dmpi_fleet_engine(&engine, fleet, node, ctl, &err) == 0 &&
        dmpi_container_inspect(engine, ctl, id, &info, &err) == 0)
        return dmpi_fate_text(info);
    if (err.code == DMPI_ENOTFOUND)
        return dmpi_xstrdup("its container is gone");
    if (err.code == DMPI_ETIMEOUT)
        return dmpi_xstrdup("its node does not answer: off, hanging, or the network is cut");
    return dmpi_xasprintf("its node's engine does not answer: %s", err.msg);
}

// --- all at once -----------------------------------------------------------------------------

struct asking {
    struct dmpi_fleet *fleet;
    const struct dmpi_targets *targets;
    int64_t since_ms, ms;
    char **fates;
};

static int note_oom(void *arg, json_t *event, struct dmpi_err *err)
{
    const char *id = dmpi_json_str(dmpi_json_obj(event, "Actor"), "ID");
    const char **wanted = arg;

    (void)err;
    if (id && *wanted && strcmp(id, *wanted) == 0)
        *wanted = NULL;
    return 0;
}

// Whether the engine has told of a process that was ended there for want of memory. By the engine's own clock.
static bool ran_out(struct dmpi_fleet *fleet, const struct dmpi_target *target, int64_t since_ms,
                    const struct dmpi_ctl *ctl)
{
    static const char *const filters[] = {"type=container", "event=oom", NULL};
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_engine *engine;
    dmpi_json_auto json_t *info = NULL;
    struct tm tm = {0};
    const char *id = target->id;

    if (dmpi_fleet_engine(&engine, fleet, target->node, ctl, &err) < 0 ||
        dmpi_engine_info(engine, ctl, &info, &err) < 0)
        return false;
    const char *now = dmpi_json_str(info, "SystemTime");
    const char *zone = now ? strptime(now, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    if (!zone)
        return false;
    int hours = 0, minutes = 0;
    char sign = '+';
    zone += strspn(zone, ".0123456789");
    if (*zone != 'Z' && sscanf(zone, "%c%2d:%2d", &sign, &hours, &minutes) != 3)
        return false;
    int64_t at = timegm(&tm) - (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    if (dmpi_engine_events(engine, ctl, filters, at - since_ms / 1000 - 1, at + 1, note_oom, &id,
                           &err) < 0)
        dmpi_debug("events: %s", err.msg);
    return !id;
}

static void ask_item(size_t i, void *arg)
{
    struct asking *a = arg;
    const struct dmpi_target *target = &a->targets->v[i];
    struct dmpi_ctl ctl = dmpi_ctl_within(NULL, a->ms);

    a->fates[i] = dmpi_fate_ask(a->fleet, target->node, target->id, &ctl);
    if (!a->fates[i] && ran_out(a->fleet, target, a->since_ms, &ctl))
        a->fates[i] =
            dmpi_xstrdup("the kernel has ended a process there for want of memory (out of "
                         "memory)");
}

void dmpi_fates(struct dmpi_strv *out, struct dmpi_fleet *fleet, const struct dmpi_targets *targets,
                int64_t since_ms, int64_t ms)
{
    struct asking a = {.fleet = fleet,
                       .targets = targets,
                       .since_ms = since_ms,
                       .ms = ms,
                       .fates = dmpi_xcalloc(targets->n + 1, sizeof(*a.fates))};

    dmpi_parallel(targets->n, DMPI_FLEET_WINDOW, ask_item, &a);
    for (size_t i = 0; i < targets->n; i++) {
        const struct dmpi_target *t = &targets->v[i];
        if (a.fates[i])
            dmpi_strv_addf(out, "%s on node %s: %s", t->alias, dmpi_fleet_name(fleet, t->node),
                           a.fates[i]);
        free(a.fates[i]);
    }
    free(a.fates);
}

void dmpi_fates_after(struct dmpi_strv *out, struct dmpi_fleet *fleet,
                      const struct dmpi_targets *targets, int code, int64_t since_ms)
{
    if (code == 255 || code == 137 || code == 125)
        dmpi_fates(out, fleet, targets, since_ms, AFTER_MS);
}
