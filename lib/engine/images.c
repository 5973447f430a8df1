// SPDX-License-Identifier: MIT
#include "engine/images.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/http.h"
#include "engine/jsonstream.h"
#include "engine/url.h"

#define auto_url DMPI_AUTO(dmpi_buf_free) struct dmpi_buf

static struct dmpi_buf url_of(const char *ref, const char *rest)
{
    struct dmpi_buf url = DMPI_BUF_INIT(DMPI_URL_MAX);
    dmpi_buf_adds(&url, "/images/");
    dmpi_url_add_path(&url, ref, true);
    dmpi_buf_adds(&url, rest);
    return url;
}

static int get(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const struct dmpi_buf *url,
               json_type type, json_t **out, struct dmpi_err *err)
{
    struct dmpi_http req = {.method = "GET", .path = dmpi_buf_str(url), .quick = true};
    if (dmpi_http_json(e, ctl, &req, NULL, out, err) != 0)
        return -1;
    if (*out && json_typeof(*out) == type)
        return 0;
    json_decref(*out);
    *out = NULL;
    return dmpi_err_set(err, DMPI_EPARSE, "GET %s: the engine's answer is of the wrong kind",
                        req.path);
}

int dmpi_image_inspect(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *ref,
                       json_t **out, struct dmpi_err *err)
{
    auto_url url = url_of(ref, "/json");
    return get(e, ctl, &url, JSON_OBJECT, out, err);
}

int dmpi_image_list(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *const *filters,
                    json_t **out, struct dmpi_err *err)
{
    auto_url url = DMPI_BUF_INIT(DMPI_URL_MAX);
    dmpi_buf_adds(&url, "/images/json");
    dmpi_url_add_filters(&url, filters);
    return get(e, ctl, &url, JSON_ARRAY, out, err);
}

int dmpi_image_tag(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *ref,
                   const char *repo, const char *tag, struct dmpi_err *err)
{
    auto_url url = url_of(ref, "/tag");
    dmpi_url_add_query(&url, "repo", repo);
    dmpi_url_add_query(&url, "tag", tag);
    struct dmpi_http req = {.method = "POST", .path = dmpi_buf_str(&url), .quick = true};
    return dmpi_http_json(e, ctl, &req, NULL, NULL, err);
}

int dmpi_image_remove(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *ref,
                      bool force, struct dmpi_err *err)
{
    auto_url url = url_of(ref, "");
    dmpi_url_add_query_flag(&url, "force", force);
    int result = dmpi_engine_call(e, ctl, "DELETE", dmpi_buf_str(&url), NULL, NULL, err);
    return result != 0 && err->code == DMPI_ENOTFOUND ? 0 : result;
}

/* An exchange whose answer is a stream of JSON objects with errors among them. */
static int exchange_progress(struct dmpi_engine *e, const struct dmpi_ctl *ctl,
                             struct dmpi_http *req, struct dmpi_progress *progress,
                             struct dmpi_err *err)
{
    struct dmpi_jsonstream js;
    dmpi_jsonstream_init(&js, dmpi_progress_object, progress);
    struct dmpi_sink sink = dmpi_sink_to_jsonstream(&js);
    req->sink = &sink;
    req->lane = DMPI_LANE_BULK;
    int result = dmpi_http_exchange(e, ctl, req, err);
    if (js.stopped)
        result = 0;
    if (result == 0)
        result = dmpi_jsonstream_finish(&js, err);
    dmpi_jsonstream_free(&js);
    return result;
}

/* {"K":"V"} of strings "K=V", as a query. */
static void add_map(struct dmpi_buf *url, const char *key, const struct dmpi_strv *pairs)
{
    if (!pairs || pairs->n == 0)
        return;
    dmpi_json_auto json_t *map = dmpi_json_new_obj();
    for (size_t i = 0; i < pairs->n; i++) {
        const char *eq = strchr(pairs->v[i], '=');
        dmpi_autofree char *name =
            eq ? dmpi_xstrndup(pairs->v[i], (size_t)(eq - pairs->v[i])) : dmpi_xstrdup(pairs->v[i]);
        dmpi_json_set_str(map, name, eq ? eq + 1 : "");
    }
    dmpi_autofree char *text = dmpi_json_dump(map);
    dmpi_url_add_query(url, key, text);
}

