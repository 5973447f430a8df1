// SPDX-License-Identifier: MIT
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "cluster/runas.h"
#include "cluster/up_work.h"
#include "engine/containers.h"
#include "engine/relax.h"
#include "fleet/fleet.h"
#include "spec/labels.h"

#define UNDO_MS 20000

// --- making ----------------------------------------------------------------------------------

static int remove_found(struct dmpi_work *work, struct dmpi_item *item, const struct dmpi_ctl *ctl,
                        struct dmpi_err *err)
{
    const struct dmpi_member *found = item->step->found;
    struct dmpi_engine *engine = NULL;
    // A member that moves is removed where it was, not where it will be.
    if (dmpi_fleet_engine(&engine, work->fleet, found->node, ctl, err) != 0)
        return -1;
    dmpi_work_tell(work, item, DMPI_STAGE_REMOVE, item->step->why);
    if (dmpi_container_remove(engine, ctl, found->id, true, true, err) != 0)
        return dmpi_err_wrap(err, "container %s: remove", found->container);
    item->gone = true;
    if (item->step->change == DMPI_REMOVED)
        dmpi_work_tell(work, item, DMPI_STAGE_REMOVED, NULL);
    return 0;
}

// Removes what has the container's name if it is of our cluster. 1: go on trying; 0: it is somebody
// else's; -1: *err.
static int clear_name(const struct dmpi_work *work, const char *container,
                      struct dmpi_engine *engine, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    dmpi_json_auto json_t *info = NULL;
    if (dmpi_container_inspect(engine, ctl, container, &info, err) != 0) {
        // Its creation is still under way.
        if (err->code != DMPI_ENOTFOUND || dmpi_ctl_sleep(ctl, 100, err) != 0)
            return -1;
        return 1;
    }
    const json_t *labels = dmpi_json_obj(dmpi_json_obj(info, "Config"), "Labels");
    const char *cluster = dmpi_json_str(labels, DMPI_LABEL_CLUSTER);
    if (!cluster || strcmp(cluster, work->spec->name) != 0)
        return 0;
    return dmpi_container_remove(engine, ctl, container, true, true, err) == 0 ? 1 : -1;
}

// With the lock nobody else makes containers of this cluster: a name that is taken since we looked is what
// a call of a dead client has come to at last.
static int create(char **id, const struct dmpi_work *work, const char *container, json_t *body,
                  struct dmpi_engine *engine, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    while (dmpi_member_create(id, engine, container, body, ctl, err) != 0) {
        struct dmpi_err why = *err;
        if (why.code != DMPI_ECONFLICT || !work->locked)
            return -1;
        int rc = clear_name(work, container, engine, ctl, err);
        if (rc == 0)
            *err = why;
        if (rc <= 0)
            return -1;
    }
    return 0;
}

static int create_and_start(const struct dmpi_work *work, struct dmpi_item *item, json_t *body,
                            struct dmpi_engine *engine, const struct dmpi_ctl *ctl,
                            struct dmpi_err *err)
{
    const char *container = item->step->wanted->container;
    // An engine may still create it after we gave up waiting: from here on it is ours to remove,
    // unless the name turns out to be somebody else's.
    item->made = true;
    if (create(&item->id, work, container, body, engine, ctl, err) != 0) {
        item->made = err->code != DMPI_ECONFLICT;
        return -1;
    }
    int rc = dmpi_runas_prepare(body, engine, item->id, ctl, err);
    if (rc < 0)
        return dmpi_err_wrap(err, "container %s", container);
    if (rc == 0)
        return dmpi_talk_start(&item->talk, engine, item->id, container, ctl, err);
    // Its image has told who the user is: the next one is made for him.
    if (dmpi_container_remove(engine, ctl, item->id, true, true, err) != 0)
        return dmpi_err_wrap(err, "container %s: remove", container);
    free(DMPI_STEAL(item->id));
    return create_and_start(work, item, body, engine, ctl, err);
}

