// SPDX-License-Identifier: MIT
// Against a real engine: DMPI_LIVE_ENGINE is its URL, DMPI_LIVE_IMAGE an image with sh and tar,
// DMPI_LIVE_TLS the folder of its certificates, DMPI_LIVE_IDENTITY and DMPI_LIVE_KNOWN_HOSTS files of
// ssh, DMPI_LIVE_LOG shows what the library logs. Without the first, everything is skipped.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/tar.h"
#include "base/text.h"
#include "engine/containers.h"
#include "engine/demux.h"
#include "engine/engine.h"
#include "engine/exec.h"
#include "engine/images.h"
#include "engine/top.h"

static struct dmpi_engine *engine;
static struct dmpi_err err;

#define CTL(ms) (&(struct dmpi_ctl){.deadline_ms = dmpi_now_ms() + (ms), .cancel_fd = -1})

static void ok_at(int line, int result)
{
    if (result != 0)
        fail_msg("line %d: %s", line, err.msg);
}
#define OK(call) ok_at(__LINE__, (call))

static const char *image(void)
{
    const char *name = getenv("DMPI_LIVE_IMAGE");
    return name ? name : "dockmpi/launcher:latest";
}

static void show(enum dmpi_log_level level, const char *text, void *arg)
{
    (void)level;
    (void)arg;
    fprintf(stderr, "log: %s\n", text);
}

static int set_up(void **state)
{
    (void)state;
    if (getenv("DMPI_LIVE_LOG"))
        dmpi_log_set(DMPI_LOG_INFO, show, NULL);
    struct dmpi_endpoint ep;
    const char *url = getenv("DMPI_LIVE_ENGINE"), *tls = getenv("DMPI_LIVE_TLS");
    if (!url)
        return 0;
    if (dmpi_endpoint_parse(&ep, url, &err) != 0)
        return -1;
    ep.tls = tls != NULL;
    ep.tls_dir = tls ? dmpi_xstrdup(tls) : NULL;
    ep.identity = dmpi_xstrdup(getenv("DMPI_LIVE_IDENTITY"));
    ep.known_hosts = dmpi_xstrdup(getenv("DMPI_LIVE_KNOWN_HOSTS"));
    int result = dmpi_engine_open(&engine, &ep, CTL(20000), &err);
    dmpi_endpoint_free(&ep);
    if (result != 0)
        fprintf(stderr, "%s\n", err.msg);
    return result;
}

static int tear_down(void **state)
{
    (void)state;
    dmpi_engine_close(engine);
    return 0;
}

#define NEED_ENGINE()                                                                              \
    if (!engine)                                                                                   \
    skip()

static json_t *body(const char *script, bool tty)
{
    return json_pack("{s:s, s:[s,s,s], s:b, s:b, s:b, s:{s:s}, s:{s:s, s:b}}", "Image", image(),
                     "Entrypoint", "/bin/sh", "-c", script, "OpenStdin", 1, "StdinOnce", 1, "Tty",
                     (int)tty, "Labels", "io.dockmpi.test", "engine-live", "HostConfig",
                     "NetworkMode", "none", "Init", 1);
}

/* A created container; its id is the caller's. */
static char *create(const char *script, bool tty)
{
    char *id = NULL;
    json_t *b = body(script, tty);
    const char *cluster = getenv("DMPI_LIVE_CLUSTER"); /* who clears up after a failure */
    assert_non_null(b);
    if (cluster)
        dmpi_json_set_str(dmpi_json_obj(b, "Labels"), "io.dockmpi.cluster", cluster);
    OK(dmpi_container_create(engine, CTL(60000), NULL, b, &id, &err));
    json_decref(b);
    return id;
}

static void destroy(char *id)
{
    OK(dmpi_container_remove(engine, CTL(60000), id, true, true, &err));
    OK(dmpi_container_remove(engine, CTL(60000), id, true, true, &err)); /* gone is fine */
    free(id);
}

static void names_itself(void **state)
{
    (void)state;
    NEED_ENGINE();
    dmpi_json_auto json_t *version = NULL, *info = NULL, *df = NULL;
    OK(dmpi_engine_version(engine, CTL(20000), &version, &err));
    assert_non_null(dmpi_json_str(version, "Version"));
    OK(dmpi_engine_info(engine, CTL(20000), &info, &err));
    assert_true(dmpi_json_int(info, "NCPU", 0) > 0);
    assert_string_equal(dmpi_engine_os(engine), "linux");
    OK(dmpi_engine_df(engine, CTL(60000), &df, &err));
    assert_non_null(dmpi_json_arr(df, "Images"));
}

