// SPDX-License-Identifier: MIT
#include "engine/engine.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/answer.h"
#include "engine/http.h"

#define OPEN_MS 15000
#define PING_MS 10000 // of these
#define PAUSE_MS 10000

const char *dmpi_engine_api(const struct dmpi_engine *e)
{
    return e->api;
}

const char *dmpi_engine_os(const struct dmpi_engine *e)
{
    return e->os;
}

bool dmpi_engine_is_podman(const struct dmpi_engine *e)
{
    return e->podman;
}

const char *dmpi_engine_name(const struct dmpi_engine *e)
{
    return dmpi_transport_name(e->transport);
}

/* The release of an engine, for a message; NULL when it does not say. */
static char *release_of(struct dmpi_engine *e, const struct dmpi_ctl *ctl)
{
    struct dmpi_err ignored;
    dmpi_json_auto json_t *answer = NULL;
    struct dmpi_http req = {.method = "GET", .path = "/version", .unversioned = true};
    if (dmpi_http_json(e, ctl, &req, NULL, &answer, &ignored) != 0)
        return NULL;
    const char *release = dmpi_json_str(answer, "Version");
    return release ? dmpi_xstrdup(release) : NULL;
}

static int too_old(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *theirs,
                   struct dmpi_err *err)
{
    dmpi_autofree char *release = release_of(e, ctl);
    return dmpi_err_set(err, DMPI_EENGINE,
                        "the Docker engine at %s is too old: %s%s speaks API %.16s, dockmpi needs "
                        "%s (Docker 20.10) or newer",
                        dmpi_engine_name(e), release ? "release " : "it", release ? release : "",
                        theirs, DMPI_API_MIN);
}

static int agree(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *theirs,
                 struct dmpi_err *err)
{
    if (dmpi_answer_api(theirs) < 0)
        return dmpi_err_set(err, DMPI_EPARSE,
                            "what answers at %s is not a Docker engine: its answer to /_ping "
                            "names no API version",
                            dmpi_engine_name(e));
    const char *api = dmpi_answer_choose_api(theirs);
    if (!api)
        return too_old(e, ctl, theirs, err);
    snprintf(e->api, sizeof e->api, "%s", api);
    return 0;
}

enum { PING_API, PING_OS, PING_PODMAN, PING_COUNT };

static int greet(struct dmpi_engine *e, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct dmpi_http_header headers[PING_COUNT] = {
        [PING_API] = {.name = "API-Version"},
        [PING_OS] = {.name = "OSType"},
        [PING_PODMAN] = {.name = "Libpod-API-Version"},
    };
    struct dmpi_http req = {.method = "GET",
                            .path = "/_ping",
                            .unversioned = true,
                            .quick = true,
                            .headers = headers,
                            .n_headers = PING_COUNT};
    struct dmpi_ctl soon = dmpi_ctl_within(ctl, PING_MS);
    int result = dmpi_http_exchange(e, &soon, &req, err);
    if (result != 0 && req.status != 0)
        dmpi_err_wrap(err, "%s", dmpi_engine_name(e));
    if (result == 0) {
        dmpi_transport_met(e->transport);
        result = agree(e, ctl, headers[PING_API].value, err);
    }
    snprintf(e->os, sizeof e->os, "%s", headers[PING_OS].value ? headers[PING_OS].value : "");
    e->podman = headers[PING_PODMAN].value != NULL;
    for (int i = 0; i < PING_COUNT; i++)
        free(headers[i].value);
    return result;
}

int dmpi_engine_open(struct dmpi_engine **out, const struct dmpi_endpoint *ep,
                     const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct dmpi_ctl soon = dmpi_ctl_within(ctl, OPEN_MS);
    struct dmpi_engine *e = dmpi_xcalloc(1, sizeof *e);
    e->pause_ms = PAUSE_MS;
    pthread_mutex_init(&e->lock, NULL);
    if (dmpi_transport_open(&e->transport, ep, &soon, err) != 0 || greet(e, &soon, err) != 0) {
        dmpi_engine_close(e);
        return -1;
    }
    *out = e;
    return 0;
}

void dmpi_engine_rest(struct dmpi_engine *e)
{
    dmpi_pool_close(e);
}

void dmpi_engine_close(struct dmpi_engine *e)
{
    if (!e)
        return;
    dmpi_pool_close(e);
    dmpi_transport_close(e->transport);
    pthread_mutex_destroy(&e->lock);
    free(e);
}

int dmpi_engine_call(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *method,
                     const char *path, json_t *body, json_t **out, struct dmpi_err *err)
{
    struct dmpi_http req = {.method = method, .path = path};
    return dmpi_http_json(e, ctl, &req, body, out, err);
}

static int get_quickly(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *path,
                       json_t **out, struct dmpi_err *err)
{
    struct dmpi_http req = {.method = "GET", .path = path, .quick = true};
    return dmpi_http_json(e, ctl, &req, NULL, out, err);
}

int dmpi_engine_version(struct dmpi_engine *e, const struct dmpi_ctl *ctl, json_t **out,
                        struct dmpi_err *err)
{
    return get_quickly(e, ctl, "/version", out, err);
}

int dmpi_engine_info(struct dmpi_engine *e, const struct dmpi_ctl *ctl, json_t **out,
                     struct dmpi_err *err)
{
    return get_quickly(e, ctl, "/info", out, err);
}

int dmpi_engine_df(struct dmpi_engine *e, const struct dmpi_ctl *ctl, json_t **out,
                   struct dmpi_err *err)
{
    struct dmpi_http req = {.method = "GET", .path = "/system/df"};
    return dmpi_http_json(e, ctl, &req, NULL, out, err);
}