// What the host lets no container have is refused only when it starts: another one is made without.
static int make_new(struct dmpi_work *work, struct dmpi_item *item, struct dmpi_engine *engine,
                    const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    const struct dmpi_plan_member *wanted = item->step->wanted;
    dmpi_json_auto json_t *body = json_deep_copy(wanted->create);
    dmpi_fit_body(body, &item->fit);
    dmpi_work_tell(work, item, DMPI_STAGE_CREATE, NULL);
    while (create_and_start(work, item, body, engine, ctl, err) != 0) {
        struct dmpi_err ignored;
        const char *what = item->id ? dmpi_relax(body, err->msg) : NULL;
        if (!what || dmpi_container_remove(engine, ctl, item->id, true, true, &ignored) != 0)
            return -1;
        dmpi_info("%s: container %s goes without %s, which the engine refuses: %s",
                  dmpi_engine_name(engine), wanted->container, what, err->msg);
        free(DMPI_STEAL(item->id));
    }
    return 0;
}

// One with a time to live is removed by its engine when it ends, a moment later.
static int wait_gone(struct dmpi_engine *engine, const char *id, const struct dmpi_ctl *ctl,
                     struct dmpi_err *err)
{
    for (;;) {
        json_t *info = NULL;
        if (dmpi_container_inspect(engine, ctl, id, &info, err) != 0)
            return err->code == DMPI_ENOTFOUND ? 0 : -1;
        json_decref(info);
        if (dmpi_ctl_sleep(ctl, 50, err) != 0)
            return -1;
    }
}

int dmpi_work_remake(struct dmpi_work *work, struct dmpi_item *item, struct dmpi_engine *engine,
                     const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    if (dmpi_container_remove(engine, ctl, item->id, true, true, err) != 0 ||
        wait_gone(engine, item->id, ctl, err) != 0)
        return -1;
    free(DMPI_STEAL(item->id));
    return make_new(work, item, engine, ctl, err);
}

static int make(struct dmpi_work *work, struct dmpi_item *item, struct dmpi_engine *engine,
                const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    if (item->step->found && remove_found(work, item, ctl, err) != 0)
        return -1;
    if (!item->step->wanted)
        return 0;
    return make_new(work, item, engine, ctl, err);
}

static bool changes(const struct dmpi_item *item)
{
    return item->err.code == DMPI_OK && item->step->change != DMPI_KEPT;
}

void dmpi_work_make(struct dmpi_work *work)
{
    dmpi_work_each(work, changes, make);
}

// --- unmaking --------------------------------------------------------------------------------

static bool made_in_vain(const struct dmpi_item *item)
{
    return item->made && !item->ready;
}

static bool was_made(const struct dmpi_item *item)
{
    return item->made;
}

// A creation that we gave up waiting for may come to pass a moment later: look for it by its name.
static int remove_late(struct dmpi_engine *engine, const char *container,
                       const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    for (int tries = 0; tries < 10; tries++) {
        json_t *info = NULL;
        if (dmpi_container_inspect(engine, ctl, container, &info, err) == 0) {
            json_decref(info);
            return dmpi_container_remove(engine, ctl, container, true, true, err);
        }
        if (err->code != DMPI_ENOTFOUND || dmpi_ctl_sleep(ctl, 100, err) != 0)
            return -1;
    }
    return 0;
}

static int unmake(struct dmpi_work *work, struct dmpi_item *item, struct dmpi_engine *engine,
                  const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    (void)work;
    const char *container = item->step->wanted->container;
    dmpi_talk_free(DMPI_STEAL(item->talk));
    item->ready = false;
    int rc = 0;
    if (item->id)
        rc = dmpi_container_remove(engine, ctl, item->id, true, true, err);
    else if (item->err.code == DMPI_ECANCELED || item->err.code == DMPI_ETIMEOUT ||
             item->err.code == DMPI_EUNREACHABLE)
        rc = remove_late(engine, container, ctl, err);
    item->made = rc != 0;
    return rc != 0 ? dmpi_err_wrap(err, "container %s: remove", container) : 0;
}

void dmpi_work_undo(struct dmpi_work *work, bool everything)
{
    // The user's cancel and deadline have done their part: cleaning up gets its own time.
    const struct dmpi_ctl *before = work->ctl;
    struct dmpi_ctl own = dmpi_ctl_within(NULL, UNDO_MS);
    work->ctl = &own;
    dmpi_work_each(work, everything ? was_made : made_in_vain, unmake);
    work->ctl = before;
}
