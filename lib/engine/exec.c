// SPDX-License-Identifier: MIT
#include "engine/exec.h"

#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/http.h"
#include "engine/url.h"

#define SETTLE_MS 10000
#define END_MS 10000
#define MARK "DOCKMPI_EXEC"

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
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv env = DMPI_STRV_INIT;
    if (opts->env)
        dmpi_strv_add_all(&env, opts->env);
    if (opts->mark)
        dmpi_strv_addf(&env, MARK "=%s", opts->mark);
    if (env.n > 0)
        dmpi_json_set(body, "Env", dmpi_json_strv(&env));
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
    enum dmpi_lane lane = opts->bulk ? DMPI_LANE_BULK : DMPI_LANE_CONTROL;
    if (dmpi_hijack_open(e, lane, ctl, dmpi_buf_str(&url), body, out, err) != 0)
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

/*
 * What cannot be started is told on the program's standard output, with these words. They are held back
 * until the exit code shows that no program said them.
 */
static const char refused[] = "OCI runtime exec failed: ";
#define REFUSED_MAX 4096

struct opening {
    struct dmpi_buf held; /* the output so far, while it could be a refusal */
    bool over;            /* it is none: everything goes straight on */
    struct dmpi_sink to;
};

static int pass_held(struct opening *o, struct dmpi_err *err)
{
    o->over = true;
    return o->held.len ? dmpi_sink_write(&o->to, o->held.data, o->held.len, err) : 0;
}

static int hold(void *arg, const void *data, size_t n, struct dmpi_err *err)
{
    struct opening *o = arg;
    size_t len = sizeof(refused) - 1;
    if (o->over)
        return dmpi_sink_write(&o->to, data, n, err);
    if (n > REFUSED_MAX - o->held.len) {
        if (pass_held(o, err) != 0)
            return -1;
        return dmpi_sink_write(&o->to, data, n, err);
    }
    dmpi_buf_add(&o->held, data, n);
    if (o->held.len < len)
        len = o->held.len;
    return memcmp(o->held.data, refused, len) == 0 ? 0 : pass_held(o, err);
}

static const char *after(const char *text, const char *words)
{
    const char *at = strstr(text, words);
    return at ? at + strlen(words) : text;
}

/* The refusal in short, on standard error, and with the exit code that shells have for it. */
static int tell_refusal(const struct opening *o, const struct dmpi_sink *to, int *code,
                        struct dmpi_err *err)
{
    const char *text = after(dmpi_buf_str(&o->held), refused);
    text = after(after(text, "exec failed: "), "unable to start container process: ");
    bool missing = strstr(text, "not found") || strstr(text, "no such file");
    size_t len = strcspn(text, "\r\n");
    dmpi_autofree char *line = dmpi_xstrndup(text, len);
    char *tail = strstr(line, ": unknown");
    if (tail && tail[strlen(": unknown")] == '\0')
        *tail = '\0';
    dmpi_autofree char *told = dmpi_xasprintf("dockmpi: cannot start: %s\n", line);
    *code = missing && !strstr(text, "chdir") ? 127 : 126;
    return dmpi_sink_write(to, told, strlen(told), err);
}

static int find_code(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                     struct opening *o, const struct dmpi_sink *to, int *code, struct dmpi_err *err)
{
    if (dmpi_exec_code(e, ctl, id, code, err) != 0)
        return -1;
    if (o->over || o->held.len < sizeof(refused) - 1 || (*code != 126 && *code != 127))
        return o->over ? 0 : pass_held(o, err);
    return tell_refusal(o, to, code, err);
}

int dmpi_exec_stream(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *container,
                     const struct dmpi_exec_opts *opts, const struct dmpi_pump *pump, int *code,
                     struct dmpi_err *err)
{
    dmpi_autofree char *id = NULL;
    struct dmpi_hijack *h = NULL;
    struct opening opening = {
        .held = DMPI_BUF_INIT(REFUSED_MAX), .over = opts->tty, .to = pump->streams.out};
    struct dmpi_pump own = *pump;
    own.streams.out = (struct dmpi_sink){.write = hold, .arg = &opening};
    int result = dmpi_exec_start(e, ctl, container, opts, &id, &h, err);
    if (result == 0)
        result = dmpi_hijack_pump(h, ctl, &own, err);
    dmpi_hijack_close(h);
    if (result == 0)
        result = find_code(e, ctl, id, &opening, &pump->streams.err, code, err);
    else if (opts->mark)
        dmpi_exec_end(e, container, opts->mark);
    dmpi_buf_free(&opening.held);
    return result;
}

/* $1: the mark. Its own processes do not have it. */
static const char end_sh[] =
    "each() { for p in /proc/[0-9]*; do grep -qs \"$m\" $p/environ && kill -s $1 ${p##*/}; done; "
    "}\n"
    "left() { for p in /proc/[0-9]*; do grep -qs \"$m\" $p/environ && return 0; done; return 1; }\n"
    "m=" MARK "=$1\n"
    "each HUP; each TERM; n=0\n"
    "while left; do n=$((n + 1)); [ $n -lt 20 ] || { each KILL; break; }; sleep 0.1; done\n";

void dmpi_exec_end(struct dmpi_engine *e, const char *container, const char *mark)
{
    const char *const words[] = {"sh", "-c", end_sh, "dockmpi-end", mark};
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv argv = DMPI_STRV_INIT;
    struct dmpi_ctl ctl = dmpi_ctl_within(NULL, END_MS);
    struct dmpi_err err = DMPI_ERR_INIT;
    int code;
    dmpi_strv_add_array(&argv, words, DMPI_ARRAY_LEN(words));
    if (dmpi_exec_run(e, &ctl, container, &argv, NULL, 0, NULL, NULL, &code, &err) != 0)
        dmpi_debug("%s: what runs there could not be ended: %s", container, err.msg);
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
