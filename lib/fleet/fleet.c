// SPDX-License-Identifier: MIT
#include "fleet/fleet.h"

#include <pthread.h>

#include "base/mem.h"
#include "engine/engine.h"
#include "fleet/parallel.h"
#include "fleet/waiting.h"
#include "spec/spec.h"

#define CONNECT_MS 20000
#define TELL_MS 5000 // a healthy engine has answered, also on a busy machine

struct slot {
    pthread_mutex_t lock; // held while the engine is opened
    struct dmpi_engine *engine;
    struct dmpi_err failed; // DMPI_OK: not tried yet, or worth trying again
};

struct dmpi_fleet {
    const struct dmpi_node *nodes;
    struct slot *slots;
    size_t n;
    int64_t connect_ms;
    struct dmpi_waiting *waiting;
};

struct dmpi_fleet *dmpi_fleet_new(const struct dmpi_node *nodes, size_t n_nodes, int64_t connect_ms)
{
    struct dmpi_fleet *fleet = dmpi_xcalloc(1, sizeof(*fleet));
    fleet->nodes = nodes;
    fleet->n = n_nodes;
    fleet->connect_ms = connect_ms > 0 ? connect_ms : CONNECT_MS;
    fleet->slots = dmpi_xcalloc(n_nodes, sizeof(*fleet->slots));
    fleet->waiting = dmpi_waiting_new(nodes, n_nodes, TELL_MS);
    for (size_t i = 0; i < n_nodes; i++)
        pthread_mutex_init(&fleet->slots[i].lock, NULL);
    return fleet;
}

void dmpi_fleet_free(struct dmpi_fleet *fleet)
{
    if (!fleet)
        return;
    dmpi_waiting_free(fleet->waiting);
    for (size_t i = 0; i < fleet->n; i++) {
        dmpi_engine_close(fleet->slots[i].engine);
        pthread_mutex_destroy(&fleet->slots[i].lock);
    }
    free(fleet->slots);
    free(fleet);
}

size_t dmpi_fleet_size(const struct dmpi_fleet *fleet)
{
    return fleet->n;
}

const char *dmpi_fleet_name(const struct dmpi_fleet *fleet, size_t node)
{
    return fleet->nodes[node].name;
}

const struct dmpi_endpoint *dmpi_fleet_endpoint(const struct dmpi_fleet *fleet, size_t node)
{
    return &fleet->nodes[node].ep;
}

static int open_locked(struct dmpi_fleet *fleet, size_t node, const struct dmpi_ctl *ctl,
                       struct dmpi_err *err)
{
    struct slot *slot = &fleet->slots[node];
    if (slot->engine)
        return 0;
    if (slot->failed.code != DMPI_OK) {
        *err = slot->failed;
        return -1;
    }
    if (dmpi_ctl_check(ctl, err) != 0)
        return -1;
    struct dmpi_ctl within = dmpi_ctl_within(ctl, fleet->connect_ms);
    dmpi_waiting_asked(fleet->waiting, node);
    int rc = dmpi_engine_open(&slot->engine, &fleet->nodes[node].ep, &within, err);
    dmpi_waiting_answered(fleet->waiting, node);
    if (rc == 0)
        return 0;
    slot->engine = NULL;
    if (err->code != DMPI_ECANCELED)
        slot->failed = *err;
    return -1;
}

void dmpi_fleet_asked(struct dmpi_fleet *fleet, size_t node)
{
    dmpi_waiting_asked(fleet->waiting, node);
}

void dmpi_fleet_answered(struct dmpi_fleet *fleet, size_t node)
{
    dmpi_waiting_answered(fleet->waiting, node);
}

// Without the node's name in the error.
static int engine_of(struct dmpi_engine **out, struct dmpi_fleet *fleet, size_t node,
                     const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct slot *slot = &fleet->slots[node];
    pthread_mutex_lock(&slot->lock);
    int rc = open_locked(fleet, node, ctl, err);
    *out = slot->engine;
    pthread_mutex_unlock(&slot->lock);
    return rc;
}

