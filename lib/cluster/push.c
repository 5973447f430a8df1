// SPDX-License-Identifier: MIT
#include "cluster/push.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "cluster/spool.h"
#include "engine/images.h"
#include "fleet/fleet.h"

// More images than this are not asked for layers: the common ones are the newest.
#define LOOK_AT_MAX 100
#define TELL_MS 100

// One image on its way to all nodes.
struct push {
    struct dmpi_fleet *fleet;
    const char *ref;
    const struct dmpi_push_opts *opts;
    const struct dmpi_ctl *ctl;
    struct dmpi_spool *spool;
    bool *needs; // one a node
    struct dmpi_push_result *results;
    pthread_mutex_t lock;
    int64_t told; // reading: when progress was last told
};

static void tell(struct push *p, const char *node, uint64_t bytes, uint64_t total)
{
    if (!p->opts->progress)
        return;
    pthread_mutex_lock(&p->lock);
    p->opts->progress(p->opts->arg, node, p->ref, bytes, total);
    pthread_mutex_unlock(&p->lock);
}

// --- what is there -----------------------------------------------------------------------------

static bool same_layers(const json_t *image, const struct dmpi_strv *layers)
{
    const json_t *theirs = dmpi_json_arr(dmpi_json_obj(image, "RootFS"), "Layers");
    if (json_array_size(theirs) != layers->n)
        return false;
    for (size_t i = 0; i < layers->n; i++)
        if (strcmp(json_string_value(json_array_get(theirs, i)), layers->v[i]) != 0)
            return false;
    return true;
}

static size_t common_prefix(const json_t *image, const struct dmpi_strv *layers)
{
    const json_t *theirs = dmpi_json_arr(dmpi_json_obj(image, "RootFS"), "Layers");
    size_t n = 0;
    while (n < layers->n && n < json_array_size(theirs)) {
        const char *digest = json_string_value(json_array_get(theirs, n));
        if (!digest || strcmp(digest, layers->v[n]) != 0)
            break;
        n++;
    }
    return n;
}

// How many of the lowest layers some image of that engine has.
static int layers_there(size_t *out, struct push *p, struct dmpi_engine *engine,
                        struct dmpi_err *err)
{
    dmpi_json_auto json_t *images = NULL;
    *out = 0;
    if (dmpi_image_list(engine, p->ctl, NULL, &images, err) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(images) && i < LOOK_AT_MAX; i++) {
        const char *id = dmpi_json_str(json_array_get(images, i), "Id");
        dmpi_json_auto json_t *image = NULL;
        struct dmpi_err gone = DMPI_ERR_INIT; // an image may vanish while we look
        if (!id || dmpi_image_inspect(engine, p->ctl, id, &image, &gone) < 0)
            continue;
        size_t n = common_prefix(image, dmpi_spool_layers(p->spool));
        if (n > *out)
            *out = n;
    }
    return 0;
}

static int find_need(struct dmpi_engine *engine, size_t node, void *arg, struct dmpi_err *err)
{
    struct push *p = arg;
    if (p->opts->nodes && !p->opts->nodes[node])
        return 0;
    dmpi_json_auto json_t *image = NULL;
    p->results[node].what = DMPI_PUSH_SAME;
    if (dmpi_image_inspect(engine, p->ctl, p->ref, &image, err) == 0) {
        p->needs[node] = p->opts->replace;
        return 0;
    }
    if (err->code != DMPI_ENOTFOUND)
        return -1;
    *err = (struct dmpi_err)DMPI_ERR_INIT;
    p->needs[node] = true;
    return 0;
}

// --- sending -----------------------------------------------------------------------------------

struct sending {
    struct push *push;
    const char *node;
    struct dmpi_spool_reader *reader;
    struct dmpi_source source;
    int64_t told;
};

static ssize_t read_and_tell(void *arg, void *buf, size_t n, struct dmpi_err *err)
{
    struct sending *s = arg;
    ssize_t got = s->source.read(s->source.arg, buf, n, err);
    int64_t now = dmpi_now_ms();
    if (got == 0 || now - s->told >= TELL_MS) {
        tell(s->push, s->node, dmpi_spool_sent(s->reader), dmpi_spool_size(s->reader));
        s->told = now;
    }
    return got;
}

