// SPDX-License-Identifier: MIT
#include "engine/containers.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/demux.h"
#include "engine/http.h"
#include "engine/relax.h"
#include "engine/url.h"

#define auto_url DMPI_AUTO(dmpi_buf_free) struct dmpi_buf

/* "/containers/ID" and what follows. */
static struct dmpi_buf url_of(const char *id, const char *rest)
{
    struct dmpi_buf url = DMPI_BUF_INIT(DMPI_URL_MAX);
    dmpi_buf_adds(&url, "/containers/");
    dmpi_url_add_path(&url, id, false);
    dmpi_buf_adds(&url, rest);
    return url;
}

/* A short call whose answer has no body of interest. */
static int quick(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *method,
                 const struct dmpi_buf *url, struct dmpi_err *err)
{
    struct dmpi_http req = {.method = method, .path = dmpi_buf_str(url), .quick = true};
    return dmpi_http_json(e, ctl, &req, NULL, NULL, err);
}

/* A call whose answer must be a JSON value of that type. */
static int get(struct dmpi_engine *e, const struct dmpi_ctl *ctl, struct dmpi_http *req,
               json_t *body, json_type type, json_t **out, struct dmpi_err *err)
{
    if (dmpi_http_json(e, ctl, req, body, out, err) != 0)
        return -1;
    if (*out && json_typeof(*out) == type)
        return 0;
    json_decref(*out);
    *out = NULL;
    return dmpi_err_set(err, DMPI_EPARSE, "%s %s: the engine's answer is of the wrong kind",
                        req->method, req->path);
}

static int create(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *name, json_t *body,
                  char **id, struct dmpi_err *err)
{
    auto_url url = DMPI_BUF_INIT(DMPI_URL_MAX);
    dmpi_json_auto json_t *answer = NULL;
    dmpi_buf_adds(&url, "/containers/create");
    dmpi_url_add_query(&url, "name", name);
    struct dmpi_http req = {.method = "POST", .path = dmpi_buf_str(&url), .quick = true};
    if (get(e, ctl, &req, body, JSON_OBJECT, &answer, err) != 0)
        return -1;
    const char *text = dmpi_json_str(answer, "Id");
    if (!text || !*text)
        return dmpi_err_set(err, DMPI_EPARSE, "the engine made a container without an id");
    if (id)
        *id = dmpi_xstrdup(text);
    return 0;
}

int dmpi_container_create(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *name,
                          json_t *body, char **id, struct dmpi_err *err)
{
    const char *what;
    dmpi_json_auto json_t *less = NULL;
    while (create(e, ctl, name, less ? less : body, id, err) != 0) {
        if (err->code != DMPI_EENGINE && err->code != DMPI_EINVAL)
            return -1;
        if (!less)
            less = json_deep_copy(body);
        if (!(what = dmpi_relax(less, err->msg)))
            return -1;
        dmpi_info("%s: container %s goes without %s, which the engine refuses: %s",
                  dmpi_engine_name(e), name, what, err->msg);
    }
    return 0;
}

int dmpi_container_start(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                         struct dmpi_err *err)
{
    auto_url url = url_of(id, "/start");
    return quick(e, ctl, "POST", &url, err);
}

int dmpi_container_stop(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                        int grace_s, struct dmpi_err *err)
{
    auto_url url = url_of(id, "/stop");
    if (grace_s >= 0)
        dmpi_url_add_query_int(&url, "t", grace_s);
    return dmpi_engine_call(e, ctl, "POST", dmpi_buf_str(&url), NULL, NULL, err);
}

int dmpi_container_kill(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                        const char *signal, struct dmpi_err *err)
{
    auto_url url = url_of(id, "/kill");
    dmpi_url_add_query(&url, "signal", signal);
    return quick(e, ctl, "POST", &url, err);
}

int dmpi_container_wait(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                        int *code, struct dmpi_err *err)
{
    auto_url url = url_of(id, "/wait");
    dmpi_json_auto json_t *answer = NULL;
    struct dmpi_http req = {.method = "POST", .path = dmpi_buf_str(&url)};
    if (get(e, ctl, &req, NULL, JSON_OBJECT, &answer, err) != 0)
        return -1;
    const char *failure = dmpi_json_str(dmpi_json_obj(answer, "Error"), "Message");
    if (failure && *failure)
        return dmpi_err_set(err, DMPI_EENGINE, "%s", failure);
    if (!json_is_integer(json_object_get(answer, "StatusCode")))
        return dmpi_err_set(err, DMPI_EPARSE, "the engine names no exit code");
    *code = (int)dmpi_json_int(answer, "StatusCode", 0);
    return 0;
}