int dmpi_fleet_engine(struct dmpi_engine **out, struct dmpi_fleet *fleet, size_t node,
                      const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    if (engine_of(out, fleet, node, ctl, err) == 0)
        return 0;
    return dmpi_err_wrap(err, "node %s", dmpi_fleet_name(fleet, node));
}

void dmpi_fleet_retry(struct dmpi_fleet *fleet, size_t node)
{
    struct slot *slot = &fleet->slots[node];
    pthread_mutex_lock(&slot->lock);
    slot->failed = (struct dmpi_err)DMPI_ERR_INIT;
    pthread_mutex_unlock(&slot->lock);
}

void dmpi_fleet_rest(struct dmpi_fleet *fleet, size_t node)
{
    struct slot *slot = &fleet->slots[node];
    if (fleet->n <= DMPI_FLEET_WINDOW)
        return;
    pthread_mutex_lock(&slot->lock);
    if (slot->engine)
        dmpi_engine_rest(slot->engine);
    pthread_mutex_unlock(&slot->lock);
}

struct each {
    struct dmpi_fleet *fleet;
    bool many; // nodes: they cannot all be worked on at once
    const struct dmpi_ctl *ctl;
    dmpi_fleet_fn *fn;
    void *arg;
    struct dmpi_err *errs;
};

static int each_try(const struct each *each, size_t node, struct dmpi_err *err)
{
    struct dmpi_engine *engine = NULL;
    if (dmpi_ctl_check(each->ctl, err) != 0 ||
        engine_of(&engine, each->fleet, node, each->ctl, err) != 0)
        return -1;
    int rc = each->fn(engine, node, each->arg, err);
    if (each->many)
        dmpi_engine_rest(engine);
    return rc;
}

static void each_node(size_t node, void *arg)
{
    const struct each *each = arg;
    struct dmpi_err *err = &each->errs[node];
    *err = (struct dmpi_err)DMPI_ERR_INIT;
    if (each_try(each, node, err) == 0)
        *err = (struct dmpi_err)DMPI_ERR_INIT;
    else
        dmpi_err_wrap(err, "node %s", dmpi_fleet_name(each->fleet, node));
}

size_t dmpi_fleet_each(struct dmpi_fleet *fleet, const struct dmpi_ctl *ctl, size_t window,
                       dmpi_fleet_fn *fn, void *arg, struct dmpi_err *errs)
{
    size_t at_once = window ? window : DMPI_FLEET_WINDOW;
    struct each each = {
        .fleet = fleet, .many = fleet->n > at_once, .ctl = ctl, .fn = fn, .arg = arg, .errs = errs};
    dmpi_parallel(fleet->n, at_once, each_node, &each);
    size_t failed = 0;
    for (size_t i = 0; i < fleet->n; i++)
        failed += errs[i].code != DMPI_OK;
    return failed;
}

int dmpi_fleet_sum(const struct dmpi_fleet *fleet, const struct dmpi_err *errs,
                   struct dmpi_err *err)
{
    const struct dmpi_err *first = NULL;
    size_t failed = 0;
    for (size_t i = 0; i < fleet->n; i++) {
        if (errs[i].code == DMPI_OK)
            continue;
        failed++;
        // A cancelled node says nothing about itself: prefer one with a cause.
        if (!first || (first->code == DMPI_ECANCELED && errs[i].code != DMPI_ECANCELED))
            first = &errs[i];
    }
    if (!first)
        return 0;
    enum dmpi_code code = failed < fleet->n ? DMPI_EPARTIAL : first->code;
    if (failed == 1)
        return dmpi_err_set(err, code, "%s", first->msg);
    // The remedy of the first may fill the whole message: the count goes in front.
    return dmpi_err_set(err, code, "%zu of %zu nodes failed; the first: %s", failed, fleet->n,
                        first->msg);
}
