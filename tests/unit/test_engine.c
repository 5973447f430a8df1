// SPDX-License-Identifier: MIT
// The engine client against a fake engine that misbehaves.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "engine/containers.h"
#include "engine/engine.h"
#include "engine/exec.h"
#include "engine/http.h"
#include "engine/images.h"
#include "unit/fake_engine.h"

static struct dmpi_err err;

#define CTL(ms) (&(struct dmpi_ctl){.deadline_ms = dmpi_now_ms() + (ms), .cancel_fd = -1})

static void ok_at(int line, int result)
{
    if (result != 0)
        fail_msg("line %d: %s", line, err.msg);
}
#define OK(call) ok_at(__LINE__, (call))

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" does not contain \"%s\"", text, part);
}

static int open_url(struct dmpi_engine **out, const char *url, int64_t ms)
{
    struct dmpi_endpoint ep;
    OK(dmpi_endpoint_parse(&ep, url, &err));
    int result = dmpi_engine_open(out, &ep, CTL(ms), &err);
    dmpi_endpoint_free(&ep);
    return result;
}

/*
 * One answer, as raw bytes, to the request whose first line contains `line` (after a ping); then
 * the connection is closed when close is set.
 */
struct script {
    const char *api;
    const char *line;
    const char *answer;
    bool slowly;
    bool close;
    int asked; /* how often the request came */
};

static void serve_script(struct fake *f, int fd, int n, void *arg)
{
    (void)f;
    (void)n;
    struct script *s = arg;
    char line[1024];
    while (fake_request_line(fd, line, sizeof line)) {
        if (strstr(line, "/_ping")) {
            fake_pong(fd, s->api ? s->api : "1.47");
            continue;
        }
        if (!s->line || !strstr(line, s->line)) {
            fake_answer(fd, "404 Not Found", "application/json", "{\"message\":\"odd request\"}");
            continue;
        }
        __atomic_add_fetch(&s->asked, 1, __ATOMIC_SEQ_CST);
        if (s->slowly)
            fake_send_slowly(fd, s->answer, strlen(s->answer));
        else
            fake_send(fd, s->answer);
        if (s->close)
            return;
    }
}

static struct fake *fake;
static struct dmpi_engine *engine;

static void start(struct script *s)
{
    fake = fake_start(serve_script, s);
    OK(open_url(&engine, fake_url(fake), 10000));
}

static void stop(void)
{
    dmpi_engine_close(engine);
    engine = NULL;
    fake_stop(fake);
}

static void agrees_on_a_version(void **state)
{
    (void)state;
    static const struct {
        const char *theirs, *agreed;
    } cases[] = {{"1.41", "1.41"}, {"1.45", "1.45"}, {"1.51", "1.51"}, {"1.99", DMPI_API_MAX}};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        struct script s = {.api = cases[i].theirs};
        start(&s);
        assert_string_equal(dmpi_engine_api(engine), cases[i].agreed);
        assert_string_equal(dmpi_engine_os(engine), "linux");
        assert_false(dmpi_engine_is_podman(engine));
        stop();
    }
}

static void fails_to_open(struct script *s, enum dmpi_code code, const char *part)
{
    struct dmpi_engine *e = NULL;
    struct fake *f = fake_start(serve_script, s);
    assert_int_equal(open_url(&e, fake_url(f), 3000), -1);
    assert_int_equal(err.code, code);
    assert_contains(err.msg, part);
    fake_stop(f);
}

static void refuses_what_is_too_old(void **state)
{
    (void)state;
    struct script s = {.api = "1.38",
                       .line = "GET /version ",
                       .answer = "HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n"
                                 "{\"Version\":\"18.09.1\"}"};
    fails_to_open(&s, DMPI_EENGINE, "too old: release 18.09.1 speaks API 1.38, dockmpi needs 1.41");
    s.line = "nothing";
    fails_to_open(&s, DMPI_EENGINE, "too old: it speaks API 1.38");
    struct script odd = {.api = "banana"};
    fails_to_open(&odd, DMPI_EPARSE, "is not a Docker engine");
}

/* Answers every request with raw bytes and closes. */
static void serve_raw(struct fake *f, int fd, int n, void *arg)
{
    (void)f;
    (void)n;
    char line[1024];
    if (fake_request_line(fd, line, sizeof line))
        fake_send(fd, arg);
}

