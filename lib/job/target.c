// SPDX-License-Identifier: MIT
#include "job/target.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cluster/state.h"

static bool is_ours(const struct dmpi_member *m, const char *cluster)
{
    return m->role != DMPI_JOB && strcmp(m->cluster, cluster) == 0;
}

static void alias_of(char out[32], const struct dmpi_member *m)
{
    if (m->role == DMPI_LAUNCHER)
        snprintf(out, 32, "launcher");
    else
        snprintf(out, 32, "worker-%d", m->index);
}

static int add(struct dmpi_targets *out, const struct dmpi_member *m, struct dmpi_err *err)
{
    struct dmpi_target target = {.node = m->node, .id = m->id, .container = m->container};
    alias_of(target.alias, m);
    if (!dmpi_member_running(m))
        return dmpi_err_set(
            err, DMPI_ECONFLICT,
            "%s (container %s on node %s) is %s: run `dockmpi up` as before to repair the "
            "cluster",
            target.alias, m->container, m->node_tag, m->state);
    out->v = dmpi_xreallocarray(out->v, out->n + 1, sizeof(*out->v));
    out->v[out->n++] = target;
    return 0;
}

int dmpi_targets_all(struct dmpi_targets *out, const struct dmpi_state *state, const char *cluster,
                     bool launcher, struct dmpi_err *err)
{
    *out = (struct dmpi_targets){0};
    for (size_t i = 0; i < state->n; i++) {
        const struct dmpi_member *m = &state->members[i];
        if (!is_ours(m, cluster) || (m->role == DMPI_LAUNCHER && !launcher))
            continue;
        if (add(out, m, err) < 0)
            return -1;
    }
    if (out->n == 0)
        return dmpi_err_set(err, DMPI_ENOTFOUND,
                            "cluster %s has no containers: start it with `dockmpi up`", cluster);
    return 0;
}

int dmpi_targets_one(struct dmpi_targets *out, const struct dmpi_state *state, const char *cluster,
                     const char *alias, struct dmpi_err *err)
{
    *out = (struct dmpi_targets){0};
    size_t seen = 0;
    for (size_t i = 0; i < state->n; i++) {
        const struct dmpi_member *m = &state->members[i];
        char name[32];
        if (!is_ours(m, cluster))
            continue;
        seen++;
        alias_of(name, m);
        if (strcmp(name, alias) == 0 || strcmp(m->container, alias) == 0)
            return add(out, m, err);
    }
    if (seen == 0)
        return dmpi_err_set(err, DMPI_ENOTFOUND,
                            "cluster %s has no containers: start it with `dockmpi up`", cluster);
    return dmpi_err_set(err, DMPI_ENOTFOUND,
                        "cluster %s has no member '%s': there are %zu, `dockmpi ps` lists them",
                        cluster, alias, seen);
}

void dmpi_targets_free(struct dmpi_targets *targets)
{
    if (!targets)
        return;
    free(targets->v);
    *targets = (struct dmpi_targets){0};
}
