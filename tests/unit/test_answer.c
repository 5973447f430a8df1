// SPDX-License-Identifier: MIT
// The pure readings of an engine's answers: errors, versions, heads, JSON streams, URLs.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/answer.h"
#include "engine/jsonstream.h"
#include "engine/url.h"

static void error_texts(void **state)
{
    (void)state;
    static const struct {
        long status;
        const char *body;
        enum dmpi_code code;
        const char *text;
    } cases[] = {
        {404, "{\"message\":\"No such container: x\"}\n", DMPI_ENOTFOUND, "No such container: x"},
        {409, "{\"message\":\"a\\nb\"}", DMPI_ECONFLICT, "a\\nb"},
        {401, "{\"message\":\"login\"}", DMPI_EDENIED, "login"},
        {400, "{\"message\":\"bad\"}", DMPI_EINVAL, "bad"},
        {500, "{\"message\":\"\",\"cause\":\"podman\"}", DMPI_EENGINE, "podman"},
        {500, "{\"message\":7}", DMPI_EENGINE, "the engine answered HTTP 500: {\"message\":7}"},
        {503, "", DMPI_EENGINE, "the engine answered HTTP 503 without a reason"},
        {404, "page not found\n", DMPI_ENOTFOUND, "the engine answered HTTP 404: page not found"},
        {400,
         "{\"message\":\"client version 1.51 is too old. Minimum supported API version is 1.60\"}",
         DMPI_EENGINE,
         "the engine is too new for this dockmpi, which speaks API 1.41 to 1.51: client version "
         "1.51 is too old. Minimum supported API version is 1.60"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        struct dmpi_err err;
        assert_int_equal(
            dmpi_answer_error(cases[i].status, cases[i].body, strlen(cases[i].body), &err), -1);
        assert_string_equal(err.msg, cases[i].text);
        assert_int_equal(err.code, cases[i].code);
    }
}

static void api_versions(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int number;
        const char *chosen;
    } cases[] = {{"1.41", 1041, "1.41"}, {"1.40", 1040, NULL},   {"1.9", 1009, NULL},
                 {"1.51", 1051, "1.51"}, {"1.60", 1060, "1.51"}, {"2.0", 2000, "1.51"},
                 {"", -1, NULL},         {"1", -1, NULL},        {"1.", -1, NULL},
                 {"1.41x", -1, NULL},    {"-1.41", -1, NULL},    {"1.9999", -1, NULL}};
    assert_int_equal(dmpi_answer_api(NULL), -1);
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        assert_int_equal(dmpi_answer_api(cases[i].text), cases[i].number);
        const char *chosen = dmpi_answer_choose_api(cases[i].text);
        if (cases[i].chosen)
            assert_string_equal(chosen, cases[i].chosen);
        else
            assert_null(chosen);
    }
}

static void heads(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        long head, status;
        long long length;
    } cases[] = {
        {"", 0, 0, 0},
        {"HTT", 0, 0, 0},
        {"HTTX", -1, 0, 0},
        {"SSH-2.0-x", -1, 0, 0},
        {"HTTP/1.1 101 UPGRADED\r\n\r\nrest", 25, 101, -1},
        {"HTTP/1.0 200 OK\r\nCONTENT-length:  12\r\n\r\n", 40, 200, 12},
        {"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n", 39, 200, -1},
        {"HTTP/1.1 abc\r\n\r\n", -1, 0, 0},
        {"HTTP/1.1 1\r\n\r\n", -1, 0, 0},
        {"HTTP/1.1 200 OK\r\nX: y\r\n", 0, 0, 0},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        long status = 0;
        long long length = 0;
        long head = dmpi_answer_head(cases[i].text, strlen(cases[i].text), &status, &length);
        assert_int_equal(head, cases[i].head);
        if (head > 0) {
            assert_int_equal(status, cases[i].status);
            assert_int_equal(length, cases[i].length);
        }
    }
}

static int collect(void *arg, json_t *object, struct dmpi_err *err)
{
    (void)err;
    dmpi_autofree char *text = dmpi_json_dump(object);
    dmpi_buf_adds(arg, text);
    return strstr(text, "stop") != NULL;
}

static int stream(struct dmpi_buf *seen, const char *text, size_t step, struct dmpi_err *err)
{
    struct dmpi_jsonstream js;
    size_t n = strlen(text);
    int result = 0;
    dmpi_jsonstream_init(&js, collect, seen);
    for (size_t i = 0; i < n && result == 0; i += step)
        result = dmpi_jsonstream_feed(&js, text + i, n - i < step ? n - i : step, err);
    if (result == 0)
        result = dmpi_jsonstream_finish(&js, err);
    dmpi_jsonstream_free(&js);
    return result;
}