static void attaches_before_start(void **state)
{
    (void)state;
    NEED_ENGINE();
    char *id =
        create("echo first; echo wrong >&2; read line; echo \"got $line\"; cat; exit 7", false);
    struct dmpi_hijack *h = NULL;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf out = DMPI_BUF_INIT(1 << 20);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf err_out = DMPI_BUF_INIT(1 << 20);
    OK(dmpi_container_attach(engine, CTL(20000), id, DMPI_ATTACH_STDIN | DMPI_ATTACH_OUTPUT, &h,
                             &err));
    OK(dmpi_container_start(engine, CTL(60000), id, &err));
    OK(dmpi_container_start(engine, CTL(60000), id, &err)); /* started already: fine */
    struct dmpi_pump pump = DMPI_PUMP_INIT;
    pump.data = "hello\nrest of it";
    pump.len = strlen(pump.data);
    pump.streams.out = dmpi_sink_to_buf(&out);
    pump.streams.err = dmpi_sink_to_buf(&err_out);
    OK(dmpi_hijack_pump(h, CTL(60000), &pump, &err));
    dmpi_hijack_close(h);
    assert_string_equal(dmpi_buf_str(&out), "first\ngot hello\nrest of it");
    assert_string_equal(dmpi_buf_str(&err_out), "wrong\n");

    int code = -1;
    OK(dmpi_container_wait(engine, CTL(60000), id, &code, &err));
    assert_int_equal(code, 7);
    dmpi_buf_clear(&out);
    struct dmpi_streams streams = {dmpi_sink_to_buf(&out), {NULL, NULL}};
    OK(dmpi_container_logs(engine, CTL(60000), id, NULL, &streams, &err));
    assert_string_equal(dmpi_buf_str(&out), "first\ngot hello\nrest of it");

    assert_int_equal(dmpi_container_kill(engine, CTL(20000), id, "TERM", &err), -1);
    assert_int_equal(err.code, DMPI_ECONFLICT);
    dmpi_json_auto json_t *list = NULL, *whole = NULL;
    const char *labels[] = {"io.dockmpi.test=engine-live", NULL};
    OK(dmpi_container_list(engine, CTL(20000), labels, true, &list, &err));
    assert_true(json_array_size(list) >= 1);
    OK(dmpi_container_inspect(engine, CTL(20000), id, &whole, &err));
    assert_string_equal(dmpi_json_str(whole, "Id"), id);
    destroy(id);
    assert_int_equal(dmpi_container_start(engine, CTL(20000), "no-such-container", &err), -1);
    assert_int_equal(err.code, DMPI_ENOTFOUND);
}

/* Counts bytes and checks that they are the pattern. */
struct pattern {
    size_t seen;
    size_t total;
};

static ssize_t pattern_read(void *arg, void *buf, size_t n, struct dmpi_err *e)
{
    (void)e;
    struct pattern *p = arg;
    char *c = buf;
    if (n > p->total - p->seen)
        n = p->total - p->seen;
    for (size_t i = 0; i < n; i++)
        c[i] = (char)((p->seen + i) * 31 >> 3);
    p->seen += n;
    return (ssize_t)n;
}

static int pattern_write(void *arg, const void *data, size_t n, struct dmpi_err *e)
{
    struct pattern *p = arg;
    const char *c = data;
    for (size_t i = 0; i < n; i++) {
        if (c[i] != (char)((p->seen + i) * 31 >> 3))
            return dmpi_err_set(e, DMPI_EINVAL, "byte %zu differs", p->seen + i);
    }
    p->seen += n;
    return 0;
}

static char *running(void)
{
    char *id = create("exec sleep 600", false);
    OK(dmpi_container_start(engine, CTL(60000), id, &err));
    return id;
}

