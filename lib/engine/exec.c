// SPDX-License-Identifier: MIT
#include "engine/exec.h"

#include "base/json.h"
#include "base/mem.h"
#include "engine/http.h"
#include "engine/url.h"

#define SETTLE_MS 10000

static struct dmpi_buf exec_url(const char *id, const char *rest)
{
    struct dmpi_buf url = DMPI_BUF_INIT(DMPI_URL_MAX);
    dmpi_buf_adds(&url, "/exec/");
    dmpi_url_add_path(&url, id, false);
    dmpi_buf_adds(&url, rest);
    return url;
}

static json_t *create_body(const struct dmpi_exec_opts *opts)
{
    json_t *body = dmpi_json_new_obj();
    dmpi_json_set_bool(body, "AttachStdin", opts->stdin_open);
    dmpi_json_set_bool(body, "AttachStdout", true);
    dmpi_json_set_bool(body, "AttachStderr", true);
    dmpi_json_set_bool(body, "Tty", opts->tty);
    dmpi_json_set(body, "Cmd", dmpi_json_strv(opts->argv));
    if (opts->env && opts->env->n > 0)
        dmpi_json_set(body, "Env", dmpi_json_strv(opts->env));
    if (opts->workdir)
        dmpi_json_set_str(body, "WorkingDir", opts->workdir);
    if (opts->user)
        dmpi_json_set_str(body, "User", opts->user);
    return body;
}

static int exec_create(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *container,
                       const struct dmpi_exec_opts *opts, char **id, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf url = DMPI_BUF_INIT(DMPI_URL_MAX);
    dmpi_json_auto json_t *body = create_body(opts);
    dmpi_json_auto json_t *answer = NULL;
    dmpi_buf_adds(&url, "/containers/");
    dmpi_url_add_path(&url, container, false);
    dmpi_buf_adds(&url, "/exec");
    struct dmpi_http req = {.method = "POST", .path = dmpi_buf_str(&url), .quick = true};
    if (dmpi_http_json(e, ctl, &req, body, &answer, err) != 0)
        return -1;
    const char *text = dmpi_json_str(answer, "Id");
    if (!text || !*text)
        return dmpi_err_set(err, DMPI_EPARSE, "the engine made an exec without an id");
    *id = dmpi_xstrdup(text);
    return 0;
}

int dmpi_exec_start(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *container,
                    const struct dmpi_exec_opts *opts, char **id, struct dmpi_hijack **out,
                    struct dmpi_err *err)
{
    dmpi_autofree char *exec = NULL;
    if (exec_create(e, ctl, container, opts, &exec, err) != 0)
        return -1;
    dmpi_json_auto json_t *body = dmpi_json_new_obj();
    dmpi_json_set_bool(body, "Detach", false);
    dmpi_json_set_bool(body, "Tty", opts->tty);
    if (opts->tty && opts->rows > 0 && opts->cols > 0) { /* API 1.42 and newer know it */
        json_t *size = dmpi_json_new_arr();
        dmpi_json_add(size, json_integer(opts->rows));
        dmpi_json_add(size, json_integer(opts->cols));
        dmpi_json_set(body, "ConsoleSize", size);
    }
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf url = exec_url(exec, "/start");
    if (dmpi_hijack_open(e, ctl, dmpi_buf_str(&url), body, out, err) != 0)
        return -1;
    if (opts->tty && opts->rows > 0 && opts->cols > 0) {
        struct dmpi_err ignored; /* the program may have ended already */
        dmpi_exec_resize(e, ctl, exec, opts->rows, opts->cols, &ignored);
    }
    *id = DMPI_STEAL(exec);
    return 0;
}

/* 0 and *code when it ended, 1 while it runs, -1 on failure. */
static int ask_code(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *url, int *code,
                    struct dmpi_err *err)
{
    dmpi_json_auto json_t *answer = NULL;
    struct dmpi_http req = {.method = "GET", .path = url, .quick = true};
    if (dmpi_http_json(e, ctl, &req, NULL, &answer, err) != 0)
        return -1;
    json_t *number = json_object_get(answer, "ExitCode");
    if (dmpi_json_bool(answer, "Running", false) || !json_is_integer(number))
        return 1;
    *code = (int)json_integer_value(number);
    return 0;
}

int dmpi_exec_code(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id, int *code,
                   struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf url = exec_url(id, "/json");
    int64_t give_up = dmpi_now_ms() + SETTLE_MS;
    for (int64_t pause = 1;; pause = pause < 100 ? pause * 2 : pause) {
        int state = ask_code(e, ctl, dmpi_buf_str(&url), code, err);
        if (state <= 0)
            return state;
        if (dmpi_now_ms() >= give_up)
            return dmpi_err_set(err, DMPI_EENGINE,
                                "the program closed its output but still runs, or the engine "
                                "never says how it ended");
        if (dmpi_ctl_sleep(ctl, pause, err) != 0)
            return -1;
    }
}

int dmpi_exec_resize(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id, int rows,
                     int cols, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf url = exec_url(id, "/resize");
    dmpi_url_add_query_int(&url, "h", rows);
    dmpi_url_add_query_int(&url, "w", cols);
    struct dmpi_http req = {.method = "POST", .path = dmpi_buf_str(&url), .quick = true};
    return dmpi_http_json(e, ctl, &req, NULL, NULL, err);
}

int dmpi_exec_stream(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *container,
                     const struct dmpi_exec_opts *opts, const struct dmpi_pump *pump, int *code,
                     struct dmpi_err *err)
{
    dmpi_autofree char *id = NULL;
    struct dmpi_hijack *h = NULL;
    if (dmpi_exec_start(e, ctl, container, opts, &id, &h, err) != 0)
        return -1;
    int result = dmpi_hijack_pump(h, ctl, pump, err);
    dmpi_hijack_close(h);
    return result == 0 ? dmpi_exec_code(e, ctl, id, code, err) : -1;
}

static struct dmpi_sink sink_or_nothing(struct dmpi_buf *buf)
{
    return buf ? dmpi_sink_to_buf_capped(buf) : (struct dmpi_sink){NULL, NULL};
}

int dmpi_exec_run(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *container,
                  const struct dmpi_strv *argv, const void *input, size_t len, struct dmpi_buf *out,
                  struct dmpi_buf *err_out, int *code, struct dmpi_err *err)
{
    struct dmpi_exec_opts opts = {.argv = argv, .stdin_open = input != NULL};
    struct dmpi_pump pump = DMPI_PUMP_INIT;
    pump.data = input;
    pump.len = len;
    pump.streams.out = sink_or_nothing(out);
    pump.streams.err = sink_or_nothing(err_out);
    return dmpi_exec_stream(e, ctl, container, &opts, &pump, code, err);
}