int dmpi_container_inspect(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                           json_t **out, struct dmpi_err *err)
{
    auto_url url = url_of(id, "/json");
    struct dmpi_http req = {.method = "GET", .path = dmpi_buf_str(&url), .quick = true};
    return get(e, ctl, &req, NULL, JSON_OBJECT, out, err);
}

static char **label_filters(const char *const *labels)
{
    size_t n = 0;
    while (labels[n])
        n++;
    char **filters = dmpi_xcalloc(n + 1, sizeof *filters);
    for (size_t i = 0; i < n; i++)
        filters[i] = dmpi_xasprintf("label=%s", labels[i]);
    return filters;
}

static void free_filters(char **filters)
{
    for (char **f = filters; *f; f++)
        free(*f);
    free(filters);
}

int dmpi_container_list(struct dmpi_engine *e, const struct dmpi_ctl *ctl,
                        const char *const *labels, bool all, json_t **out, struct dmpi_err *err)
{
    auto_url url = DMPI_BUF_INIT(DMPI_URL_MAX);
    dmpi_buf_adds(&url, "/containers/json");
    dmpi_url_add_query_flag(&url, "all", all);
    if (labels) {
        char **filters = label_filters(labels);
        dmpi_url_add_filters(&url, (const char *const *)filters);
        free_filters(filters);
    }
    struct dmpi_http req = {.method = "GET", .path = dmpi_buf_str(&url), .quick = true};
    return get(e, ctl, &req, NULL, JSON_ARRAY, out, err);
}

int dmpi_container_remove(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                          bool force, bool volumes, struct dmpi_err *err)
{
    auto_url url = url_of(id, "");
    dmpi_url_add_query_flag(&url, "force", force);
    dmpi_url_add_query_flag(&url, "v", volumes);
    int result = quick(e, ctl, "DELETE", &url, err);
    if (result != 0 && (err->code == DMPI_ENOTFOUND ||
                        (err->code == DMPI_ECONFLICT && strstr(err->msg, "already in progress"))))
        return 0;
    return result;
}

int dmpi_container_rename(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                          const char *name, struct dmpi_err *err)
{
    auto_url url = url_of(id, "/rename");
    dmpi_url_add_query(&url, "name", name);
    return quick(e, ctl, "POST", &url, err);
}

int dmpi_container_resize(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                          int rows, int cols, struct dmpi_err *err)
{
    auto_url url = url_of(id, "/resize");
    dmpi_url_add_query_int(&url, "h", rows);
    dmpi_url_add_query_int(&url, "w", cols);
    return quick(e, ctl, "POST", &url, err);
}

int dmpi_container_logs(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                        const struct dmpi_logs_opts *opts, const struct dmpi_streams *streams,
                        struct dmpi_err *err)
{
    static const struct dmpi_logs_opts all = DMPI_LOGS_ALL;
    auto_url url = url_of(id, "/logs?stdout=1&stderr=1");
    struct dmpi_demux demux;
    if (!opts)
        opts = &all;
    dmpi_url_add_query_flag(&url, "follow", opts->follow);
    dmpi_url_add_query_flag(&url, "timestamps", opts->timestamps);
    if (opts->tail >= 0)
        dmpi_url_add_query_int(&url, "tail", opts->tail);
    if (opts->since_ns > 0) {
        dmpi_autofree char *since =
            dmpi_xasprintf("%lld.%09lld", (long long)opts->since_ns / 1000000000,
                           (long long)opts->since_ns % 1000000000);
        dmpi_url_add_query(&url, "since", since);
    }
    dmpi_demux_init(&demux, streams);
    demux.on_frame = opts->on_entry;
    demux.arg = opts->arg;
    struct dmpi_sink sink = opts->tty ? streams->out : dmpi_sink_to_demux(&demux);
    struct dmpi_http req = {.method = "GET", .path = dmpi_buf_str(&url), .sink = &sink};
    if (dmpi_http_exchange(e, ctl, &req, err) != 0)
        return -1;
    return dmpi_demux_finish(&demux, err);
}

int dmpi_container_attach(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                          int what, struct dmpi_hijack **out, struct dmpi_err *err)
{
    auto_url url = url_of(id, "/attach?stream=1");
    bool output = (what & DMPI_ATTACH_OUTPUT) != 0;
    dmpi_url_add_query_flag(&url, "stdin", (what & DMPI_ATTACH_STDIN) != 0);
    dmpi_url_add_query_flag(&url, "stdout", output);
    dmpi_url_add_query_flag(&url, "stderr", output);
    dmpi_url_add_query_flag(&url, "logs", (what & DMPI_ATTACH_LOGS) != 0);
    return dmpi_hijack_open(e, DMPI_LANE_CONTROL, ctl, dmpi_buf_str(&url), NULL, out, err);
}
