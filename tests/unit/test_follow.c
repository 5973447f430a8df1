// SPDX-License-Identifier: MIT
// A log that is followed over connections that break at every place: nothing twice, nothing missing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "engine/engine.h"
#include "job/follow.h"
#include "unit/fake_engine.h"

#define DAY "2026-11-21T10:00:"

struct entry {
    int stream; // 1 or 2
    const char *time;
    const char *text;
};

// Equal times, streams out of order, a long line in parts, a line that ends with the job.
static const struct entry usual[] = {
    {1, DAY "00.000000001Z", "one\n"},      {2, DAY "00.000000001Z", "a\n"},
    {1, DAY "00.000000001Z", "one\n"},      {1, DAY "00.000000003Z", "two\n"},
    {2, DAY "00.000000002Z", "b\n"},        {1, DAY "06.000000000Z", "long "},
    {1, DAY "06.000000000Z", "and "},       {1, DAY "06.000000000Z", "longer\n"},
    {1, DAY "12.500000000Z", "three\n"},    {2, DAY "12.400000000Z", "c\n"},
    {2, DAY "12.600000000Z", "\n"},         {1, DAY "18.000000000Z", "four\n"},
    {1, DAY "18.000000000Z", "four\n"},     {2, DAY "18.000000000Z", "d\n"},
    {1, DAY "24.000000000Z", "no newline"},
};
// The clock is set back by an hour.
static const struct entry back[] = {
    {1, "2026-11-21T10:00:00.000000001Z", "one\n"},
    {1, "2026-11-21T10:00:07.000000000Z", "two\n"},
    {1, "2026-11-21T10:00:14.000000000Z", "three\n"},
    {1, "2026-11-21T09:00:15.000000000Z", "four\n"},
    {2, "2026-11-21T09:00:16.000000000Z", "a\n"},
    {1, "2026-11-21T09:00:22.000000000Z", "five\n"},
};

// What the engine has, and after how many bytes of the log each of its connections breaks.
struct tape {
    const struct entry *v;
    size_t n;
    size_t cut; // 0: never
    int asked;  // for the log
};

static long long query(const char *line, const char *key, long long otherwise)
{
    const char *at = strstr(line, key);
    return at ? strtoll(at + strlen(key), NULL, 10) : otherwise;
}

static int64_t since_of(const char *line)
{
    const char *at = strstr(line, "since=");
    char *dot;
    if (!at)
        return 0;
    int64_t seconds = strtoll(at + 6, &dot, 10);
    return seconds * 1000000000 + (*dot == '.' ? strtoll(dot + 1, NULL, 10) : 0);
}

// The frames that the engine would send for this request.
static void play(struct dmpi_buf *out, const struct tape *tape, const char *line)
{
    int64_t since = since_of(line), time = 0;
    long long tail = query(line, "tail=", (long long)tape->n);
    for (size_t i = 0; i < tape->n; i++) {
        const struct entry *e = &tape->v[i];
        assert_int_equal(dmpi_text_time(&time, e->time), 0);
        if (time < since || (long long)(tape->n - i) > tail)
            continue;
        size_t n = strlen(e->time) + 1 + strlen(e->text);
        const char head[8] = {(char)e->stream, 0, 0, 0, 0, 0, (char)(n >> 8), (char)n};
        dmpi_buf_add(out, head, sizeof(head));
        dmpi_buf_addf(out, "%s %s", e->time, e->text);
    }
}

static void serve(struct fake *f, int fd, int n, void *arg)
{
    (void)f;
    (void)n;
    struct tape *tape = arg;
    char line[1024];
    while (fake_request_line(fd, line, sizeof(line))) {
        if (strstr(line, "/_ping")) {
            fake_pong(fd, "1.41");
            continue;
        }
        if (!strstr(line, "/logs?")) {
            fake_answer(fd, "200 OK", "application/json", "{\"State\":{\"Running\":false}}");
            continue;
        }
        DMPI_AUTO(dmpi_buf_free) struct dmpi_buf body = DMPI_BUF_INIT(1 << 20);
        play(&body, tape, line);
        // Each connection lasts longer than the one before.
        size_t cut = tape->cut ? tape->cut + ((size_t)90 << tape->asked) - 90 : body.len;
        tape->asked++;
        bool broken = cut < body.len;
        dmpi_autofree char *head =
            dmpi_xasprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n",
                           broken ? cut : body.len);
        if (body.len == 0 || (broken && cut == 0)) {
            fake_send(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
            continue;
        }
        fake_send(fd, head);
        fake_send_n(fd, dmpi_buf_str(&body), broken ? cut : body.len);
        if (broken) {
            shutdown(fd, SHUT_RDWR);
            return;
        }
        fake_send(fd, "\r\n0\r\n\r\n");
    }
}

// What the job printed on that stream from entry `first` on.
static char *printed(const struct tape *tape, int stream, size_t first, bool times)
{
    struct dmpi_buf out = DMPI_BUF_INIT(1 << 20);
    for (size_t i = first; i < tape->n; i++)
        if (tape->v[i].stream == stream)
            dmpi_buf_addf(&out, "%s%s%s", times ? tape->v[i].time : "", times ? " " : "",
                          tape->v[i].text);
    return dmpi_buf_steal(&out);
}

static void open_fake(struct dmpi_follow *f, const struct fake *fake)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_endpoint endpoint = {0};
    if (dmpi_endpoint_parse(&endpoint, fake_url(fake), &err) < 0 ||
        dmpi_engine_open(&f->engine, &endpoint, NULL, &err) < 0)
        fail_msg("%s", err.msg);
    dmpi_endpoint_free(&endpoint);
    f->id = "c";
}

