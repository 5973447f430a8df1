// SPDX-License-Identifier: MIT
// The small languages inside flags and cluster files: volumes, environment, image mixes, subnets.
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "spec/draft.h"

// Mounted over, these would lose or leak what dockmpi puts there ("/root/.ssh" of a mounted home
// would be overwritten).
static const char *const forbidden[] = {"/", "/etc", "/root", "/proc", "/sys", "/dev"};
static const char *const forbidden_below[] = {"/etc/dockmpi", "/root/.ssh", "/home/dockmpi/.ssh",
                                              "/proc", "/sys"};

char *dmpi_path_normal(const char *text)
{
    if (text[0] != '/' || strlen(text) > 4000)
        return NULL;
    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return NULL;
    }
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv parts = dmpi_strv_split(text, '/');
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv kept = DMPI_STRV_INIT;
    for (size_t i = 0; i < parts.n; i++) {
        if (strcmp(parts.v[i], "..") == 0)
            return NULL;
        if (parts.v[i][0] && strcmp(parts.v[i], ".") != 0)
            dmpi_strv_add(&kept, parts.v[i]);
    }
    dmpi_autofree char *joined = dmpi_strv_join(&kept, "/");
    return dmpi_xasprintf("/%s", joined);
}

static bool is_forbidden(const char *path)
{
    for (size_t i = 0; i < DMPI_ARRAY_LEN(forbidden); i++) {
        if (strcmp(path, forbidden[i]) == 0)
            return true;
    }
    for (size_t i = 0; i < DMPI_ARRAY_LEN(forbidden_below); i++) {
        size_t len = strlen(forbidden_below[i]);
        if (strncmp(path, forbidden_below[i], len) == 0 && (path[len] == '/' || path[len] == '\0'))
            return true;
    }
    return false;
}

static int bad_volume(struct dmpi_err *err, const char *text, const char *why)
{
    dmpi_autofree char *safe = dmpi_text_print_safe(text);
    return dmpi_err_set(err, DMPI_EINVAL, "volume '%.200s': %s", safe, why);
}

int dmpi_volume_parse(struct dmpi_volume *out, const char *text, struct dmpi_err *err)
{
    *out = (struct dmpi_volume){.host = NULL};
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv part = dmpi_strv_split(text, ':');
    if (part.n < 2 || part.n > 3)
        return bad_volume(err, text, "expected HOST:CONTAINER or HOST:CONTAINER:ro");
    bool ro = part.n == 3 && strcmp(part.v[2], "ro") == 0;
    if (part.n == 3 && !ro && strcmp(part.v[2], "rw") != 0)
        return bad_volume(err, text, "the third part is ro or rw");
    dmpi_autofree char *host = dmpi_path_normal(part.v[0]);
    dmpi_autofree char *container = dmpi_path_normal(part.v[1]);
    if (!host)
        return bad_volume(err, text, "the host's path must be absolute and without '..'");
    if (!container)
        return bad_volume(err, text, "the container's path must be absolute and without '..'");
    if (is_forbidden(container))
        return bad_volume(err, text, "dockmpi or the engine needs that path in the container");
    *out = (struct dmpi_volume){DMPI_STEAL(host), DMPI_STEAL(container), ro};
    return 0;
}

void dmpi_volume_free(struct dmpi_volume *volume)
{
    free(volume->host);
    free(volume->container);
    *volume = (struct dmpi_volume){.host = NULL};
}

int dmpi_spec_add_volume(struct dmpi_spec *spec, const char *text, bool replace,
                         struct dmpi_err *err)
{
    struct dmpi_volume v;
    if (dmpi_volume_parse(&v, text, err))
        return -1;
    for (size_t i = 0; i < spec->n_volumes; i++) {
        if (strcmp(spec->volumes[i].container, v.container) != 0)
            continue;
        if (!replace) {
            dmpi_volume_free(&v);
            return bad_volume(err, text, "another volume has that path in the container");
        }
        dmpi_volume_free(&spec->volumes[i]);
        spec->volumes[i] = v;
        return 0;
    }
    spec->volumes = dmpi_xreallocarray(spec->volumes, spec->n_volumes + 1, sizeof(*spec->volumes));
    spec->volumes[spec->n_volumes++] = v;
    return 0;
}

int dmpi_env_parse(struct dmpi_strv *env, const char *text, struct dmpi_err *err)
{
    const char *eq = strchr(text, '=');
    size_t len = eq ? (size_t)(eq - text) : strlen(text);
    dmpi_autofree char *key = dmpi_xstrndup(text, len);
    if (!dmpi_env_name_ok(key, len)) {
        dmpi_autofree char *safe = dmpi_text_print_safe(text);
        return dmpi_err_set(err, DMPI_EINVAL, "environment '%.200s': expected KEY=VALUE", safe);
    }
    const char *value = eq ? eq + 1 : getenv(key);
    if (!value)
        return dmpi_err_set(err, DMPI_EINVAL,
                            "environment '%s': not set here either: give %s=VALUE", key, key);
    dmpi_strv_env_set(env, key, value);
    return 0;
}

bool dmpi_subnet_ok(const char *text)
{
    unsigned char addr[16];
    const char *slash = strchr(text, '/');
    long long bits = 0;
    if (!slash)
        return false;
    dmpi_autofree char *host = dmpi_xstrndup(text, (size_t)(slash - text));
    bool four = inet_pton(AF_INET, host, addr) == 1;
    if (!four && inet_pton(AF_INET6, host, addr) != 1)
        return false;
    return dmpi_text_int(&bits, slash + 1, 0, four ? 32 : 128) == 0;
}

static int add_group(struct dmpi_node *node, bool *counted, const char *text, struct dmpi_err *err)
{
    const char *colon = strchr(text, ':');
    long long count = 1;
    dmpi_autofree char *name = dmpi_xstrndup(text, colon ? (size_t)(colon - text) : strlen(text));
    if (dmpi_text_name_check("image profile", name, err))
        return -1;
    if (colon && dmpi_text_int(&count, colon + 1, 1, DMPI_WORKERS_MAX))
        return dmpi_err_set(err, DMPI_EINVAL, "'%s': expected a number of workers from 1 to %d",
                            text, DMPI_WORKERS_MAX);
    *counted = *counted || colon;
    for (size_t i = 0; i < node->n_groups; i++) {
        if (strcmp(node->groups[i].image, name) == 0)
            return dmpi_err_set(err, DMPI_EINVAL, "image profile '%s' is named twice", name);
    }
    node->groups = dmpi_xreallocarray(node->groups, node->n_groups + 1, sizeof(*node->groups));
    node->groups[node->n_groups++] = (struct dmpi_group){DMPI_STEAL(name), (int)count};
    return 0;
}

int dmpi_image_mix(struct dmpi_node *node, bool *counted, const char *text, struct dmpi_err *err)
{
    *counted = false;
    if (strlen(text) > 4096)
        return dmpi_err_set(err, DMPI_EINVAL, "is too long");
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv part = dmpi_strv_split(text, ',');
    for (size_t i = 0; i < part.n; i++) {
        if (add_group(node, counted, part.v[i], err))
            return -1;
    }
    if (part.n == 0)
        return dmpi_err_set(err, DMPI_EINVAL, "is empty");
    if (part.n > 1)
        *counted = true;
    return 0;
}