static void serve_nothing(struct fake *f, int fd, int n, void *arg)
{
    (void)f;
    (void)n;
    (void)arg;
    char c;
    while (recv(fd, &c, 1, 0) == 1)
        ;
}

static void names_what_is_no_engine(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        enum dmpi_code code;
        const char *part;
    } cases[] = {
        {"", DMPI_EUNREACHABLE, "closed the connection without an answer"},
        {"SSH-2.0-OpenSSH_9.2\r\n", DMPI_EPARSE, "does not speak HTTP"},
        {"\x15\x03\x01", DMPI_EPARSE, "does not speak HTTP"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", DMPI_EPARSE, "is not a Docker engine"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", DMPI_EUNREACHABLE,
         "in the middle of its answer"},
        {"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 13\r\n\r\n<h1>oops</h1>", DMPI_EENGINE,
         "HTTP 502: <h1>oops</h1>"},
        {"HTTP/1.1 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
         DMPI_EINVAL, "HTTPS server"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        struct dmpi_engine *e = NULL;
        char answer[256];
        snprintf(answer, sizeof answer, "%s", cases[i].answer);
        struct fake *f = fake_start(serve_raw, answer);
        assert_int_equal(open_url(&e, fake_url(f), 5000), -1);
        assert_contains(err.msg, cases[i].part);
        assert_int_equal(err.code, cases[i].code);
        fake_stop(f);
    }
}

static void gives_up_on_silence(void **state)
{
    (void)state;
    struct dmpi_engine *e = NULL;
    struct fake *f = fake_start(serve_nothing, NULL);
    int64_t begin = dmpi_now_ms();
    assert_int_equal(open_url(&e, fake_url(f), 300), -1);
    assert_int_equal(err.code, DMPI_ETIMEOUT);
    assert_contains(err.msg, "does not answer");
    assert_in_range(dmpi_now_ms() - begin, 250, 60000);

    int fds[2];
    struct dmpi_endpoint ep;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    struct dmpi_ctl cancelled = {.cancel_fd = fds[0]};
    OK(dmpi_endpoint_parse(&ep, fake_url(f), &err));
    assert_int_equal(dmpi_engine_open(&e, &ep, &cancelled, &err), -1);
    assert_int_equal(err.code, DMPI_ECANCELED);
    dmpi_endpoint_free(&ep);
    close(fds[0]);
    close(fds[1]);
    fake_stop(f);
}

#define LIST_HEAD "HTTP/1.1 200 OK\r\nContent-Length: 12000\r\n\r\n"

static void drip(struct fake *f, int fd, int n, void *arg)
{
    (void)f, (void)n;
    char line[1024];
    while (fake_request_line(fd, line, sizeof line)) {
        if (strstr(line, "/_ping")) {
            fake_pong(fd, "1.47");
            continue;
        }
        // A byte every 20 ms, so that its head alone takes a second; or two hundred of them.
        const size_t step = *(size_t *)arg;
        dmpi_autofree char *answer = dmpi_xasprintf("%s%-11999s]", LIST_HEAD, "[");
        for (size_t i = 0; i < strlen(answer); i += step) {
            size_t left = strlen(answer) - i;
            if (send(fd, answer + i, left < step ? left : step, MSG_NOSIGNAL) < 0)
                return;
            usleep(20000);
        }
    }
}

/* An answer that hardly goes on is given up; a slow one that does is waited for. */
static void gives_up_on_a_dripping_answer(void **state)
{
    (void)state;
    size_t step = 1;
    dmpi_json_auto json_t *list = NULL;
    fake = fake_start(drip, &step);
    OK(open_url(&engine, fake_url(fake), 10000));
    engine->pause_ms = 300;
    int64_t begin = dmpi_now_ms();
    assert_int_equal(dmpi_container_list(engine, CTL(60000), NULL, true, &list, &err), -1);
    assert_in_range(dmpi_now_ms() - begin, 300, 30000);
    assert_int_equal(err.code, DMPI_ETIMEOUT);
    assert_contains(err.msg, "does not go on with its answer (GET /containers/json");
    stop();

    step = 200;
    fake = fake_start(drip, &step);
    OK(open_url(&engine, fake_url(fake), 10000));
    engine->pause_ms = 1000;
    begin = dmpi_now_ms();
    OK(dmpi_container_list(engine, CTL(60000), NULL, true, &list, &err));
    assert_true(dmpi_now_ms() - begin > 1000);
    stop();
}

