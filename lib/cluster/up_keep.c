// SPDX-License-Identifier: MIT
#include <string.h>

#include "base/mem.h"
#include "cluster/fetch.h"
#include "cluster/up_work.h"
#include "fleet/fleet.h"

#define REASON_NOT_READY "it was restarted or never finished its start, so it has no keys"
#define REASON_OTHER_MESH "its keys are not those of the cluster"

static bool may_be_kept(const struct dmpi_item *item)
{
    return item->step->change == DMPI_KEPT && item->err.code == DMPI_OK;
}

// Whatever is wrong inside the container, a new one mends it; a failing engine does not.
static bool is_its_own_fault(const struct dmpi_err *err)
{
    return err->code == DMPI_ENOTFOUND || err->code == DMPI_EPARSE || err->code == DMPI_ECONFLICT;
}

static int look_into(struct dmpi_work *work, struct dmpi_item *item, struct dmpi_engine *engine,
                     const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    (void)work;
    struct dmpi_mesh_self self;
    const struct dmpi_member *found = item->step->found;
    if (dmpi_member_self(&self, engine, found->id, found->container, ctl, err) != 0) {
        if (!is_its_own_fault(err))
            return -1;
        dmpi_step_replace(item->step, REASON_NOT_READY);
        return 0;
    }
    item->id = dmpi_xstrdup(found->id);
    memcpy(item->mesh_id, self.id, sizeof(item->mesh_id));
    memcpy(item->digest, self.digest, sizeof(item->digest));
    return 0;
}

static int read_mesh(struct dmpi_mesh *out, struct dmpi_work *work, const struct dmpi_item *item,
                     struct dmpi_err *err)
{
    struct dmpi_engine *engine = NULL;
    *out = (struct dmpi_mesh){0};
    if (dmpi_fleet_engine(&engine, work->fleet, item->node, work->ctl, err) != 0)
        return -1;
    struct dmpi_ctl within = dmpi_ctl_within(work->ctl, 30000);
    if (dmpi_member_mesh(out, engine, item->id, item->step->found->container, &within, err) == 0)
        return 0;
    return dmpi_err_wrap(err, "node %s", work->spec->nodes[item->node].name);
}

// The launcher is first among the items, so it is asked first. Members that cannot tell the mesh are
// replaced.
static bool find_mesh(struct dmpi_work *work)
{
    for (size_t i = 0; i < work->n; i++) {
        struct dmpi_item *item = &work->items[i];
        struct dmpi_err err = DMPI_ERR_INIT;
        if (!may_be_kept(item))
            continue;
        if (read_mesh(&work->mesh, work, item, &err) == 0)
            return true;
        dmpi_mesh_free(&work->mesh);
        if (is_its_own_fault(&err))
            dmpi_step_replace(item->step, REASON_NOT_READY);
        else
            dmpi_work_fail(work, item, &err);
    }
    return false;
}

// A worker that the launcher does not know yet (its node was away) brings its own entry along; false: it is to be
// replaced.
static bool adopt(struct dmpi_work *work, struct dmpi_item *item)
{
    int index = dmpi_item_worker(item);
    if (dmpi_mesh_find(&work->mesh, index))
        return true;
    struct dmpi_mesh own DMPI_AUTO(dmpi_mesh_free) = {0};
    struct dmpi_err err = DMPI_ERR_INIT;
    if (read_mesh(&own, work, item, &err) != 0) {
        if (is_its_own_fault(&err))
            return false;
        dmpi_work_fail(work, item, &err);
        return true;
    }
    const struct dmpi_mesh_worker *entry = dmpi_mesh_find(&own, index);
    return entry && dmpi_mesh_put(&work->mesh, entry, &err) == 0;
}

static void replace(struct dmpi_item *item, const char *why)
{
    dmpi_step_replace(item->step, why);
    free(DMPI_STEAL(item->id));
}

static void keep_workers(struct dmpi_work *work)
{
    for (size_t i = 0; i < work->n; i++) {
        struct dmpi_item *item = &work->items[i];
        if (!may_be_kept(item))
            continue;
        if (strcmp(item->mesh_id, work->mesh.id) != 0)
            replace(item, REASON_OTHER_MESH);
        else if (dmpi_item_worker(item) >= 0 && !adopt(work, item))
            replace(item, REASON_OTHER_MESH);
    }
}

static bool is_kept_worker(const struct dmpi_work *work, int index)
{
    for (size_t i = 0; i < work->n; i++) {
        if (may_be_kept(&work->items[i]) && dmpi_item_worker(&work->items[i]) == index)
            return true;
    }
    return false;
}

// What is not kept leaves the mesh; the new workers come in when they are ready to be fed.
static void forget_others(struct dmpi_work *work)
{
    for (size_t i = work->mesh.n; i-- > 0;) {
        const struct dmpi_mesh_worker *worker = &work->mesh.workers[i];
        if (!is_kept_worker(work, worker->index))
            dmpi_mesh_drop(&work->mesh, worker->index);
    }
}

static void note_kept(struct dmpi_work *work)
{
    for (size_t i = 0; i < work->n; i++) {
        struct dmpi_item *item = &work->items[i];
        if (!may_be_kept(item))
            continue;
        item->ready = true;
        const struct dmpi_mesh_worker *worker = dmpi_mesh_find(&work->mesh, dmpi_item_worker(item));
        if (worker)
            dmpi_port_set_add(&work->taken[item->node], worker->port);
        dmpi_work_tell(work, item, DMPI_STAGE_KEPT, NULL);
    }
}

int dmpi_work_keep(struct dmpi_work *work, struct dmpi_err *err)
{
    dmpi_work_each(work, may_be_kept, look_into);
    bool found = find_mesh(work);
    if (!found && dmpi_mesh_make(&work->mesh, err) != 0)
        return -1;
    work->mesh.ports = work->spec->ports;
    work->mesh.unprivileged = work->spec->run_as != NULL;
    if (!found)
        return 0;
    keep_workers(work);
    forget_others(work);
    note_kept(work);
    return 0;
}
