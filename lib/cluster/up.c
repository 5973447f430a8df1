// SPDX-License-Identifier: MIT
#include "cluster/up.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cluster/lock.h"
#include "cluster/ttl.h"
#include "cluster/unstarted.h"
#include "cluster/up_work.h"
#include "fleet/fleet.h"
#include "fleet/parallel.h"

#define READY_MS 60000
#define LOCK_MS ((int64_t)600000)

// --- progress and parallel passes --------------------------------------------------------------

static const char *container_of(const struct dmpi_item *item)
{
    return item->step->wanted ? item->step->wanted->container : item->step->found->container;
}

static void tell(struct dmpi_work *work, size_t node, const char *container, enum dmpi_stage stage,
                 const char *detail)
{
    if (!work->opts->progress)
        return;
    pthread_mutex_lock(&work->progress_lock);
    work->opts->progress(work->opts->progress_arg, work->spec->nodes[node].name, container, stage,
                         detail);
    pthread_mutex_unlock(&work->progress_lock);
}

void dmpi_work_tell(struct dmpi_work *work, const struct dmpi_item *item, enum dmpi_stage stage,
                    const char *detail)
{
    tell(work, item->node, container_of(item), stage, detail);
}

int dmpi_item_worker(const struct dmpi_item *item)
{
    const struct dmpi_plan_member *wanted = item->step->wanted;
    return wanted && wanted->role == DMPI_WORKER ? wanted->index : -1;
}

struct pass {
    struct dmpi_work *work;
    dmpi_item_fn *fn;
    struct dmpi_item **items; // by node
    size_t *first;            // first[node] .. first[node + 1]
};

void dmpi_work_fail(struct dmpi_work *work, struct dmpi_item *item, const struct dmpi_err *err)
{
    item->err = *err;
    if (err->code != DMPI_ECANCELED) // the user knows
        dmpi_work_tell(work, item, DMPI_STAGE_FAILED, err->msg);
}

struct node_pass {
    const struct pass *pass;
    struct dmpi_item **items;
};

static void pass_item(size_t i, void *arg)
{
    const struct node_pass *on = arg;
    struct dmpi_work *work = on->pass->work;
    struct dmpi_item *item = on->items[i];
    struct dmpi_engine *engine = NULL;
    struct dmpi_err err = DMPI_ERR_INIT;
    int64_t patience = work->opts->ready_ms > 0 ? work->opts->ready_ms : READY_MS;
    struct dmpi_ctl ctl = dmpi_ctl_within(work->ctl, patience);
    int rc = dmpi_fleet_engine(&engine, work->fleet, item->node, work->ctl, &err);
    if (rc == 0) {
        rc = dmpi_ctl_check(&ctl, &err);
        if (rc == 0)
            rc = on->pass->fn(work, item, engine, &ctl, &err);
        if (rc != 0)
            dmpi_err_wrap(&err, "node %s", work->spec->nodes[item->node].name);
    }
    if (rc != 0)
        dmpi_work_fail(work, item, &err);
}

static void pass_node(size_t node, void *arg)
{
    const struct pass *pass = arg;
    struct node_pass on = {.pass = pass, .items = pass->items + pass->first[node]};
    dmpi_parallel(pass->first[node + 1] - pass->first[node], DMPI_NODE_WINDOW, pass_item, &on);
    dmpi_fleet_rest(pass->work->fleet, node);
}

void dmpi_work_each(struct dmpi_work *work, bool (*pick)(const struct dmpi_item *item),
                    dmpi_item_fn *fn)
{
    size_t n_nodes = work->spec->n_nodes;
    dmpi_autofree struct dmpi_item **items = dmpi_xcalloc(work->n, sizeof(struct dmpi_item *));
    dmpi_autofree size_t *first = dmpi_xcalloc(n_nodes + 1, sizeof(*first));
    size_t n = 0;
    for (size_t node = 0; node < n_nodes; node++) {
        first[node] = n;
        for (size_t i = 0; i < work->n; i++) {
            if (work->items[i].node == node && pick(&work->items[i]))
                items[n++] = &work->items[i];
        }
    }
    first[n_nodes] = n;
    struct pass pass = {.work = work, .fn = fn, .items = items, .first = first};
    dmpi_parallel(n_nodes, DMPI_FLEET_WINDOW, pass_node, &pass);
}