static void names_the_socket_that_fails(void **state)
{
    (void)state;
    struct dmpi_engine *e = NULL;
    assert_int_equal(open_url(&e, "unix:///nowhere/docker.sock", 3000), -1);
    assert_int_equal(err.code, DMPI_EUNREACHABLE);
    assert_contains(err.msg, "no Docker engine answers at /nowhere/docker.sock");
    assert_contains(err.msg, "systemctl start docker");

    char dir[] = "/tmp/test-engine-XXXXXX", url[128];
    assert_non_null(mkdtemp(dir));
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    snprintf(sun.sun_path, sizeof sun.sun_path, "%s/s", dir);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof sun), 0);
    snprintf(url, sizeof url, "unix://%s", sun.sun_path);
    assert_int_equal(open_url(&e, url, 3000), -1);
    assert_contains(err.msg, "nobody listens");
    close(fd);
    unlink(sun.sun_path);
    rmdir(dir);

    assert_int_equal(open_url(&e, "tcp://127.0.0.1:1", 3000), -1);
    assert_int_equal(err.code, DMPI_EUNREACHABLE);
    char host[] = "192.0.2.1";
    struct dmpi_endpoint far = {.scheme = DMPI_TCP, .host = host, .port = 2375};
    assert_int_equal(dmpi_engine_open(&e, &far, CTL(3000), &err), -1);
    assert_int_equal(err.code, DMPI_EINVAL);
    assert_contains(err.msg, "without TLS");
}

#define JSON_OK(body) "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" body

static void reads_answers_cut_anywhere(void **state)
{
    (void)state;
    struct script s = {.line = "GET /v1.47/containers/json?all=1",
                       .slowly = true,
                       .answer = JSON_OK("3\r\n[{\"\r\n4\r\nId\":\r\n6\r\n\"abc\"}\r\n1\r\n]\r\n"
                                         "0\r\n\r\n")};
    json_t *list = NULL;
    start(&s);
    OK(dmpi_container_list(engine, CTL(10000), NULL, true, &list, &err));
    assert_string_equal(dmpi_json_str(json_array_get(list, 0), "Id"), "abc");
    json_decref(list);
    OK(dmpi_container_list(engine, CTL(10000), NULL, true, &list, &err));
    json_decref(list);
    stop();
    assert_int_equal(s.asked, 2);
}

static void refuses_wrong_answers(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        enum dmpi_code code;
        const char *part;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{},", DMPI_EPARSE, "is not JSON"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", DMPI_EPARSE, "wrong kind"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", DMPI_EPARSE, "without a body"},
        {JSON_OK("40\r\n{\"Id"), DMPI_EUNREACHABLE, "in the middle of its answer"},
        {JSON_OK("zz\r\n{\"Id"), DMPI_EUNREACHABLE, "in the middle of its answer"},
        {"HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", DMPI_EENGINE,
         "HTTP 301"},
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 21\r\n\r\n{\"message\":\"no \x1b[1m\"}",
         DMPI_ENOTFOUND, "HTTP 404"},
        {"HTTP/1.1 409 Conflict\r\nContent-Length: 17\r\n\r\n{\"message\":\"dup\"}", DMPI_ECONFLICT,
         "dup"},
        {"HTTP/1.1 403 Forbidden\r\nContent-Length: 15\r\n\r\n{\"cause\":\"own\"}", DMPI_EDENIED,
         "own"},
        {"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", DMPI_EENGINE, "HTTP 500"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        struct script s = {.line = "/json", .answer = cases[i].answer, .close = true};
        json_t *out = NULL;
        start(&s);
        assert_int_equal(dmpi_container_inspect(engine, CTL(5000), "x", &out, &err), -1);
        assert_contains(err.msg, cases[i].part);
        assert_int_equal(err.code, cases[i].code);
        assert_null(strchr(err.msg, '\x1b'));
        assert_null(out);
        stop();
    }
}

