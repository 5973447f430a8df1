// SPDX-License-Identifier: MIT
#include "engine/relax.h"

#include <stdbool.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

/* As many open files and processes as Linux gave every program for decades: no engine lacks them. */
#define MODEST_LIMIT 4096

static bool about(const char *refusal, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strstr(refusal, words[i]))
            return true;
    }
    return false;
}

static const char *drop_init(json_t *hc, const char *refusal)
{
    static const char *const words[] = {"container-init binary", "catatonit", "docker-init"};
    if (!dmpi_json_bool(hc, "Init", false) || !about(refusal, words, DMPI_ARRAY_LEN(words)))
        return NULL;
    json_object_del(hc, "Init");
    return "an init process";
}

static json_t *modest_limits(void)
{
    static const char *const names[] = {"nofile", "nproc"};
    json_t *list = dmpi_json_new_arr();
    for (size_t i = 0; i < DMPI_ARRAY_LEN(names); i++) {
        json_t *limit = dmpi_json_new_obj();
        dmpi_json_set_str(limit, "Name", names[i]);
        dmpi_json_set_int(limit, "Soft", MODEST_LIMIT);
        dmpi_json_set_int(limit, "Hard", MODEST_LIMIT);
        dmpi_json_add(list, limit);
    }
    return list;
}

/* First without ours; an engine whose own defaults are more than it may set is given modest ones. */
static const char *lower_limits(json_t *hc, const char *refusal)
{
    static const char *const words[] = {"rlimit", "RLIMIT"};
    if (!about(refusal, words, DMPI_ARRAY_LEN(words)))
        return NULL;
    json_t *modest = modest_limits(), *now = dmpi_json_arr(hc, "Ulimits");
    const char *what = NULL;
    if (now && json_equal(now, modest)) {
        json_decref(modest);
    } else if (json_array_size(now) > 0) {
        json_decref(modest);
        json_object_del(hc, "Ulimits");
        what = "the ulimits";
    } else {
        dmpi_json_set(hc, "Ulimits", modest);
        what = "the engine's own default ulimits";
    }
    return what;
}

static const char *drop_shm_size(json_t *hc, const char *refusal)
{
    static const char *const words[] = {"cannot set shmsize"};
    if (!json_object_get(hc, "ShmSize") || !about(refusal, words, DMPI_ARRAY_LEN(words)))
        return NULL;
    json_object_del(hc, "ShmSize");
    return "a size of /dev/shm, which is the host's own";
}

const char *dmpi_relax(json_t *body, const char *refusal)
{
    static const char *(*const ways[])(json_t *, const char *) = {drop_init, lower_limits,
                                                                  drop_shm_size};
    json_t *hc = dmpi_json_obj(body, "HostConfig");
    const char *what = NULL;
    for (size_t i = 0; hc && !what && i < DMPI_ARRAY_LEN(ways); i++)
        what = ways[i](hc, refusal);
    return what;
}