// --- the decision --------------------------------------------------------------------------------

static void decide(struct dmpi_work *work)
{
    dmpi_decision_free(&work->decision);
    dmpi_decide(&work->decision, work->plan, &work->state, (const char *const *)work->image_ids);
}

static int may_proceed(struct dmpi_work *work, struct dmpi_err *err)
{
    if (work->opts->force)
        return 0;
    return dmpi_decision_check(&work->decision, &work->state, work->spec->origin, err);
}

static void make_items(struct dmpi_work *work)
{
    work->n = work->decision.n;
    work->items = dmpi_xcalloc(work->n, sizeof(*work->items));
    for (size_t i = 0; i < work->n; i++) {
        struct dmpi_item *item = &work->items[i];
        item->step = &work->decision.steps[i];
        item->node = item->step->wanted ? item->step->wanted->node : item->step->found->node;
        if (item->step->change == DMPI_FAILED)
            item->err = work->state.errs[item->node];
        else if (i < work->plan->n && item->step->change != DMPI_KEPT)
            item->err = work->image_errs[i];
    }
}

static int workers_wanted(const struct dmpi_work *work)
{
    int n = 0;
    for (size_t i = 0; i < work->plan->n; i++)
        n += work->plan->members[i].role == DMPI_WORKER;
    return n;
}

static int workers_needed(const struct dmpi_work *work)
{
    int wanted = workers_wanted(work);
    return work->opts->min_workers > 0 && work->opts->min_workers < wanted ? work->opts->min_workers
                                                                           : wanted;
}

// How many workers can still become, or are, ready.
static int workers_alive(const struct dmpi_work *work, bool ready_only)
{
    int n = 0;
    for (size_t i = 0; i < work->n; i++) {
        const struct dmpi_item *item = &work->items[i];
        n += dmpi_item_worker(item) >= 0 && item->err.code == DMPI_OK &&
             (item->ready || !ready_only);
    }
    return n;
}

static const struct dmpi_item *first_failure(const struct dmpi_work *work)
{
    const struct dmpi_item *first = NULL;
    for (size_t i = 0; i < work->n; i++) {
        const struct dmpi_item *item = &work->items[i];
        if (item->err.code != DMPI_OK && (!first || first->err.code == DMPI_ECANCELED))
            first = item;
    }
    return first;
}

static const struct dmpi_item *launcher(const struct dmpi_work *work)
{
    for (size_t i = 0; i < work->plan->n; i++) {
        if (work->plan->members[i].role == DMPI_LAUNCHER)
            return &work->items[i];
    }
    return NULL;
}

// Sums up a failure: how many workers there are, and the first cause.
static int too_few(const struct dmpi_work *work, int ready, const char *then, struct dmpi_err *err)
{
    const struct dmpi_item *first = first_failure(work);
    size_t others = 0;
    if (!first)
        return dmpi_err_set(err, DMPI_EPARTIAL, "%d of %d workers are ready%s", ready,
                            workers_wanted(work), then);
    for (size_t i = 0; i < work->n; i++)
        others += work->items[i].err.code != DMPI_OK && &work->items[i] != first;
    dmpi_autofree char *more =
        others > 0 ? dmpi_xasprintf("; %zu more failed, too", others) : dmpi_xstrdup("");
    enum dmpi_code code = ready > 0 ? DMPI_EPARTIAL : first->err.code;
    if (ready == 0 || workers_wanted(work) == 1)
        return dmpi_err_set(err, code, "%s%s%s", first->err.msg, more, then);
    return dmpi_err_set(err, code, "%d of %d workers: %s%s%s", ready, workers_wanted(work),
                        first->err.msg, more, then);
}

static int enough_alive(const struct dmpi_work *work, struct dmpi_err *err)
{
    const struct dmpi_item *head = launcher(work);
    if (head && head->err.code != DMPI_OK) {
        *err = head->err;
        return -1;
    }
    int alive = workers_alive(work, false);
    if (alive >= workers_needed(work))
        return 0;
    return too_few(work, alive,
                   alive > 0 ? "; nothing was changed (--min-workers goes on without them)" : "",
                   err);
}

// --- the way up ----------------------------------------------------------------------------------