/* The second request on a connection kills it unanswered, as an engine that is stopped does. */
static void serve_and_drop(struct fake *f, int fd, int n, void *arg)
{
    (void)f;
    (void)n;
    int *creates = arg;
    char line[1024];
    while (fake_request_line(fd, line, sizeof line)) {
        if (strstr(line, "/_ping")) {
            fake_pong(fd, "1.41");
            continue;
        }
        __atomic_add_fetch(creates, 1, __ATOMIC_SEQ_CST);
        return;
    }
}

static void never_creates_twice(void **state)
{
    (void)state;
    int creates = 0;
    json_t *body = json_pack("{s:s}", "Image", "x");
    fake = fake_start(serve_and_drop, &creates);
    OK(open_url(&engine, fake_url(fake), 10000));
    assert_int_equal(dmpi_container_create(engine, CTL(5000), "c", body, NULL, &err), -1);
    assert_int_equal(err.code, DMPI_EUNREACHABLE);
    assert_contains(err.msg, "may or may not have been done");
    json_decref(body);
    stop();
    assert_int_equal(creates, 1);
}

static void uses_connections_again(void **state)
{
    (void)state;
    struct script s = {.line = "/info", .answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"};
    json_t *out = NULL;
    start(&s);
    for (int i = 0; i < 20; i++) {
        OK(dmpi_engine_info(engine, CTL(5000), &out, &err));
        json_decref(out);
    }
    stop();
    assert_int_equal(s.asked, 20);
}

static int keep_last(void *arg, json_t *object, struct dmpi_err *e)
{
    (void)e;
    const char *text = dmpi_json_str(object, "stream");
    if (text)
        snprintf(arg, 64, "%s", text);
    return 0;
}

static ssize_t no_context(void *arg, void *buf, size_t n, struct dmpi_err *e)
{
    (void)arg;
    (void)buf;
    (void)n;
    (void)e;
    return 0;
}

static ssize_t bad_context(void *arg, void *buf, size_t n, struct dmpi_err *e)
{
    (void)arg;
    (void)buf;
    (void)n;
    return dmpi_err_set(e, DMPI_ESYS, "disk on fire");
}

static void finds_errors_in_streams(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        const char *part; /* NULL: success */
    } cases[] = {
        {"HTTP/1.1 200 OK\r\n\r\n{\"stream\":\"a {\\\"} "
         "b\"}\r\n\r\n{\"aux\":{\"ID\":\"sha256:1\"}}",
         NULL},
        {"HTTP/1.1 200 OK\r\n\r\n{\"stream\":\"x\"}{\"errorDetail\":{\"code\":1,\"message\":\"no "
         "space left on device\"},\"error\":\"e\"}",
         "no space left on device"},
        {"HTTP/1.1 200 OK\r\n\r\n{\"error\":\"plain\"}", "plain"},
        {"HTTP/1.1 200 OK\r\n\r\n{\"stream\":\"x", "cut off"},
        {"HTTP/1.1 200 OK\r\n\r\n{\"stream\":\"x\"}garbage", "is not JSON"},
        {"HTTP/1.1 200 OK\r\n\r\n{stream}", "is not JSON"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        struct script s = {
            .line = "POST /v1.47/build?", .answer = cases[i].answer, .slowly = true, .close = true};
        struct dmpi_build_params params = {0};
        struct dmpi_source source = {no_context, NULL};
        char last[64] = "", *id = NULL;
        start(&s);
        int result =
            dmpi_image_build(engine, CTL(10000), &params, &source, keep_last, last, &id, &err);
        if (cases[i].part) {
            assert_int_equal(result, -1);
            assert_contains(err.msg, cases[i].part);
        } else {
            OK(result);
            assert_string_equal(last, "a {\"} b");
            assert_string_equal(id, "sha256:1");
        }
        free(id);
        stop();
    }
}

static void keeps_the_sources_error(void **state)
{
    (void)state;
    struct script s = {.line = "nothing"};
    struct dmpi_source source = {bad_context, NULL};
    start(&s);
    assert_int_equal(dmpi_container_put_archive(engine, CTL(5000), "c", "/", &source, &err), -1);
    assert_string_equal(err.msg, "disk on fire");
    stop();
}

/* Refuses an upload at once, without reading it. */
static void serve_refusal(struct fake *f, int fd, int n, void *arg)
{
    (void)f;
    (void)n;
    (void)arg;
    char head[65536];
    if (!fake_request(fd, head, 1024))
        return;
    fake_pong(fd, "1.41");
    if (recv(fd, head, 300, 0) <= 0)
        return;
    fake_answer(fd, "404 Not Found", "application/json", "{\"message\":\"no such container: c\"}");
    usleep(300000);
}

static ssize_t endless(void *arg, void *buf, size_t n, struct dmpi_err *e)
{
    (void)arg;
    (void)e;
    memset(buf, 'x', n);
    return (ssize_t)n;
}

static void hears_a_refusal_while_sending(void **state)
{
    (void)state;
    struct dmpi_source source = {endless, NULL};
    fake = fake_start(serve_refusal, NULL);
    OK(open_url(&engine, fake_url(fake), 10000));
    assert_int_equal(dmpi_container_put_archive(engine, CTL(10000), "c", "/", &source, &err), -1);
    assert_int_equal(err.code, DMPI_ENOTFOUND);
    assert_contains(err.msg, "no such container");
    stop();
}

static void serve_cut_log(struct fake *f, int fd, int n, void *arg)
{
    (void)f;
    (void)n;
    (void)arg;
    static const char log[] = "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n"
                              "\1\0\0\0\0\0\0\3abc\2\0\0";
    char line[1024];
    while (fake_request_line(fd, line, sizeof line)) {
        if (strstr(line, "/_ping"))
            fake_pong(fd, "1.41");
        else
            fake_send_n(fd, log, sizeof log - 1);
    }
}

static void hears_that_a_log_is_cut(void **state)
{
    (void)state;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf out = DMPI_BUF_INIT(100);
    struct dmpi_streams streams = {dmpi_sink_to_buf(&out), {NULL, NULL}};
    fake = fake_start(serve_cut_log, NULL);
    OK(open_url(&engine, fake_url(fake), 10000));
    assert_int_equal(dmpi_container_logs(engine, CTL(5000), "c", NULL, &streams, &err), -1);
    assert_int_equal(err.code, DMPI_EPARSE);
    assert_string_equal(dmpi_buf_str(&out), "abc");
    stop();
}

static void serve_endless(struct fake *f, int fd, int n, void *arg)
{
    (void)f;
    (void)n;
    (void)arg;
    char spaces[1 << 16];
    char line[1024];
    memset(spaces, ' ', sizeof spaces);
    while (fake_request_line(fd, line, sizeof line)) {
        if (strstr(line, "/_ping")) {
            fake_pong(fd, "1.41");
            continue;
        }
        fake_send(fd, strstr(line, "/json") ? "HTTP/1.1 404 Not Found\r\n\r\n"
                                            : "HTTP/1.1 200 OK\r\n\r\n");
        for (int i = 0; i < 1100; i++)
            fake_send_n(fd, spaces, sizeof spaces);
        return;
    }
}

static void bounds_what_it_keeps(void **state)
{
    (void)state;
    json_t *out = NULL;
    fake = fake_start(serve_endless, NULL);
    OK(open_url(&engine, fake_url(fake), 10000));
    assert_int_equal(dmpi_engine_info(engine, CTL(60000), &out, &err), -1);
    assert_contains(err.msg, "over 64 MiB");
    assert_int_equal(dmpi_container_inspect(engine, CTL(60000), "c", &out, &err), -1);
    assert_contains(err.msg, "HTTP 404");
    stop();
}

/* ---- hijacked connections ---- */

#define UPGRADED                                                                                   \
    "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n"                 \
    "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"

/* Sends early bytes with the head, echoes what comes, and says how the input ended. */
static void serve_hijack(struct fake *f, int fd, int n, void *arg)
{
    (void)f;
    (void)n;
    bool slowly = *(bool *)arg;
    char buf[8192];
    static const char answer[] = UPGRADED "early ";
    while (fake_request(fd, buf, sizeof buf)) {
        if (strstr(buf, "/_ping")) {
            fake_pong(fd, "1.41");
            continue;
        }
        if (slowly)
            fake_send_slowly(fd, answer, sizeof answer - 1);
        else
            fake_send_n(fd, answer, sizeof answer - 1);
        ssize_t got;
        while ((got = recv(fd, buf, sizeof buf, 0)) > 0)
            fake_send_n(fd, buf, (size_t)got);
        fake_send(fd, got == 0 ? " end" : " lost");
        return;
    }
}

static void hijacks(void **state)
{
    (void)state;
    for (int slowly = 0; slowly < 2; slowly++) {
        bool flag = slowly;
        struct dmpi_hijack *h = NULL;
        DMPI_AUTO(dmpi_buf_free) struct dmpi_buf out = DMPI_BUF_INIT(1000);
        fake = fake_start(serve_hijack, &flag);
        OK(open_url(&engine, fake_url(fake), 10000));
        OK(dmpi_container_attach(engine, CTL(10000), "c", DMPI_ATTACH_STDIN | DMPI_ATTACH_OUTPUT,
                                 &h, &err));
        struct dmpi_pump pump = DMPI_PUMP_INIT;
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        assert_int_equal(write(fds[1], "fd", 2), 2);
        close(fds[1]);
        struct dmpi_memory m = {.data = "source ", .len = 7};
        pump.data = "data ";
        pump.len = 5;
        pump.source = dmpi_source_from_memory(&m);
        pump.in_fd = fds[0];
        pump.tty = true;
        pump.streams.out = dmpi_sink_to_buf(&out);
        OK(dmpi_hijack_pump(h, CTL(10000), &pump, &err));
        assert_string_equal(dmpi_buf_str(&out), "early data source fd end");
        dmpi_hijack_close(h);
        close(fds[0]);
        stop();
    }
}

static void hijacked_reads_and_writes(void **state)
{
    (void)state;
    bool flag = false;
    struct dmpi_hijack *h = NULL;
    char buf[64];
    fake = fake_start(serve_hijack, &flag);
    OK(open_url(&engine, fake_url(fake), 10000));
    OK(dmpi_container_attach(engine, CTL(10000), "c", DMPI_ATTACH_STDIN, &h, &err));
    ssize_t n = dmpi_hijack_read(h, CTL(5000), buf, 3, &err);
    assert_int_equal(n, 3);
    assert_memory_equal(buf, "ear", 3);
    assert_int_equal(dmpi_hijack_read(h, CTL(5000), buf, sizeof buf, &err), 3);
    assert_int_equal(dmpi_hijack_read_some(h, buf, sizeof buf, &err), DMPI_WOULD_BLOCK);
    assert_int_equal(dmpi_hijack_read(h, CTL(100), buf, sizeof buf, &err), -1);
    assert_int_equal(err.code, DMPI_ETIMEOUT);
    OK(dmpi_hijack_write(h, CTL(5000), "abc", 3, &err));
    assert_int_equal(dmpi_hijack_read(h, CTL(5000), buf, sizeof buf, &err), 3);
    OK(dmpi_hijack_half_close(h, CTL(5000), &err));
    OK(dmpi_hijack_half_close(h, CTL(5000), &err));
    assert_int_equal(dmpi_hijack_write(h, CTL(5000), "x", 1, &err), -1);
    assert_int_equal(dmpi_hijack_read(h, CTL(5000), buf, sizeof buf, &err), 4);
    assert_memory_equal(buf, " end", 4);
    assert_int_equal(dmpi_hijack_read(h, CTL(5000), buf, sizeof buf, &err), 0);
    dmpi_hijack_close(h);
    stop();
}

static void hijack_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        enum dmpi_code code;
        const char *part;
    } cases[] = {
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 25\r\n\r\n{\"message\":\"no such thing\"}",
         DMPI_ENOTFOUND, "no such thing"},
        {"HTTP/1.1 409 Conflict\r\nTransfer-Encoding: chunked\r\n\r\n"
         "15\r\n{\"message\":\"stopped\"}\r\n0\r\n\r\n",
         DMPI_ECONFLICT, "stopped"},
        {"HTTP/1.1 500 Oops\r\n\r\n", DMPI_EENGINE, "HTTP 500"},
        {"HTTP/1.1 101", DMPI_EUNREACHABLE, "was lost"},
        {"nonsense", DMPI_EPARSE, "does not speak HTTP"},
        {"", DMPI_EUNREACHABLE, "was lost"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        struct script s = {.line = "/attach", .answer = cases[i].answer, .close = true};
        struct dmpi_hijack *h = NULL;
        start(&s);
        assert_int_equal(dmpi_container_attach(engine, CTL(5000), "c", 3, &h, &err), -1);
        assert_contains(err.msg, cases[i].part);
        assert_int_equal(err.code, cases[i].code);
        stop();
    }
}

