// SPDX-License-Identifier: MIT
// An engine keeps nothing of an archive that was cut off. So that what has arrived is not sent again,
// a large image goes as a row of stretches: each makes an image of its own, under a name that says
// so, on which the next one builds; the last one is the image itself, and the others' names go away.
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/ctl.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "cluster/push_impl.h"
#include "engine/images.h"
#include "fleet/fleet.h"

// More images than this are not asked for layers: the common ones are the newest.
#define LOOK_AT_MAX 100
#define LIST_TRIES 10 // a second each
#define STRETCH ((uint64_t)32 << 20)
#define STOPOVER "dockmpi/partial:"
#define FORGOTTEN_S (24 * 3600) // another image's stopover that nobody went on from

struct sending {
    struct dmpi_push *push;
    struct dmpi_engine *engine;
    size_t node;
    struct dmpi_strv stopovers; // names that must go
    // The stretch under way.
    struct dmpi_spool_reader *reader;
    struct dmpi_source source;
    uint64_t before, total;
    int64_t told;
};

// --- what is there -----------------------------------------------------------------------------

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

// Stopovers of this image, and those that were left behind long ago.
static void note_stopovers(struct sending *s, const json_t *listed)
{
    dmpi_autofree char *own = dmpi_xasprintf(STOPOVER "%s-", dmpi_spool_word(s->push->spool));
    bool old = dmpi_json_int(listed, "Created", 0) + FORGOTTEN_S < (json_int_t)time(NULL);
    const json_t *tag;
    size_t i;
    json_array_foreach (dmpi_json_arr(listed, "RepoTags"), i, tag) {
        const char *text = json_string_value(tag);
        if (text &&
            (dmpi_text_starts_with(text, own) || (old && dmpi_text_starts_with(text, STOPOVER))))
            dmpi_strv_add(&s->stopovers, text);
    }
}

// An engine with the containerd store lists nothing at all for a moment, while it takes away what a client that was
// killed had begun to send.
static int list_images(json_t **out, const struct sending *s, struct dmpi_err *err)
{
    const struct dmpi_ctl *ctl = s->push->ctl;
    struct dmpi_err over = DMPI_ERR_INIT;
    int tries = LIST_TRIES;
    while (dmpi_image_list(s->engine, ctl, NULL, out, err) < 0) {
        bool may_pass = err->code == DMPI_EENGINE || err->code == DMPI_ENOTFOUND;
        if (!may_pass || --tries == 0 || dmpi_ctl_sleep(ctl, 1000, &over) < 0)
            return -1;
    }
    return 0;
}

// How many of the lowest layers some image of that engine has.
static int layers_there(size_t *out, struct sending *s, struct dmpi_err *err)
{
    const struct dmpi_strv *layers = dmpi_spool_layers(s->push->spool);
    dmpi_json_auto json_t *images = NULL;
    *out = 0;
    if (list_images(&images, s, err) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(images) && i < LOOK_AT_MAX; i++) {
        const json_t *listed = json_array_get(images, i);
        const char *id = dmpi_json_str(listed, "Id");
        dmpi_json_auto json_t *image = NULL;
        struct dmpi_err gone = DMPI_ERR_INIT; // an image may vanish while we look
        note_stopovers(s, listed);
        if (*out == layers->n || !id ||
            dmpi_image_inspect(s->engine, s->push->ctl, id, &image, &gone) < 0)
            continue;
        size_t n = common_prefix(image, layers);
        if (n > *out)
            *out = n;
    }
    return 0;
}

// Whether an image with the first `end` layers is there under that name and listed. An engine with
// the containerd store can accept an incomplete image and then not list it.
static int verify(const struct sending *s, const char *name, size_t end, struct dmpi_err *err)
{
    const struct dmpi_ctl *ctl = s->push->ctl;
    dmpi_json_auto json_t *image = NULL, *listed = NULL;
    dmpi_autofree char *filter = dmpi_xasprintf("reference=%s", name);
    const char *filters[] = {filter, NULL};
    if (dmpi_image_inspect(s->engine, ctl, name, &image, err) < 0 ||
        dmpi_image_list(s->engine, ctl, filters, &listed, err) < 0)
        return -1;
    const json_t *layers = dmpi_json_arr(dmpi_json_obj(image, "RootFS"), "Layers");
    if (json_array_size(layers) == end && json_array_size(listed) > 0 &&
        common_prefix(image, dmpi_spool_layers(s->push->spool)) == end)
        return 0;
    return dmpi_err_set(err, DMPI_EENGINE, "the engine did not keep image %s as it was sent", name);
}