// Follows the tape as `f` says, and compares with what was printed from `first` on.
static void compare(struct tape *tape, const struct dmpi_follow *as, size_t first)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf out = DMPI_BUF_INIT(1 << 20);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf errors = DMPI_BUF_INIT(1 << 20);
    dmpi_autofree char *want_out = printed(tape, 1, first, as->timestamps);
    dmpi_autofree char *want_err = printed(tape, 2, first, as->timestamps);
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_follow f = *as;
    struct fake *fake = fake_start(serve, tape);
    tape->asked = 0;
    open_fake(&f, fake);
    f.streams = (struct dmpi_streams){dmpi_sink_to_buf(&out), dmpi_sink_to_buf(&errors)};
    if (dmpi_follow_run(&f, NULL, &err) < 0)
        fail_msg("cut %zu: %s", tape->cut, err.msg);
    dmpi_engine_close(f.engine);
    fake_stop(fake);
    const char *rest = want_out + as->bytes[0];
    if (strcmp(dmpi_buf_str(&out), rest) != 0)
        fail_msg("cut %zu: got \"%s\", wanted \"%s\"", tape->cut, dmpi_buf_str(&out), rest);
    if (strcmp(dmpi_buf_str(&errors), want_err) != 0)
        fail_msg("cut %zu: got \"%s\", wanted \"%s\"", tape->cut, dmpi_buf_str(&errors), want_err);
}

static void compare_all(struct tape *tape, const struct dmpi_follow *as, size_t first, size_t step)
{
    for (tape->cut = 1; tape->cut < 760; tape->cut += step)
        compare(tape, as, first);
}

static void loses_nothing(void **state)
{
    (void)state;
    struct tape tape = {.v = usual, .n = DMPI_ARRAY_LEN(usual)};
    struct dmpi_follow f = DMPI_FOLLOW_INIT;
    compare_all(&tape, &f, 0, 2);
    f.timestamps = true;
    compare_all(&tape, &f, 0, 7);
}

static void loses_nothing_when_the_clock_is_set_back(void **state)
{
    (void)state;
    struct tape tape = {.v = back, .n = DMPI_ARRAY_LEN(back)};
    const struct dmpi_follow f = DMPI_FOLLOW_INIT;
    // A loss while nothing of the time after the step has come is the one that is not noticed.
    tape.cut = 0;
    compare(&tape, &f, 0);
    for (tape.cut = 190; tape.cut < 280; tape.cut++)
        compare(&tape, &f, 0);
}

static void begins_where_told(void **state)
{
    (void)state;
    struct tape tape = {.v = usual, .n = DMPI_ARRAY_LEN(usual)};
    struct dmpi_follow f = DMPI_FOLLOW_INIT;
    f.tail = 4;
    compare_all(&tape, &f, tape.n - 4, 3);
    f.tail = 0;
    tape.cut = 0;
    compare(&tape, &f, tape.n);
    f = (struct dmpi_follow)DMPI_FOLLOW_INIT;
    assert_int_equal(dmpi_text_time(&f.since_ns, DAY "18Z"), 0);
    compare_all(&tape, &f, 11, 3);
}

// What the user has by other means is counted in lines and bytes of the last one.
static void goes_on_after_others(void **state)
{
    (void)state;
    struct tape tape = {.v = usual, .n = DMPI_ARRAY_LEN(usual)};
    struct dmpi_follow f = DMPI_FOLLOW_INIT;
    f.lines[0] = 3; // "one", "one", "two"
    f.lines[1] = 2; // "a", "b"
    compare_all(&tape, &f, 5, 3);
    f.bytes[0] = 7; // "long an"
    compare_all(&tape, &f, 5, 3);
}

static void serve_no_log(struct fake *f, int fd, int n, void *arg)
{
    (void)f, (void)n, (void)arg;
    char line[1024];
    while (fake_request_line(fd, line, sizeof(line)) && strstr(line, "/_ping"))
        fake_pong(fd, "1.41");
}

static void keep_text(enum dmpi_log_level level, const char *text, void *arg)
{
    (void)level;
    dmpi_buf_addf(arg, "%s\n", text);
}

// Who lost the launcher's node is told which one that is, before the search for it is over.
static void names_the_node_that_is_lost(void **state)
{
    (void)state;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf told = DMPI_BUF_INIT(1 << 20);
    struct fake *fake = fake_start(serve_no_log, NULL);
    struct dmpi_follow f = DMPI_FOLLOW_INIT;
    struct dmpi_err err = DMPI_ERR_INIT;
    open_fake(&f, fake);
    f.node = "h0";
    f.find_ms = 1;
    f.lost = true; // so that the first vain look is told
    dmpi_log_set(DMPI_LOG_WARN, keep_text, &told);
    assert_int_equal(dmpi_follow_run(&f, NULL, &err), -1);
    dmpi_log_set(DMPI_LOG_WARN, NULL, NULL);
    assert_int_equal(err.code, DMPI_EUNREACHABLE);
    assert_non_null(
        strstr(dmpi_buf_str(&told), "node h0: the connection to the job's output is lost"));
    dmpi_engine_close(f.engine);
    fake_stop(fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loses_nothing),
        cmocka_unit_test(loses_nothing_when_the_clock_is_set_back),
        cmocka_unit_test(begins_where_told),
        cmocka_unit_test(goes_on_after_others),
        cmocka_unit_test(names_the_node_that_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
