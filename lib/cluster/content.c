// SPDX-License-Identifier: MIT
#include "cluster/content.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/images.h"

// What of an image's configuration decides how its containers run. The rest is its history.
static const char *const counted[] = {"Env",         "Cmd",        "Entrypoint",   "WorkingDir",
                                      "User",        "Labels",     "ExposedPorts", "Volumes",
                                      "Healthcheck", "StopSignal", "Shell"};

int64_t dmpi_content_time(const char *text)
{
    struct tm tm = {.tm_sec = 0};
    return text && strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) ? (int64_t)timegm(&tm) : 0;
}

// Engines differ in whether they write what is empty at all.
static bool is_empty(const json_t *v)
{
    return !v || json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0) ||
           (json_is_array(v) && json_array_size(v) == 0) ||
           (json_is_object(v) && json_object_size(v) == 0);
}

static void digest_of(char out[DMPI_SHA256_HEX], const json_t *inspected)
{
    const json_t *config = dmpi_json_obj(inspected, "Config");
    json_t *layers = dmpi_json_arr(dmpi_json_obj(inspected, "RootFS"), "Layers");
    dmpi_json_auto json_t *all = dmpi_json_new_obj();
    dmpi_json_set(all, "Layers", json_incref(layers));
    for (size_t i = 0; i < DMPI_ARRAY_LEN(counted); i++) {
        json_t *v = json_object_get(config, counted[i]);
        if (!is_empty(v))
            dmpi_json_set(all, counted[i], json_incref(v));
    }
    dmpi_autofree char *text = dmpi_json_dump(all);
    dmpi_sha256_hex(text, strlen(text), out);
}

// The length of the name in "name:tag" or "name@digest".
static size_t name_len(const char *ref)
{
    const char *slash = strrchr(ref, '/');
    return (size_t)((slash ? slash : ref) - ref) + strcspn(slash ? slash : ref, ":@");
}

// The digest that a registry knows this image by, under the name that it has.
static char *find_pulled(const json_t *inspected, const char *ref)
{
    const json_t *v;
    size_t i, len = name_len(ref);
    json_array_foreach (dmpi_json_arr(inspected, "RepoDigests"), i, v) {
        const char *text = json_string_value(v);
        if (text && strncmp(text, ref, len) == 0 && strncmp(text + len, "@sha256:", 8) == 0)
            return dmpi_xstrdup(text);
    }
    return NULL;
}

void dmpi_content_of(struct dmpi_content *out, const json_t *inspected, const char *ref)
{
    *out = (struct dmpi_content){.present = true};
    const json_t *v;
    size_t i;
    json_array_foreach (dmpi_json_arr(dmpi_json_obj(inspected, "RootFS"), "Layers"), i, v) {
        const char *text = json_string_value(v);
        dmpi_strv_add(&out->layers, text ? text : "");
    }
    digest_of(out->digest, inspected);
    out->created = dmpi_content_time(dmpi_json_str(inspected, "Created"));
    out->pulled = find_pulled(inspected, ref);
}

int dmpi_content_find(struct dmpi_content *out, struct dmpi_engine *engine, const char *ref,
                      const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    dmpi_json_auto json_t *image = NULL;
    *out = (struct dmpi_content){.present = false};
    if (dmpi_image_inspect(engine, ctl, ref, &image, err) == 0) {
        dmpi_content_of(out, image, ref);
        return 0;
    }
    if (err->code != DMPI_ENOTFOUND)
        return dmpi_err_wrap(err, "image %s", ref);
    *err = (struct dmpi_err)DMPI_ERR_INIT;
    return 0;
}

bool dmpi_content_same(const struct dmpi_content *a, const struct dmpi_content *b)
{
    return a->present && b->present && strcmp(a->digest, b->digest) == 0;
}

void dmpi_content_free(struct dmpi_content *content)
{
    if (!content)
        return;
    dmpi_strv_free(&content->layers);
    free(content->pulled);
    *content = (struct dmpi_content){.present = false};
}