static void execs(void **state)
{
    (void)state;
    NEED_ENGINE();
    char *id = running();
    int code = -1;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf out = DMPI_BUF_INIT(1000);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf err_out = DMPI_BUF_INIT(1000);
    struct dmpi_strv argv = DMPI_STRV_INIT;
    dmpi_strv_add(&argv, "sh");
    dmpi_strv_add(&argv, "-c");
    dmpi_strv_add(&argv, "cat; echo bad >&2; exit 3");
    OK(dmpi_exec_run(engine, CTL(60000), id, &argv, "a b", 3, &out, &err_out, &code, &err));
    assert_int_equal(code, 3);
    assert_string_equal(dmpi_buf_str(&out), "a b");
    assert_string_equal(dmpi_buf_str(&err_out), "bad\n");

    dmpi_strv_free(&argv);
    dmpi_strv_add(&argv, "/no/such/program");
    if (dmpi_exec_run(engine, CTL(60000), id, &argv, NULL, 0, &out, &err_out, &code, &err) == 0)
        assert_true(code == 126 || code == 127);
    else
        assert_non_null(strstr(err.msg, "no such file"));

    /* More than any pipe holds goes through cat while it comes back. */
    dmpi_strv_free(&argv);
    dmpi_strv_add(&argv, "cat");
    struct dmpi_exec_opts opts = {.argv = &argv, .stdin_open = true};
    struct dmpi_pump pump = DMPI_PUMP_INIT;
    struct pattern in = {.total = 30 << 20}, back = {.total = 0};
    pump.source = (struct dmpi_source){pattern_read, &in};
    pump.streams.out = (struct dmpi_sink){pattern_write, &back};
    OK(dmpi_exec_stream(engine, CTL(120000), id, &opts, &pump, &code, &err));
    assert_int_equal(back.seen, 30 << 20);
    assert_int_equal(code, 0);
    dmpi_strv_free(&argv);
    destroy(id);
}

static void execs_with_terminal(void **state)
{
    (void)state;
    NEED_ENGINE();
    char *id = running();
    int code = -1;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf out = DMPI_BUF_INIT(10000);
    struct dmpi_strv argv = DMPI_STRV_INIT;
    dmpi_strv_add(&argv, "sh");
    dmpi_strv_add(&argv, "-c");
    dmpi_strv_add(&argv, "read line; stty size; test -t 0 && echo terminal; exit 5");
    struct dmpi_exec_opts opts = {
        .argv = &argv, .stdin_open = true, .tty = true, .rows = 33, .cols = 101};
    struct dmpi_pump pump = DMPI_PUMP_INIT;
    pump.data = "go\n";
    pump.len = 3;
    pump.keep_stdin = true;
    pump.tty = true;
    pump.streams.out = dmpi_sink_to_buf(&out);
    OK(dmpi_exec_stream(engine, CTL(60000), id, &opts, &pump, &code, &err));
    assert_int_equal(code, 5);
    assert_non_null(strstr(dmpi_buf_str(&out), "33 101"));
    assert_non_null(strstr(dmpi_buf_str(&out), "terminal"));
    dmpi_strv_free(&argv);
    destroy(id);
}

static void archives(void **state)
{
    (void)state;
    NEED_ENGINE();
    char *id = create("cat /tmp/d/f", false); /* created only: no process needed */
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf tar = DMPI_BUF_INIT(8 << 20);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf back = DMPI_BUF_INIT(8 << 20);
    struct dmpi_tar_writer w;
    struct dmpi_tar_entry entry = {
        .path = "d/f", .type = '0', .mode = 0640, .uid = 12, .gid = 34, .size = 5};
    dmpi_tar_writer_init(&w, dmpi_tar_write_buf, &tar);
    OK(dmpi_tar_add(&w, &entry, &err));
    OK(dmpi_tar_data(&w, "bytes", 5, &err));
    OK(dmpi_tar_finish(&w, &err));

    struct dmpi_memory m = {.data = tar.data, .len = tar.len};
    struct dmpi_source source = dmpi_source_from_memory(&m);
    OK(dmpi_container_put_archive(engine, CTL(60000), id, "/tmp", &source, &err));
    dmpi_json_auto json_t *stat = NULL;
    OK(dmpi_container_stat(engine, CTL(60000), id, "/tmp/d/f", &stat, &err));
    assert_int_equal(dmpi_json_int(stat, "size", -1), 5);
    assert_int_equal(dmpi_json_int(stat, "mode", -1) & 0777, 0640);
    struct dmpi_sink sink = dmpi_sink_to_buf(&back);
    OK(dmpi_container_get_archive(engine, CTL(60000), id, "/tmp/d/f", &sink, &err));
    assert_true(back.len >= 1024 && memcmp(back.data, "f", 2) == 0);

    m.pos = 0;
    assert_int_equal(dmpi_container_put_archive(engine, CTL(60000), id, "/nowhere", &source, &err),
                     -1);
    assert_int_equal(err.code, DMPI_ENOTFOUND);
    json_t *none = NULL;
    assert_int_equal(dmpi_container_stat(engine, CTL(60000), id, "/nowhere", &none, &err), -1);
    assert_int_equal(err.code, DMPI_ENOTFOUND);
    destroy(id);
}

