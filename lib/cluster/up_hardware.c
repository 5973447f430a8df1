// SPDX-License-Identifier: MIT
// Before anything is changed: whether the nodes can give what the images want of their hardware, and the
// images the user who is named. Engines only tell when a container starts, so one is started and removed for each image and node.
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "cluster/up_work.h"
#include "engine/containers.h"
#include "engine/engine.h"
#include "engine/relax.h"

// A user by name is the image's, and may be missing there.
static bool wants_user(const struct dmpi_plan_member *wanted)
{
    const char *user = dmpi_json_str(wanted->create, "User");
    return user && strcmp(user, "root") != 0 && !(user[0] >= '0' && user[0] <= '9');
}

static bool wants_hardware(const struct dmpi_item *item)
{
    const struct dmpi_plan_member *wanted = item->step->wanted;
    return wanted && item->step->change != DMPI_KEPT && item->err.code == DMPI_OK &&
           (wanted->profile->gpu != DMPI_GPU_NONE || wanted->profile->devices.n > 0 ||
            wants_user(wanted));
}

static bool shares_hardware(const struct dmpi_item *a, const struct dmpi_item *b)
{
    return a->node == b->node && a->step->wanted->profile == b->step->wanted->profile;
}

// One item stands for all of its node and image. With several threads at work, so only what does not
// change meanwhile is looked at.
static bool is_first(const struct dmpi_work *work, const struct dmpi_item *item)
{
    for (const struct dmpi_item *i = work->items; i < item; i++) {
        const struct dmpi_plan_member *wanted = i->step->wanted;
        if (wanted && i->step->change != DMPI_KEPT && shares_hardware(i, item))
            return false;
    }
    return true;
}

// The body of the container that is only started to see whether it does. The engine removes it when we
// are gone; its label is no plan's.
static json_t *trial_body(const struct dmpi_item *item)
{
    json_t *body = json_deep_copy(item->step->wanted->create);
    dmpi_json_set_str(dmpi_json_obj(body, "Labels"), DMPI_LABEL_SPEC, "trial");
    dmpi_json_set_bool(dmpi_json_obj(body, "HostConfig"), "AutoRemove", true);
    dmpi_fit_body(body, &item->fit);
    return body;
}

// Starts and removes one container. What the node's devices are goes to the item.
static int try_once(struct dmpi_item *item, struct dmpi_engine *engine, json_t *body,
                    const char *name, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    dmpi_autofree char *id = NULL;
    struct dmpi_talk *talk = NULL;
    struct dmpi_err ignored = DMPI_ERR_INIT;
    if (dmpi_member_create(&id, engine, name, body, ctl, err) != 0)
        return -1;
    int rc = dmpi_talk_start(&talk, engine, id, item->step->wanted->container, ctl, err);
    if (rc == 0) {
        const struct dmpi_facts *facts = dmpi_talk_facts(talk);
        item->fit.groups = dmpi_strv_copy(&facts->groups);
        item->gpus = item->step->wanted->profile->gpu == DMPI_GPU_AMD ? facts->amd : facts->nvidia;
    }
    dmpi_talk_free(talk);
    if (dmpi_container_remove(engine, ctl, id, true, true, &ignored) != 0)
        dmpi_debug("container %s: remove: %s", name, ignored.msg);
    return rc;
}

// An engine whose legacy way to NVIDIA GPUs is closed may still know them by CDI.
static bool may_try_cdi(const struct dmpi_item *item, const struct dmpi_err *err)
{
    return item->step->wanted->profile->gpu == DMPI_GPU_NVIDIA && !item->fit.cdi &&
           strstr(err->msg, "could not select device driver");
}

static int try_all(struct dmpi_item *item, struct dmpi_engine *engine, const struct dmpi_ctl *ctl,
                   struct dmpi_err *err)
{
    dmpi_autofree char *name = dmpi_xasprintf("%s-trial", item->step->wanted->container);
    dmpi_json_auto json_t *body = trial_body(item);
    int rc;
    while ((rc = try_once(item, engine, body, name, ctl, err)) != 0 && dmpi_relax(body, err->msg))
        continue;
    if (rc == 0 || !may_try_cdi(item, err))
        return rc;
    struct dmpi_err second = DMPI_ERR_INIT;
    item->fit.cdi = true;
    dmpi_fit_body(body, &item->fit);
    rc = try_once(item, engine, body, name, ctl, &second);
    item->fit.cdi = rc == 0;
    return rc;
}

static void tell_gpus(const struct dmpi_item *item, const char *node)
{
    const struct dmpi_profile *p = item->step->wanted->profile;
    if (p->gpu == DMPI_GPU_NONE)
        return;
    dmpi_debug("node %s: image %s sees %d %s GPU%s", node, p->name, item->gpus,
               dmpi_gpu_name(p->gpu), item->gpus == 1 ? "" : "s");
    if (item->gpus == 0)
        dmpi_warn("node %s: image %s asks for %s GPUs, and its container sees none", node, p->name,
                  dmpi_gpu_name(p->gpu));
}

static int look_at_node(struct dmpi_work *work, struct dmpi_item *item, struct dmpi_engine *engine,
                        const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    dmpi_json_auto json_t *info = NULL;
    if (!is_first(work, item))
        return 0;
    if (item->step->wanted->profile->gpu == DMPI_GPU_NVIDIA &&
        dmpi_engine_info(engine, ctl, &info, err) != 0)
        return -1;
    item->fit.cdi = dmpi_fit_prefers_cdi(info);
    if (try_all(item, engine, ctl, err) != 0)
        return dmpi_err_wrap(err, "image %s", item->step->wanted->profile->name);
    tell_gpus(item, work->spec->nodes[item->node].name);
    return 0;
}

// What one item has learnt is true for those that share node and image with it.
static void share(struct dmpi_work *work, const struct dmpi_item *first)
{
    for (size_t i = 0; i < work->n; i++) {
        struct dmpi_item *item = &work->items[i];
        if (item == first || !wants_hardware(item) || !shares_hardware(item, first))
            continue;
        item->err = first->err;
        item->gpus = first->gpus;
        item->fit.cdi = first->fit.cdi;
        dmpi_strv_free(&item->fit.groups);
        item->fit.groups = dmpi_strv_copy(&first->fit.groups);
    }
}

void dmpi_work_hardware(struct dmpi_work *work)
{
    dmpi_autofree bool *first = dmpi_xcalloc(work->n, sizeof(*first));
    for (size_t i = 0; i < work->n; i++)
        first[i] = wants_hardware(&work->items[i]) && is_first(work, &work->items[i]);
    dmpi_work_each(work, wants_hardware, look_at_node);
    for (size_t i = 0; i < work->n; i++) {
        if (first[i])
            share(work, &work->items[i]);
    }
    for (size_t i = 0; i < work->n; i++) {
        if (wants_hardware(&work->items[i]))
            dmpi_fit_share(&work->items[i].fit, work->items[i].step->wanted, work->items[i].gpus);
    }
}
