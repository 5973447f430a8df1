// SPDX-License-Identifier: MIT
#include "cluster/down.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cluster/leftover.h"
#include "cluster/lock.h"
#include "cluster/ttl.h"
#include "engine/containers.h"
#include "fleet/fleet.h"
#include "fleet/parallel.h"
#include "spec/endpoint.h"

#define LOOK_MS 30000
#define LOCK_MS ((int64_t)600000)

struct down {
    struct dmpi_fleet *fleet;
    const struct dmpi_down_opts *opts;
    const struct dmpi_ctl *ctl;
    const struct dmpi_state *state;
    const char *cluster;
    size_t home; // where the lock is
    bool lock_held;
    bool *processes;      // one a node
    pthread_mutex_t lock; // one report at a time
};

struct on_node {
    struct down *down;
    struct dmpi_engine *engine;
    const struct dmpi_member **members;
    struct dmpi_err *errs; // one a member
    size_t n;
};

static void report(struct down *down, const struct dmpi_member *m, enum dmpi_stage stage,
                   const char *detail)
{
    if (!down->opts || !down->opts->progress)
        return;
    pthread_mutex_lock(&down->lock);
    down->opts->progress(down->opts->progress_arg, dmpi_fleet_name(down->fleet, m->node),
                         m->container, stage, detail);
    pthread_mutex_unlock(&down->lock);
}

static void remove_one(size_t i, void *arg)
{
    const struct on_node *on = arg;
    const struct dmpi_member *m = on->members[i];
    struct dmpi_err *err = &on->errs[i];
    report(on->down, m, DMPI_STAGE_REMOVE, NULL);
    struct dmpi_ctl within = dmpi_ctl_within(on->down->ctl, 60000);
    if (dmpi_container_remove(on->engine, &within, m->id, true, true, err) == 0) {
        *err = (struct dmpi_err)DMPI_ERR_INIT;
        report(on->down, m, DMPI_STAGE_REMOVED, NULL);
        return;
    }
    dmpi_err_wrap(err, "remove %s", m->container);
    report(on->down, m, DMPI_STAGE_FAILED, err->msg);
}

// Locks are where launchers are; one that is elsewhere is a dead client's.
static void sweep(const struct down *down, struct dmpi_engine *engine, size_t node)
{
    struct dmpi_ctl within = dmpi_ctl_within(down->ctl, LOOK_MS);
    if (!down->cluster || (down->lock_held && node != down->home))
        dmpi_lock_sweep(engine, down->cluster, &within);
}

// Jobs that run go first: otherwise they would end for the loss of their workers, and tell so.
static void remove_in_turn(struct on_node *on)
{
    size_t jobs = 0;
    for (size_t i = 0; i < on->n; i++) {
        const struct dmpi_member *m = on->members[i];
        if (m->role != DMPI_JOB || !dmpi_member_running(m))
            continue;
        on->members[i] = on->members[jobs];
        on->members[jobs++] = m;
    }
    dmpi_parallel(jobs, DMPI_NODE_WINDOW, remove_one, on);
    struct on_node others = *on;
    others.members += jobs;
    others.errs += jobs;
    others.n -= jobs;
    dmpi_parallel(others.n, DMPI_NODE_WINDOW, remove_one, &others);
}

static int remove_all(struct dmpi_engine *engine, size_t node, void *arg, struct dmpi_err *err)
{
    struct down *down = arg;
    const struct dmpi_state *state = down->state;
    if (state->errs[node].code != DMPI_OK)
        return 0; // reported already
    struct on_node on = {.down = down, .engine = engine};
    dmpi_autofree const struct dmpi_member **members = dmpi_xcalloc(state->n, sizeof(*members));
    on.members = members;
    for (size_t i = 0; i < state->n; i++) {
        if (state->members[i].node == node)
            members[on.n++] = &state->members[i];
    }
    dmpi_autofree struct dmpi_err *errs = dmpi_xcalloc(on.n, sizeof(*errs));
    on.errs = errs;
    struct dmpi_leftover of = {.cluster = down->cluster, .members = members, .n = on.n};
    of.visible =
        dmpi_fleet_endpoint(down->fleet, node)->scheme == DMPI_UNIX && dmpi_leftover_see(&of);
    remove_in_turn(&on);
    for (size_t i = 0; i < on.n; i++) {
        if (errs[i].code != DMPI_OK) {
            *err = errs[i];
            return -1;
        }
    }
    down->processes[node] = of.visible;
    sweep(down, engine, node);
    struct dmpi_ctl within = dmpi_ctl_within(down->ctl, LOOK_MS);
    return dmpi_leftover_look(&of, engine, &within, err);
}

// An error of the first look or of a removal says more than that something is left.
static void keep_first(struct dmpi_err *into, const struct dmpi_err *other)
{
    if (into->code == DMPI_OK)
        *into = *other;
}

struct again {
    const struct dmpi_state *left;
    const struct dmpi_ctl *ctl;
};

static int remove_again(struct dmpi_engine *engine, size_t node, void *arg, struct dmpi_err *err)
{
    const struct again *again = arg;
    for (size_t i = 0; i < again->left->n; i++) {
        const struct dmpi_member *m = &again->left->members[i];
        if (m->node == node)
            dmpi_container_remove(engine, again->ctl, m->id, true, true, err);
    }
    return 0; // whether it is gone, the next look tells
}