static int prepare(struct dmpi_work *work, struct dmpi_err *err)
{
    // A node that does not answer is a failure of its members, told below.
    struct dmpi_err ignored = DMPI_ERR_INIT;
    dmpi_state_load(&work->state, work->fleet, work->spec->name, work->ctl, &ignored);
    decide(work);
    if (dmpi_ctl_check(work->ctl, err) != 0 || may_proceed(work, err) != 0)
        return -1;
    dmpi_work_images(work);
    decide(work);
    make_items(work);
    if (dmpi_ctl_check(work->ctl, err) != 0 || enough_alive(work, err) != 0 ||
        dmpi_work_keep(work, err) != 0 || dmpi_ctl_check(work->ctl, err) != 0 ||
        enough_alive(work, err) != 0 || may_proceed(work, err) != 0)
        return -1;
    dmpi_work_hardware(work);
    return dmpi_ctl_check(work->ctl, err) != 0 ? -1 : enough_alive(work, err);
}

static int bring_up(struct dmpi_work *work, struct dmpi_err *err)
{
    dmpi_work_make(work);
    if (dmpi_ctl_check(work->ctl, err) != 0)
        return -1;
    dmpi_work_place(work);
    const struct dmpi_item *head = launcher(work);
    if (head && head->err.code != DMPI_OK) {
        *err = head->err;
        return -1;
    }
    if (dmpi_mesh_check_ompi(&work->mesh, work->plan->members[0].profile->name, err) != 0)
        return -1;
    dmpi_work_feed_workers(work);
    if (dmpi_ctl_check(work->ctl, err) != 0)
        return -1;
    if (workers_alive(work, true) > 0)
        dmpi_work_feed_rest(work);
    return dmpi_ctl_check(work->ctl, err);
}

static int judge(const struct dmpi_work *work, struct dmpi_err *err)
{
    const struct dmpi_item *head = launcher(work);
    if (head && head->err.code != DMPI_OK) {
        *err = head->err;
        return -1;
    }
    int ready = workers_alive(work, true);
    bool complete = !first_failure(work) || work->opts->min_workers > 0;
    if (ready >= workers_needed(work) && complete)
        return 0;
    return too_few(work, ready,
                   ready > 0 ? "; `dockmpi up` tries again, `dockmpi doctor` tells more" : "", err);
}

// Which network was calculated for each worker, for people who ask.
static void tell_network(const struct dmpi_work *work)
{
    for (size_t i = 0; i < work->mesh.n; i++) {
        const struct dmpi_mesh_worker *w = &work->mesh.workers[i];
        dmpi_debug("%s on node %s: ranks use %s, network %s, MTU %d; sshd on %s port %d", w->alias,
                   w->node, w->iface ? w->iface : "any interface", w->cidr ? w->cidr : "unknown",
                   w->mtu, w->addr, w->port);
    }
}

static int run(struct dmpi_work *work, struct dmpi_err *err)
{
    if (prepare(work, err) != 0)
        return -1;
    int rc = bring_up(work, err);
    const struct dmpi_item *head = launcher(work);
    // Without a launcher the new workers are of no use, and after a cancel nothing new may stay.
    bool everything = rc != 0 || (head && head->made && !head->ready);
    if (rc == 0) {
        dmpi_unstarted_drop(work->fleet, &work->state, work->spec->name, work->ctl);
        tell_network(work);
        rc = judge(work, err);
        if (rc == 0)
            rc = dmpi_ttl_use(work->fleet, &work->state, work->spec->name, work->ctl, err);
    }
    dmpi_work_undo(work, everything);
    return rc;
}

// --- the result ----------------------------------------------------------------------------------

static void note_node_error(struct dmpi_up_result *result, size_t node, const struct dmpi_err *err)
{
    if (err->code != DMPI_OK && result->errs[node].code == DMPI_OK)
        result->errs[node] = *err;
}

static struct dmpi_up_member result_member(const struct dmpi_work *work,
                                           const struct dmpi_item *item)
{
    const struct dmpi_step *step = item->step;
    bool failed = item->err.code != DMPI_OK || (step->wanted && !item->ready) ||
                  (step->change == DMPI_REMOVED && !item->gone);
    const char *why = step->why;
    if (failed)
        why = item->err.code != DMPI_OK ? item->err.msg : "not done, because the rest failed";
    return (struct dmpi_up_member){
        .change = failed ? DMPI_FAILED : step->change,
        .container = dmpi_xstrdup(container_of(item)),
        .node = dmpi_xstrdup(work->spec->nodes[item->node].name),
        .why = dmpi_xstrdup(why),
        .updated = item->updated && step->change == DMPI_KEPT,
        .undone = failed && item->err.code == DMPI_OK,
    };
}