static int send_layers(struct push *p, struct dmpi_engine *engine, size_t node, size_t skip,
                       struct dmpi_err *err)
{
    struct sending s = {.push = p, .node = dmpi_fleet_name(p->fleet, node)};
    s.reader = dmpi_spool_open(p->spool, skip);
    s.source = dmpi_spool_source(s.reader);
    const struct dmpi_source source = {.read = read_and_tell, .arg = &s};
    int rc = dmpi_image_load(engine, p->ctl, &source, NULL, NULL, err);
    p->results[node].bytes += dmpi_spool_sent(s.reader);
    dmpi_spool_close(s.reader);
    return rc;
}

// Whether the image is there as sent and listed. An engine with the containerd store can accept an
// incomplete image and then not list it.
static int verify(struct push *p, struct dmpi_engine *engine, struct dmpi_err *err)
{
    dmpi_json_auto json_t *image = NULL, *listed = NULL;
    dmpi_autofree char *filter = dmpi_xasprintf("reference=%s", p->ref);
    const char *filters[] = {filter, NULL};
    if (dmpi_image_inspect(engine, p->ctl, p->ref, &image, err) < 0 ||
        dmpi_image_list(engine, p->ctl, filters, &listed, err) < 0)
        return -1;
    if (!same_layers(image, dmpi_spool_layers(p->spool)) || json_array_size(listed) == 0)
        return dmpi_err_set(err, DMPI_EENGINE, "the engine did not keep image %s as it was sent",
                            p->ref);
    return 0;
}

static int send_to(struct dmpi_engine *engine, size_t node, void *arg, struct dmpi_err *err)
{
    struct push *p = arg;
    struct dmpi_push_result *result = &p->results[node];
    if (!p->needs[node])
        return 0;
    dmpi_json_auto json_t *image = NULL;
    result->layers = dmpi_spool_layers(p->spool)->n;
    if (p->opts->replace && dmpi_image_inspect(engine, p->ctl, p->ref, &image, err) == 0 &&
        same_layers(image, dmpi_spool_layers(p->spool)))
        return 0;
    *err = (struct dmpi_err)DMPI_ERR_INIT;
    if (layers_there(&result->had, p, engine, err) < 0)
        return -1;
    result->what = DMPI_PUSH_SENT;
    int rc = send_layers(p, engine, node, result->had, err);
    if (rc == 0)
        rc = verify(p, engine, err);
    if (rc == 0 || result->had == 0 || dmpi_ctl_check(p->ctl, err) < 0)
        return rc;
    // A layer may have been removed meanwhile, or this engine cannot build on what it has.
    dmpi_debug("node %s: %s; the whole image is sent", dmpi_fleet_name(p->fleet, node), err->msg);
    result->had = 0;
    rc = send_layers(p, engine, node, 0, err);
    return rc == 0 ? verify(p, engine, err) : -1;
}

static void reading(void *arg, uint64_t bytes)
{
    struct push *p = arg;
    int64_t now = dmpi_now_ms();
    if (now - p->told < TELL_MS)
        return;
    p->told = now;
    tell(p, NULL, bytes, 0);
}

static bool any(const bool *needs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (needs[i])
            return true;
    return false;
}

long dmpi_push_image(struct dmpi_fleet *fleet, struct dmpi_engine *source, const char *ref,
                     const struct dmpi_push_opts *opts, const struct dmpi_ctl *ctl,
                     struct dmpi_push_result *results, struct dmpi_err *errs, struct dmpi_err *err)
{
    size_t n = dmpi_fleet_size(fleet);
    dmpi_autofree bool *needs = dmpi_xcalloc(n, sizeof *needs);
    struct push p = {.fleet = fleet,
                     .ref = ref,
                     .opts = opts,
                     .ctl = ctl,
                     .needs = needs,
                     .results = results,
                     .lock = PTHREAD_MUTEX_INITIALIZER};
    memset(results, 0, n * sizeof *results);
    long failed = (long)dmpi_fleet_each(fleet, ctl, 0, find_need, &p, errs);
    if (!any(needs, n))
        return failed;
    if (dmpi_spool_make(&p.spool, source, ref, reading, &p, ctl, err) < 0)
        return -1;
    dmpi_autofree struct dmpi_err *second = dmpi_xcalloc(n, sizeof *second);
    dmpi_fleet_each(fleet, ctl, 0, send_to, &p, second);
    failed = 0;
    for (size_t i = 0; i < n; i++) {
        if (errs[i].code == DMPI_OK)
            errs[i] = second[i];
        failed += errs[i].code != DMPI_OK;
    }
    dmpi_spool_free(p.spool);
    return failed;
}