// --- sending -----------------------------------------------------------------------------------

static ssize_t read_and_tell(void *arg, void *buf, size_t n, struct dmpi_err *err)
{
    struct sending *s = arg;
    ssize_t got = s->source.read(s->source.arg, buf, n, err);
    int64_t now = dmpi_now_ms();
    if (got == 0 || now - s->told >= DMPI_PUSH_TELL_MS) {
        uint64_t sent = s->before + dmpi_spool_sent(s->reader);
        dmpi_push_tell(s->push, dmpi_fleet_name(s->push->fleet, s->node), sent,
                       s->total > sent ? s->total : sent);
        s->told = now;
    }
    return got;
}

static int send_part(struct sending *s, const struct dmpi_spool_part *part, struct dmpi_err *err)
{
    struct dmpi_push *p = s->push;
    s->reader = dmpi_spool_open(p->spool, part);
    s->source = dmpi_spool_source(s->reader);
    const struct dmpi_source source = {.read = read_and_tell, .arg = s};
    int rc = dmpi_image_load(s->engine, p->ctl, &source, NULL, NULL, err);
    s->before += dmpi_spool_sent(s->reader);
    dmpi_spool_close(s->reader);
    s->reader = NULL;
    p->results[s->node].bytes = s->before;
    if (rc < 0)
        return -1;
    bool whole = part->end == dmpi_spool_layers(p->spool)->n;
    return verify(s, whole ? p->ref : part->name, part->end, err);
}

// The layers from `at` on, in stretches of at least `stretch` bytes.
static int send_from(struct sending *s, size_t at, uint64_t stretch, struct dmpi_err *err)
{
    const struct dmpi_spool *spool = s->push->spool;
    size_t n = dmpi_spool_layers(spool)->n;
    s->total = s->before + dmpi_spool_bytes(spool, at);
    do { // with all layers there, the configuration alone
        size_t end = dmpi_spool_stop(spool, at, stretch);
        dmpi_autofree char *name = dmpi_xasprintf(STOPOVER "%s-%zu", dmpi_spool_word(spool), end);
        const struct dmpi_spool_part part = {.skip = at, .end = end, .name = name};
        if (end < n && !dmpi_strv_has(&s->stopovers, name))
            dmpi_strv_add(&s->stopovers, name);
        if (send_part(s, &part, err) < 0)
            return -1;
        at = end;
    } while (at < n);
    return 0;
}

// The layers stay, because the image has them now.
static void drop_stopovers(const struct sending *s)
{
    struct dmpi_err err;
    for (size_t i = 0; i < s->stopovers.n; i++)
        if (dmpi_image_remove(s->engine, s->push->ctl, s->stopovers.v[i], false, &err) < 0)
            dmpi_debug("node %s: image %s: %s", dmpi_fleet_name(s->push->fleet, s->node),
                       s->stopovers.v[i], err.msg);
}

// Whether another try with the whole image can help: a layer may have been removed meanwhile, or this
// engine cannot build on what it has.
static bool try_whole(const struct sending *s, const struct dmpi_err *err)
{
    struct dmpi_err over = DMPI_ERR_INIT;
    return (err->code == DMPI_EENGINE || err->code == DMPI_ENOTFOUND) &&
           dmpi_ctl_check(s->push->ctl, &over) == 0 &&
           (s->push->results[s->node].had > 0 || s->stopovers.n > 0);
}

static int send_image(struct sending *s, struct dmpi_err *err)
{
    struct dmpi_push_result *result = &s->push->results[s->node];
    if (layers_there(&result->had, s, err) < 0)
        return -1;
    result->what = DMPI_PUSH_SENT;
    int rc = send_from(s, result->had, STRETCH, err);
    if (rc < 0 && try_whole(s, err)) {
        dmpi_debug("node %s: %s; the whole image is sent", dmpi_fleet_name(s->push->fleet, s->node),
                   err->msg);
        drop_stopovers(s);
        result->had = 0;
        rc = send_from(s, 0, UINT64_MAX, err);
    }
    if (rc == 0)
        drop_stopovers(s);
    return rc;
}

int dmpi_push_send(struct dmpi_push *p, struct dmpi_engine *engine, size_t node,
                   struct dmpi_err *err)
{
    struct sending s = {.push = p, .engine = engine, .node = node, .stopovers = DMPI_STRV_INIT};
    p->results[node].layers = dmpi_spool_layers(p->spool)->n;
    int rc = send_image(&s, err);
    dmpi_strv_free(&s.stopovers);
    return rc;
}