static void fill_result(struct dmpi_up_result *result, const struct dmpi_work *work)
{
    result->n_nodes = work->spec->n_nodes;
    result->errs = dmpi_xcalloc(result->n_nodes, sizeof(*result->errs));
    result->workers_wanted = workers_wanted(work);
    result->workers_ready = workers_alive(work, true);
    for (size_t i = 0; i < work->state.n_nodes; i++)
        note_node_error(result, i, &work->state.errs[i]);
    result->members = dmpi_xcalloc(work->n, sizeof(*result->members));
    for (size_t i = 0; i < work->n; i++) {
        note_node_error(result, work->items[i].node, &work->items[i].err);
        result->members[result->n++] = result_member(work, &work->items[i]);
    }
}

void dmpi_up_result_free(struct dmpi_up_result *result)
{
    if (!result)
        return;
    for (size_t i = 0; i < result->n; i++) {
        free(result->members[i].container);
        free(result->members[i].node);
        free(result->members[i].why);
    }
    free(result->members);
    free(result->errs);
    *result = (struct dmpi_up_result){0};
}

bool dmpi_up_unchanged(const struct dmpi_up_result *result)
{
    for (size_t i = 0; i < result->n; i++) {
        if (result->members[i].change != DMPI_KEPT || result->members[i].updated)
            return false;
    }
    return true;
}

// --- all of it -----------------------------------------------------------------------------------

static void work_free(struct dmpi_work *work)
{
    for (size_t i = 0; i < work->n; i++) {
        free(work->items[i].id);
        dmpi_talk_free(work->items[i].talk);
        dmpi_fit_free(&work->items[i].fit);
        dmpi_key_wipe(&work->items[i].host_key);
    }
    free(work->items);
    for (size_t i = 0; i < work->plan->n; i++)
        free(work->image_ids[i]);
    free(work->image_ids);
    free(work->image_errs);
    free(work->taken);
    dmpi_work_unshare(work);
    dmpi_mesh_free(&work->mesh);
    dmpi_decision_free(&work->decision);
    dmpi_state_free(&work->state);
    pthread_mutex_destroy(&work->lock);
    pthread_mutex_destroy(&work->progress_lock);
}

// An engine that does not answer is told by what follows.
static int take_lock(struct dmpi_lock **out, const struct dmpi_work *work, struct dmpi_err *err)
{
    const int64_t ready = work->opts->ready_ms > 0 ? work->opts->ready_ms : READY_MS;
    const struct dmpi_lock_wish wish = {.cluster = work->spec->name,
                                        .verb = "up",
                                        .wait_ms = work->opts->lock_ms,
                                        .expect_ms = LOCK_MS + 5 * ready};
    if (work->opts->unique)
        return 0;
    return dmpi_lock_take(out, work->fleet, work->spec->launcher_node, &wish, work->ctl, err);
}

int dmpi_cluster_up(struct dmpi_fleet *fleet, const struct dmpi_spec *spec,
                    const struct dmpi_plan *plan, const struct dmpi_up_opts *opts,
                    const struct dmpi_ctl *ctl, struct dmpi_up_result *result, struct dmpi_err *err)
{
    *result = (struct dmpi_up_result){0};
    struct dmpi_work work = {
        .fleet = fleet,
        .spec = spec,
        .plan = plan,
        .opts = opts,
        .ctl = ctl,
        .image_ids = dmpi_xcalloc(plan->n, sizeof(char *)),
        .image_errs = dmpi_xcalloc(plan->n, sizeof(struct dmpi_err)),
        .taken = dmpi_xcalloc(spec->n_nodes, sizeof(struct dmpi_port_set)),
    };
    pthread_mutex_init(&work.lock, NULL);
    pthread_mutex_init(&work.progress_lock, NULL);
    struct dmpi_lock *lock = NULL;
    int rc = take_lock(&lock, &work, err);
    work.locked = lock != NULL;
    if (rc == 0)
        rc = run(&work, err);
    dmpi_lock_release(lock);
    fill_result(result, &work);
    work_free(&work);
    return rc;
}