static int count_lines(void *arg, json_t *object, struct dmpi_err *e)
{
    (void)object;
    (void)e;
    ++*(int *)arg;
    return 0;
}

static void add_file(struct dmpi_tar_writer *w, const char *path, const char *text)
{
    struct dmpi_tar_entry entry = {.path = path, .type = '0', .mode = 0644, .size = strlen(text)};
    OK(dmpi_tar_add(w, &entry, &err));
    OK(dmpi_tar_data(w, text, strlen(text), &err));
}

// Several of this program run at once on one engine.
static const char *test_image(void)
{
    static char name[64];
    snprintf(name, sizeof name, "dockmpi-test/engine-live:%d", (int)getpid());
    return name;
}

static int build(const char *dockerfile, char **id, int *lines)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf tar = DMPI_BUF_INIT(8 << 20);
    struct dmpi_tar_writer w;
    dmpi_tar_writer_init(&w, dmpi_tar_write_buf, &tar);
    add_file(&w, "Dockerfile", dockerfile);
    OK(dmpi_tar_finish(&w, &err));
    struct dmpi_memory m = {.data = tar.data, .len = tar.len};
    struct dmpi_source source = dmpi_source_from_memory(&m);
    const char *tags[] = {test_image(), NULL};
    struct dmpi_build_params params = {.tags = tags, .network = "none"};
    return dmpi_image_build(engine, CTL(120000), &params, &source, count_lines, lines, id, &err);
}

static int write_fd(void *arg, const void *data, size_t n, struct dmpi_err *e)
{
    (void)e;
    return write(*(int *)arg, data, n) == (ssize_t)n ? 0 : -1;
}

static void builds_saves_loads(void **state)
{
    (void)state;
    NEED_ENGINE();
    char *id = NULL;
    int lines = 0;
    dmpi_autofree char *good = dmpi_xasprintf("FROM %s\nLABEL a=b\n", image());
    dmpi_autofree char *bad = dmpi_xasprintf("FROM %s\nRUN exit 9\n", image());
    OK(build(good, &id, &lines));
    assert_non_null(id);
    assert_true(dmpi_text_starts_with(id, "sha256:"));
    assert_true(lines >= 2);
    assert_int_equal(build(bad, NULL, &lines), -1); /* the failure comes under HTTP 200 */
    assert_int_equal(err.code, DMPI_EENGINE);
    if (!strstr(err.msg, "non-zero code: 9"))
        fail_msg("%s", err.msg);
    assert_int_equal(build("NONSENSE", NULL, &lines), -1);

    dmpi_json_auto json_t *one = NULL, *list = NULL;
    const char *ref = test_image(), *two = strchr(ref, ':') + 1;
    dmpi_autofree char *other = dmpi_xasprintf("dockmpi-test/other:%s", two);
    OK(dmpi_image_inspect(engine, CTL(20000), ref, &one, &err));
    assert_string_equal(dmpi_json_str(one, "Id"), id);
    free(id);
    dmpi_autofree char *filter = dmpi_xasprintf("reference=%s", ref);
    const char *filters[] = {filter, NULL};
    OK(dmpi_image_list(engine, CTL(20000), filters, &list, &err));
    assert_int_equal(json_array_size(list), 1);
    OK(dmpi_image_tag(engine, CTL(20000), ref, "dockmpi-test/other", two, &err));
    OK(dmpi_image_remove(engine, CTL(20000), other, false, &err));

    FILE *file = tmpfile();
    int fd = fileno(file);
    const char *refs[] = {ref, NULL};
    struct dmpi_sink sink = {write_fd, &fd};
    OK(dmpi_image_save(engine, CTL(120000), refs, &sink, &err));
    OK(dmpi_image_remove(engine, CTL(20000), ref, false, &err));
    OK(dmpi_image_remove(engine, CTL(20000), ref, false, &err));
    lseek(fd, 0, SEEK_SET);
    struct dmpi_source source = dmpi_source_from_fd(&fd);
    OK(dmpi_image_load(engine, CTL(120000), &source, count_lines, &lines, &err));
    OK(dmpi_image_remove(engine, CTL(20000), ref, false, &err));
    fclose(file);

    struct dmpi_memory junk = {.data = "this is no tar", .len = 14};
    source = dmpi_source_from_memory(&junk);
    assert_int_equal(dmpi_image_load(engine, CTL(60000), &source, NULL, NULL, &err), -1);
}