static struct dmpi_buf build_url(const struct dmpi_build_params *params)
{
    struct dmpi_buf url = DMPI_BUF_INIT(DMPI_URL_MAX);
    dmpi_buf_adds(&url, "/build?rm=1&forcerm=1&version=1");
    for (const char *const *tag = params->tags; tag && *tag; tag++)
        dmpi_url_add_query(&url, "t", *tag);
    dmpi_url_add_query(&url, "dockerfile", params->dockerfile);
    dmpi_url_add_query(&url, "networkmode", params->network);
    dmpi_url_add_query(&url, "target", params->target);
    dmpi_url_add_query(&url, "platform", params->platform);
    dmpi_url_add_query_flag(&url, "nocache", params->no_cache);
    dmpi_url_add_query_flag(&url, "pull", params->pull);
    add_map(&url, "buildargs", params->build_args);
    add_map(&url, "labels", params->labels);
    return url;
}

int dmpi_image_build(struct dmpi_engine *e, const struct dmpi_ctl *ctl,
                     const struct dmpi_build_params *params, const struct dmpi_source *context,
                     dmpi_json_cb progress, void *arg, char **id, struct dmpi_err *err)
{
    auto_url url = build_url(params);
    struct dmpi_progress state = {.cb = progress, .arg = arg};
    dmpi_autofree char *config =
        params->registry_config ? dmpi_xasprintf("X-Registry-Config: %s", params->registry_config)
                                : NULL;
    if (url.overflow)
        return dmpi_err_set(err, DMPI_EINVAL, "the build's arguments are over %u KiB",
                            DMPI_URL_MAX >> 10);
    struct dmpi_http req = {.method = "POST",
                            .path = dmpi_buf_str(&url),
                            .type = "application/x-tar",
                            .header = config,
                            .source = context};
    int result = exchange_progress(e, ctl, &req, &state, err);
    if (result == 0 && id)
        *id = DMPI_STEAL(state.id);
    free(state.id);
    return result;
}

int dmpi_image_load(struct dmpi_engine *e, const struct dmpi_ctl *ctl,
                    const struct dmpi_source *archive, dmpi_json_cb progress, void *arg,
                    struct dmpi_err *err)
{
    struct dmpi_progress state = {.cb = progress, .arg = arg};
    struct dmpi_http req = {.method = "POST",
                            .path = "/images/load?quiet=0",
                            .type = "application/x-tar",
                            .source = archive};
    int result = exchange_progress(e, ctl, &req, &state, err);
    free(state.id);
    return result;
}

int dmpi_image_save(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *const *refs,
                    const struct dmpi_sink *archive, struct dmpi_err *err)
{
    auto_url url = DMPI_BUF_INIT(DMPI_URL_MAX);
    dmpi_buf_adds(&url, "/images/get");
    for (; *refs; refs++)
        dmpi_url_add_query(&url, "names", *refs);
    struct dmpi_http req = {
        .method = "GET", .path = dmpi_buf_str(&url), .sink = archive, .lane = DMPI_LANE_BULK};
    return dmpi_http_exchange(e, ctl, &req, err);
}

int dmpi_image_import(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *repo,
                      const char *tag, const char *const *changes, const struct dmpi_source *rootfs,
                      struct dmpi_err *err)
{
    auto_url url = DMPI_BUF_INIT(DMPI_URL_MAX);
    struct dmpi_progress state = {.cb = NULL};
    dmpi_buf_adds(&url, "/images/create?fromSrc=-");
    dmpi_url_add_query(&url, "repo", repo);
    dmpi_url_add_query(&url, "tag", tag);
    for (; changes && *changes; changes++)
        dmpi_url_add_query(&url, "changes", *changes);
    struct dmpi_http req = {.method = "POST",
                            .path = dmpi_buf_str(&url),
                            .type = "application/x-tar",
                            .source = rootfs};
    int result = exchange_progress(e, ctl, &req, &state, err);
    free(state.id);
    return result;
}

int dmpi_image_pull(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *ref,
                    const char *registry_auth, dmpi_json_cb progress, void *arg,
                    struct dmpi_err *err)
{
    auto_url url = DMPI_BUF_INIT(DMPI_URL_MAX);
    struct dmpi_progress state = {.cb = progress, .arg = arg};
    dmpi_autofree char *auth =
        registry_auth ? dmpi_xasprintf("X-Registry-Auth: %s", registry_auth) : NULL;
    const char *last = strrchr(ref, '/');
    bool tagged = strchr(last ? last : ref, ':') || strchr(ref, '@');
    dmpi_buf_adds(&url, "/images/create");
    dmpi_url_add_query(&url, "fromImage", ref);
    if (!tagged) /* without a tag the engine would pull them all */
        dmpi_url_add_query(&url, "tag", "latest");
    struct dmpi_http req = {.method = "POST", .path = dmpi_buf_str(&url), .header = auth};
    int result = exchange_progress(e, ctl, &req, &state, err);
    free(state.id);
    return result;
}