static void hijack_refused_by_silence(void **state)
{
    (void)state;
    struct script s = {.line = "/attach", .answer = "HTTP/1.1 101 UP\r\n"};
    struct dmpi_hijack *h = NULL;
    start(&s);
    assert_int_equal(dmpi_container_attach(engine, CTL(200), "c", 3, &h, &err), -1);
    assert_int_equal(err.code, DMPI_ETIMEOUT);
    stop();
}

static int wake(void *arg, struct dmpi_err *e)
{
    (void)e;
    char c;
    assert_int_equal(read(*(int *)arg, &c, 1), 1);
    return c == 'q';
}

static void pump_wakes_and_gives_up(void **state)
{
    (void)state;
    bool flag = false;
    struct dmpi_hijack *h = NULL;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "aq", 2), 2);
    fake = fake_start(serve_hijack, &flag);
    OK(open_url(&engine, fake_url(fake), 10000));
    OK(dmpi_container_attach(engine, CTL(10000), "c", DMPI_ATTACH_STDIN, &h, &err));
    struct dmpi_pump pump = DMPI_PUMP_INIT;
    pump.keep_stdin = true;
    pump.tty = true;
    pump.wake_fd = fds[0];
    pump.on_wake = wake;
    pump.wake_arg = &fds[0];
    OK(dmpi_hijack_pump(h, CTL(5000), &pump, &err));
    assert_int_equal(dmpi_hijack_pump(h, CTL(150), &pump, &err), -1);
    assert_int_equal(err.code, DMPI_ETIMEOUT);
    dmpi_hijack_close(h);
    close(fds[0]);
    close(fds[1]);
    stop();
}