// An engine answers to a removal a moment before its list forgets the container; and one that a client who was killed
// had ordered is listed a moment before it can be removed: until then the engine says that there is none.
static int look_again(struct dmpi_state *left, struct down *down, const char *cluster,
                      struct dmpi_err *err)
{
    const struct dmpi_ctl within = dmpi_ctl_within(down->ctl, LOOK_MS);
    dmpi_autofree struct dmpi_err *errs = dmpi_xcalloc(down->state->n_nodes, sizeof(*errs));
    for (int tries = 0;; tries++) {
        int rc = dmpi_state_load(left, down->fleet, cluster, &within, err);
        if (left->n == 0 || tries == 10)
            return rc;
        if (dmpi_ctl_sleep(&within, 50L << (tries / 2), err) != 0)
            return -1;
        struct again again = {left, &within};
        if (tries > 0)
            dmpi_fleet_each(down->fleet, &within, 0, remove_again, &again, errs);
        dmpi_state_free(left);
    }
}

static void judge_left(struct dmpi_down_result *result, const struct dmpi_state *left,
                       const struct dmpi_fleet *fleet)
{
    struct dmpi_err *errs = result->removed.errs;
    for (size_t i = 0; i < left->n_nodes; i++)
        keep_first(&errs[i], &left->errs[i]);
    for (size_t i = 0; i < left->n; i++) {
        const struct dmpi_member *m = &left->members[i];
        struct dmpi_err still = DMPI_ERR_INIT;
        dmpi_err_set(&still, DMPI_EENGINE,
                     "node %s: %s is still there (%s): take the cluster down again, or `docker rm "
                     "-f %s` on that node",
                     dmpi_fleet_name(fleet, m->node), m->container, m->state, m->container);
        keep_first(&errs[m->node], &still);
    }
    result->left = left->n;
}

static size_t find_home(const struct down *down)
{
    struct dmpi_state state DMPI_AUTO(dmpi_state_free) = {0};
    struct dmpi_err ignored = DMPI_ERR_INIT; // the look that follows meets the same
    dmpi_state_list(&state, down->fleet, down->cluster, down->ctl, &ignored);
    const struct dmpi_member *launcher = dmpi_state_launcher(&state, down->cluster);
    return launcher ? launcher->node : 0;
}

// Without an answer from there, the rest goes all the same.
static int take_lock(struct dmpi_lock **out, struct down *down, struct dmpi_err *err)
{
    if (!down->cluster || !down->opts)
        return 0;
    down->home = down->opts->home == DMPI_DOWN_FIND ? find_home(down) : down->opts->home;
    const struct dmpi_lock_wish wish = {.cluster = down->cluster,
                                        .verb = "down",
                                        .wait_ms = down->opts->lock_ms,
                                        .expect_ms = LOCK_MS};
    int rc = dmpi_lock_take(out, down->fleet, down->home, &wish, down->ctl, err);
    down->lock_held = *out != NULL;
    return rc;
}

int dmpi_cluster_down(struct dmpi_fleet *fleet, const char *cluster,
                      const struct dmpi_down_opts *opts, const struct dmpi_ctl *ctl,
                      struct dmpi_down_result *result, struct dmpi_err *err)
{
    *result = (struct dmpi_down_result){0};
    struct dmpi_state *found = &result->removed;
    struct down down = {
        .fleet = fleet, .opts = opts, .ctl = ctl, .state = found, .cluster = cluster};
    struct dmpi_lock *lock = NULL;
    if (take_lock(&lock, &down, err) != 0)
        return -1;
    dmpi_state_load(found, fleet, cluster, ctl, err); // each node's own error is in found->errs
    result->processes = dmpi_xcalloc(found->n_nodes, sizeof(*result->processes));
    down.processes = result->processes;
    pthread_mutex_init(&down.lock, NULL);
    dmpi_autofree struct dmpi_err *errs = dmpi_xcalloc(found->n_nodes, sizeof(*errs));
    dmpi_fleet_each(fleet, ctl, 0, remove_all, &down, errs);
    for (size_t i = 0; i < found->n_nodes; i++)
        keep_first(&found->errs[i], &errs[i]);
    struct dmpi_state left DMPI_AUTO(dmpi_state_free) = {0};
    struct dmpi_err ignored = DMPI_ERR_INIT; // each node's own error is in left.errs
    if (found->n > 0)
        look_again(&left, &down, cluster, &ignored);
    judge_left(result, &left, fleet);
    dmpi_lock_release(lock);
    pthread_mutex_destroy(&down.lock);
    if (dmpi_fleet_sum(fleet, found->errs, err) != 0)
        return -1;
    for (size_t i = 0; i < found->n; i++)
        dmpi_ttl_forget(found->members[i].cluster);
    if (cluster) // also one that had ended by itself
        dmpi_ttl_forget(cluster);
    return dmpi_ctl_check(ctl, err);
}

void dmpi_down_result_free(struct dmpi_down_result *result)
{
    if (!result)
        return;
    dmpi_state_free(&result->removed);
    free(result->processes);
    *result = (struct dmpi_down_result){0};
}