static int first_die(void *arg, json_t *object, struct dmpi_err *e)
{
    (void)e;
    const char *status = dmpi_json_str(object, "status");
    if (!status || strcmp(status, "die") != 0)
        return 0;
    *(bool *)arg = true;
    return 1;
}

static void follows_events(void **state)
{
    (void)state;
    NEED_ENGINE();
    char *id = create("exit 0", false);
    bool died = false;
    dmpi_autofree char *mine = dmpi_xasprintf("container=%s", id);
    const char *filters[] = {"type=container", mine, NULL};
    time_t now = time(NULL);
    OK(dmpi_container_start(engine, CTL(60000), id, &err));
    OK(dmpi_engine_events(engine, CTL(30000), filters, now - 1, 0, first_die, &died, &err));
    assert_true(died);
    int none = 0;
    assert_int_equal(
        dmpi_engine_events(engine, CTL(200), filters, now + 60, 0, count_lines, &none, &err), -1);
    assert_int_equal(err.code, DMPI_ETIMEOUT);
    destroy(id);
}

static void stops_when_told(void **state)
{
    (void)state;
    NEED_ENGINE();
    char *id = running();
    int code;
    dmpi_json_auto json_t *top = NULL;
    OK(dmpi_container_top(engine, CTL(20000), id, NULL, &top, &err));
    assert_non_null(dmpi_json_arr(top, "Processes"));
    int64_t start = dmpi_now_ms();
    assert_int_equal(dmpi_container_wait(engine, CTL(300), id, &code, &err), -1);
    assert_int_equal(err.code, DMPI_ETIMEOUT);
    assert_in_range(dmpi_now_ms() - start, 250, 60000);
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(write(pipes[1], "x", 1), 1);
    struct dmpi_ctl cancelled = {.deadline_ms = 0, .cancel_fd = pipes[0]};
    assert_int_equal(dmpi_container_wait(engine, &cancelled, id, &code, &err), -1);
    assert_int_equal(err.code, DMPI_ECANCELED);
    close(pipes[0]);
    close(pipes[1]);
    OK(dmpi_container_stop(engine, CTL(60000), id, 0, &err));
    OK(dmpi_container_wait(engine, CTL(20000), id, &code, &err));
    destroy(id);
}

static void *hammer(void *arg)
{
    struct dmpi_err e;
    for (int i = 0; i < 50; i++) {
        json_t *list = NULL;
        if (dmpi_container_list(engine, NULL, NULL, true, &list, &e) != 0)
            return &err;
        json_decref(list);
    }
    return arg;
}

static void serves_threads(void **state)
{
    (void)state;
    NEED_ENGINE();
    pthread_t threads[8];
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, NULL), 0);
    for (int i = 0; i < 8; i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_null(result);
    }
}

/* DMPI_LIVE_CUT is a command that breaks every connection to the engine. */
static void comes_back_after_a_cut(void **state)
{
    (void)state;
    const char *cut = getenv("DMPI_LIVE_CUT");
    NEED_ENGINE();
    char *id = running();
    struct dmpi_hijack *h = NULL;
    char c;
    OK(dmpi_container_attach(engine, CTL(20000), id, DMPI_ATTACH_OUTPUT, &h, &err));
    assert_int_equal(system(cut), 0);
    assert_true(dmpi_hijack_read(h, CTL(20000), &c, 1, &err) <= 0); /* it ends, it does not hang */
    dmpi_hijack_close(h);
    json_t *info = NULL;
    for (int i = 0; i < 3; i++) { /* requests that were under way may fail once */
        if (dmpi_engine_info(engine, CTL(20000), &info, &err) == 0)
            break;
        usleep(300000);
    }
    if (!info)
        fail_msg("%s", err.msg);
    json_decref(info);
    destroy(id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_itself),   cmocka_unit_test(attaches_before_start),
        cmocka_unit_test(execs),          cmocka_unit_test(execs_with_terminal),
        cmocka_unit_test(archives),       cmocka_unit_test(builds_saves_loads),
        cmocka_unit_test(follows_events), cmocka_unit_test(stops_when_told),
        cmocka_unit_test(serves_threads), cmocka_unit_test(comes_back_after_a_cut),
    };
    /* The last one only where there is something to cut. */
    size_t n = DMPI_ARRAY_LEN(tests) - (getenv("DMPI_LIVE_CUT") ? 0 : 1);
    return _cmocka_run_group_tests("engine_live", tests, n, set_up, tear_down);
}
