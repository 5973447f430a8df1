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
#include "job/jobs.h"

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
    int64_t from, until; // of a job that has ended: seconds since the epoch
    char **fates;
};

static char *oom_text(void)
{
    return dmpi_xstrdup("the kernel has ended a process there for want of memory (out of memory)");
}

static int note_oom(void *arg, json_t *event, struct dmpi_err *err)
{
    const char *id = dmpi_json_str(dmpi_json_obj(event, "Actor"), "ID");
    const char **wanted = arg;

    (void)err;
    if (id && *wanted && strcmp(id, *wanted) == 0)
        *wanted = NULL;
    return 0;
}

// Whether the engine tells of a process that was ended there for want of memory between two moments of its
// own clock. It remembers its last 256 events.
static bool told_oom(struct dmpi_engine *engine, const char *id, int64_t from, int64_t until,
                     const struct dmpi_ctl *ctl)
{
    static const char *const filters[] = {"type=container", "event=oom", NULL};
    struct dmpi_err err = DMPI_ERR_INIT;

    if (dmpi_engine_events(engine, ctl, filters, from, until, note_oom, &id, &err) < 0)
        dmpi_debug("events: %s", err.msg);
    return !id;
}

// The same for the last since_ms.
static bool ran_out(struct dmpi_fleet *fleet, const struct dmpi_target *target, int64_t since_ms,
                    const struct dmpi_ctl *ctl)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_engine *engine;
    dmpi_json_auto json_t *info = NULL;
    struct tm tm = {0};

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
    return told_oom(engine, target->id, at - since_ms / 1000 - 1, at + 1, ctl);
}

static void ask_item(size_t i, void *arg)
{
    struct asking *a = arg;
    const struct dmpi_target *target = &a->targets->v[i];
    struct dmpi_ctl ctl = dmpi_ctl_within(NULL, a->ms);

    a->fates[i] = dmpi_fate_ask(a->fleet, target->node, target->id, &ctl);
    if (!a->fates[i] && ran_out(a->fleet, target, a->since_ms, &ctl))
        a->fates[i] = oom_text();
}

static void recall_item(size_t i, void *arg)
{
    struct asking *a = arg;
    const struct dmpi_target *target = &a->targets->v[i];
    struct dmpi_ctl ctl = dmpi_ctl_within(NULL, a->ms);
    struct dmpi_err ignored;
    struct dmpi_engine *engine;

    if (dmpi_fleet_engine(&engine, a->fleet, target->node, &ctl, &ignored) == 0 &&
        told_oom(engine, target->id, a->from, a->until, &ctl))
        a->fates[i] = oom_text();
}

static void ask_all(struct dmpi_strv *out, struct asking *a, void (*item)(size_t i, void *arg))
{
    a->fates = dmpi_xcalloc(a->targets->n + 1, sizeof(*a->fates));
    dmpi_parallel(a->targets->n, DMPI_FLEET_WINDOW, item, a);
    for (size_t i = 0; i < a->targets->n; i++) {
        const struct dmpi_target *t = &a->targets->v[i];
        if (a->fates[i])
            dmpi_strv_addf(out, "%s on node %s: %s", t->alias, dmpi_fleet_name(a->fleet, t->node),
                           a->fates[i]);
        free(a->fates[i]);
    }
    free(a->fates);
}

void dmpi_fates(struct dmpi_strv *out, struct dmpi_fleet *fleet, const struct dmpi_targets *targets,
                int64_t since_ms, int64_t ms)
{
    struct asking a = {.fleet = fleet, .targets = targets, .since_ms = since_ms, .ms = ms};

    ask_all(out, &a, ask_item);
}

static bool may_have_causes(int code)
{
    return code == 255 || code == 137 || code == 125;
}

void dmpi_fates_after(struct dmpi_strv *out, struct dmpi_fleet *fleet,
                      const struct dmpi_targets *targets, int code, int64_t since_ms)
{
    if (may_have_causes(code))
        dmpi_fates(out, fleet, targets, since_ms, AFTER_MS);
}

// The members that there are, also those that do not run any more.
static void find_members(struct dmpi_targets *out, const struct dmpi_state *state,
                         const char *cluster)
{
    out->v = dmpi_xcalloc(state->n + 1, sizeof(*out->v));
    for (size_t i = 0; i < state->n; i++) {
        const struct dmpi_member *m = &state->members[i];
        if (m->role != DMPI_WORKER || strcmp(m->cluster, cluster) != 0)
            continue;
        struct dmpi_target *t = &out->v[out->n++];
        *t = (struct dmpi_target){.node = m->node, .id = m->id, .container = m->container};
        snprintf(t->alias, sizeof(t->alias), "worker-%d", m->index);
    }
}

void dmpi_fates_of(struct dmpi_strv *out, struct dmpi_fleet *fleet, const struct dmpi_state *state,
                   const struct dmpi_member *job)
{
    struct dmpi_targets targets DMPI_AUTO(dmpi_targets_free) = {0};
    struct asking a = {.fleet = fleet,
                       .targets = &targets,
                       .ms = AFTER_MS,
                       .from = job->started / 1000 - 1,
                       .until = job->finished / 1000 + 2};

    if (!may_have_causes(job->exit_code) || !job->started || !job->finished ||
        strcmp(dmpi_job_state(job), "failed") != 0)
        return;
    find_members(&targets, state, job->cluster);
    ask_all(out, &a, recall_item);
}