static void json_streams(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int result;
        const char *seen;
    } cases[] = {
        {"", 0, ""},
        {" \r\n\t", 0, ""},
        {"{\"a\":1}{\"b\":2}\r\n{\"c\":{\"d\":[{}]}}\n", 0,
         "{\"a\":1}{\"b\":2}{\"c\":{\"d\":[{}]}}"},
        {"{\"a\":\"}{\\\"}\"}", 0, "{\"a\":\"}{\\\"}\"}"},
        {"{\"a\":\"\\\\\"}", 0, "{\"a\":\"\\\\\"}"},
        {"{\"stop\":1}{\"b\":2}garbage", 1, "{\"stop\":1}"},
        {"{\"a\":1", -1, ""},
        {"x", -1, ""},
        {"[1]", -1, ""},
        {"{\"a\":1},", -1, "{\"a\":1}"},
        {"{a}", -1, ""},
        {"}", -1, ""},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        for (size_t step = 1; step <= 64; step += 9) {
            struct dmpi_err err;
            DMPI_AUTO(dmpi_buf_free) struct dmpi_buf seen = DMPI_BUF_INIT(1000);
            assert_int_equal(stream(&seen, cases[i].text, step, &err), cases[i].result);
            assert_string_equal(dmpi_buf_str(&seen), cases[i].seen);
            if (cases[i].result < 0)
                assert_int_equal(err.code, DMPI_EPARSE);
        }
    }
}

static void json_stream_bounds_an_object(void **state)
{
    (void)state;
    struct dmpi_jsonstream js;
    struct dmpi_err err;
    static char part[1 << 16];
    int result = 0;
    memset(part, 'a', sizeof part);
    dmpi_jsonstream_init(&js, NULL, NULL);
    assert_int_equal(dmpi_jsonstream_feed(&js, "{\"", 2, &err), 0);
    for (int i = 0; i < 65 && result == 0; i++)
        result = dmpi_jsonstream_feed(&js, part, sizeof part, &err);
    assert_int_equal(result, -1);
    assert_non_null(strstr(err.msg, "over 4 MiB"));
    dmpi_jsonstream_free(&js);
}

static void urls(void **state)
{
    (void)state;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf url = DMPI_BUF_INIT(1000);
    const char *filters[] = {"label=a=b", "label=c d", "type=container", NULL};
    dmpi_buf_adds(&url, "/images/");
    dmpi_url_add_path(&url, "host:5000/a b/../c@sha256:1?", true);
    dmpi_url_add_path(&url, "/x\xc3\xa9", false);
    assert_string_equal(dmpi_buf_str(&url), "/images/host:5000/a%20b/../c@sha256:1%3F%2Fx%C3%A9");
    dmpi_buf_clear(&url);
    dmpi_buf_adds(&url, "/x");
    dmpi_url_add_query(&url, "none", NULL);
    dmpi_url_add_query_flag(&url, "no", false);
    dmpi_url_add_query(&url, "path", "/a&b=c d");
    dmpi_url_add_query_int(&url, "n", -5);
    dmpi_url_add_query_flag(&url, "yes", true);
    assert_string_equal(dmpi_buf_str(&url), "/x?path=%2Fa%26b%3Dc%20d&n=-5&yes=1");
    dmpi_buf_clear(&url);
    dmpi_url_add_filters(&url, NULL);
    dmpi_url_add_filters(&url, filters);
    assert_string_equal(dmpi_buf_str(&url),
                        "?filters=%7B%22label%22%3A%5B%22a%3Db%22%2C%22c%20d%22%5D%2C%22type%22%3A%"
                        "5B%22container%22%5D%7D");
}

static void progress(void **state)
{
    (void)state;
    static const struct {
        const char *object;
        const char *failure, *id;
    } cases[] = {
        {"{\"stream\":\"x\"}", NULL, NULL},
        {"{\"aux\":{\"ID\":\"sha256:9\"}}", NULL, "sha256:9"},
        {"{\"status\":\"sha256:8\"}", NULL, "sha256:8"},
        {"{\"error\":\"e\",\"errorDetail\":{\"message\":\"d\"}}", "d", NULL},
        {"{\"error\":\"e\",\"errorDetail\":{}}", "e", NULL},
        {"{\"errorDetail\":{\"message\":\"\\u001b[2J\"}}", "\\x1b[2J", NULL},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        struct dmpi_err err;
        struct dmpi_progress p = {.cb = NULL};
        dmpi_json_auto json_t *object = json_loads(cases[i].object, 0, NULL);
        assert_int_equal(dmpi_progress_object(&p, object, &err), cases[i].failure ? -1 : 0);
        if (cases[i].failure)
            assert_string_equal(err.msg, cases[i].failure);
        if (cases[i].id)
            assert_string_equal(p.id, cases[i].id);
        else
            assert_null(p.id);
        free(p.id);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_texts),
        cmocka_unit_test(api_versions),
        cmocka_unit_test(heads),
        cmocka_unit_test(json_streams),
        cmocka_unit_test(json_stream_bounds_an_object),
        cmocka_unit_test(urls),
        cmocka_unit_test(progress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
