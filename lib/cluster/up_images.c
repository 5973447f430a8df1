// SPDX-License-Identifier: MIT
#include "base/mem.h"
#include "cluster/image.h"
#include "cluster/up_work.h"
#include "fleet/fleet.h"

static bool shares_image(const struct dmpi_work *work, size_t i, size_t k)
{
    const struct dmpi_plan_member *members = work->plan->members;
    return members[i].node == members[k].node && members[i].profile == members[k].profile;
}

// Whether any member that shares the image of member i has to be made. One that may stay needs no
// image: it runs.
static bool image_needed(const struct dmpi_work *work, size_t i)
{
    for (size_t k = i; k < work->plan->n; k++) {
        if (shares_image(work, i, k) && work->decision.steps[k].change != DMPI_KEPT)
            return true;
    }
    return false;
}

// Asks for the image of plan member i, for all members that share it.
static void find_image(struct dmpi_work *work, struct dmpi_engine *engine, size_t i)
{
    const struct dmpi_profile *profile = work->plan->members[i].profile;
    const char *node = work->spec->nodes[work->plan->members[i].node].name;
    struct dmpi_image_info info DMPI_AUTO(dmpi_image_info_free) = {0};
    struct dmpi_err err = DMPI_ERR_INIT;
    int rc = dmpi_image_find(&info, engine, profile, work->ctl, &err);
    if (rc == 0 && !info.present && image_needed(work, i))
        rc = dmpi_image_missing(profile, &err);
    if (rc != 0)
        dmpi_err_wrap(&err, "node %s", node);
    for (size_t k = i; k < work->plan->n; k++) {
        if (!shares_image(work, i, k))
            continue;
        work->image_ids[k] = info.present ? dmpi_xstrdup(info.id) : NULL;
        work->image_errs[k] = err;
    }
}

static int images_of_node(struct dmpi_engine *engine, size_t node, void *arg, struct dmpi_err *err)
{
    (void)err;
    struct dmpi_work *work = arg;
    if (work->state.errs[node].code != DMPI_OK)
        return 0;
    for (size_t i = 0; i < work->plan->n; i++) {
        bool asked = work->plan->members[i].node != node;
        for (size_t k = 0; k < i && !asked; k++)
            asked = shares_image(work, i, k);
        if (!asked)
            find_image(work, engine, i);
    }
    return 0;
}

void dmpi_work_images(struct dmpi_work *work)
{
    dmpi_autofree struct dmpi_err *errs = dmpi_xcalloc(work->spec->n_nodes, sizeof(*errs));
    dmpi_fleet_each(work->fleet, work->ctl, 0, images_of_node, work, errs);
}