/* Sends a damaged multiplexed stream. */
static void pump_sees_damage(void **state)
{
    (void)state;
    static const char *const streams[] = {UPGRADED "\1nonsense", UPGRADED "\2"};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(streams); i++) {
        struct script s = {.line = "/attach", .answer = streams[i], .close = true};
        struct dmpi_hijack *h = NULL;
        struct dmpi_pump pump = DMPI_PUMP_INIT;
        start(&s);
        OK(dmpi_container_attach(engine, CTL(5000), "c", 3, &h, &err));
        assert_int_equal(dmpi_hijack_pump(h, CTL(5000), &pump, &err), -1);
        assert_int_equal(err.code, DMPI_EPARSE);
        dmpi_hijack_close(h);
        stop();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_on_a_version),
        cmocka_unit_test(refuses_what_is_too_old),
        cmocka_unit_test(names_what_is_no_engine),
        cmocka_unit_test(gives_up_on_silence),
        cmocka_unit_test(gives_up_on_a_dripping_answer),
        cmocka_unit_test(names_the_socket_that_fails),
        cmocka_unit_test(reads_answers_cut_anywhere),
        cmocka_unit_test(refuses_wrong_answers),
        cmocka_unit_test(never_creates_twice),
        cmocka_unit_test(uses_connections_again),
        cmocka_unit_test(finds_errors_in_streams),
        cmocka_unit_test(keeps_the_sources_error),
        cmocka_unit_test(hears_a_refusal_while_sending),
        cmocka_unit_test(hears_that_a_log_is_cut),
        cmocka_unit_test(bounds_what_it_keeps),
        cmocka_unit_test(hijacks),
        cmocka_unit_test(hijacked_reads_and_writes),
        cmocka_unit_test(hijack_refusals),
        cmocka_unit_test(hijack_refused_by_silence),
        cmocka_unit_test(pump_wakes_and_gives_up),
        cmocka_unit_test(pump_sees_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
