// SPDX-License-Identifier: MIT
// One node fetches an image from its registry itself.
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cluster/push_impl.h"
#include "cluster/registry.h"
#include "engine/images.h"
#include "fleet/fleet.h"

// The engine tells of each layer by itself.
struct layer {
    char *id;
    uint64_t now, total;
};

struct pulling {
    struct dmpi_push *push;
    size_t node;
    struct layer *layers;
    size_t n;
    int64_t told;
};

static struct layer *layer_of(struct pulling *p, const char *id)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->layers[i].id, id) == 0)
            return &p->layers[i];
    p->layers = dmpi_xreallocarray(p->layers, p->n + 1, sizeof *p->layers);
    p->layers[p->n] = (struct layer){.id = dmpi_xstrdup(id)};
    return &p->layers[p->n++];
}

static void tell(struct pulling *p)
{
    uint64_t now = 0, total = 0;
    for (size_t i = 0; i < p->n; i++) {
        now += p->layers[i].now;
        total += p->layers[i].total;
    }
    p->push->results[p->node].bytes = now;
    if (dmpi_now_ms() - p->told < DMPI_PUSH_TELL_MS)
        return;
    p->told = dmpi_now_ms();
    dmpi_push_tell(p->push, dmpi_fleet_name(p->push->fleet, p->node), now, total);
}

static int on_object(void *arg, json_t *object, struct dmpi_err *err)
{
    (void)err;
    struct pulling *p = arg;
    const char *status = dmpi_json_str(object, "status"), *id = dmpi_json_str(object, "id");
    const json_t *detail = dmpi_json_obj(object, "progressDetail");
    json_int_t now = dmpi_json_int(detail, "current", 0), total = dmpi_json_int(detail, "total", 0);
    if (!status || !id)
        return 0;
    if (strcmp(status, "Already exists") == 0)
        p->push->results[p->node].had++;
    if (strcmp(status, "Downloading") == 0 && now > 0) {
        *layer_of(p, id) = (struct layer){
            .id = layer_of(p, id)->id, .now = (uint64_t)now, .total = (uint64_t)total};
    } else if (strcmp(status, "Download complete") == 0) {
        struct layer *layer = layer_of(p, id);
        layer->now = layer->total;
    }
    tell(p);
    return 0;
}

// "host:5000/name" of "host:5000/name:tag" or "host:5000/name@sha256:..."; *tag is "latest" if none.
static char *split_ref(const char *ref, const char **tag)
{
    const char *slash = strrchr(ref, '/');
    const char *colon = strchr(slash ? slash : ref, ':');
    *tag = colon ? colon + 1 : "latest";
    return colon ? dmpi_xstrndup(ref, (size_t)(colon - ref)) : dmpi_xstrdup(ref);
}

static int give_name(struct dmpi_push *p, struct dmpi_engine *engine, struct dmpi_err *err)
{
    const char *tag;
    dmpi_autofree char *repo = split_ref(p->ref, &tag);
    return strcmp(p->pull, p->ref) == 0 ||
                   dmpi_image_tag(engine, p->ctl, p->pull, repo, tag, err) == 0
               ? 0
               : -1;
}

// What helps, as far as the engine's words show it.
static int explain(struct dmpi_push *p, struct dmpi_err *err)
{
    static const char *const denied[] = {"denied", "unauthorized", "authentication required",
                                         "no basic auth"};
    if (err->code == DMPI_ECANCELED || err->code == DMPI_ETIMEOUT || err->code == DMPI_EUNREACHABLE)
        return dmpi_err_wrap(err, "pull image %s", p->pull);
    bool login = false;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(denied); i++)
        login = login || strstr(err->msg, denied[i]);
    dmpi_autofree char *registry = dmpi_registry_of(p->pull);
    if (login)
        return dmpi_err_set(err, DMPI_EENGINE, "pull image %s: %s: `docker login %s` here%s",
                            p->pull, err->msg, registry,
                            p->auth ? " (your login there was refused)" : "");
    return dmpi_err_set(err, DMPI_EENGINE, "pull image %s: %s", p->pull, err->msg);
}

int dmpi_push_pull(struct dmpi_push *p, struct dmpi_engine *engine, size_t node,
                   struct dmpi_err *err)
{
    struct pulling pulling = {.push = p, .node = node};
    int rc = dmpi_image_pull(engine, p->ctl, p->pull, p->auth, on_object, &pulling, err);
    if (rc == 0)
        rc = give_name(p, engine, err);
    if (rc == 0) {
        p->results[node].what = DMPI_PUSH_PULLED;
        p->results[node].layers = pulling.n + p->results[node].had;
    }
    for (size_t i = 0; i < pulling.n; i++)
        free(pulling.layers[i].id);
    free(pulling.layers);
    return rc < 0 ? explain(p, err) : 0;
}
