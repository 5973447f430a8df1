// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/demux.h"

#define FRAME_1 "\1\0\0\0\0\0\0\3abc"
#define FRAME_2 "\2\0\0\0\0\0\0\5error"
#define EMPTY "\1\0\0\0\0\0\0\0"

struct result {
    struct dmpi_buf out, err;
};

static void release(struct result *r)
{
    dmpi_buf_free(&r->out);
    dmpi_buf_free(&r->err);
}

/* Feeds the bytes in pieces of `step`; 0 or the first failure, also at the end. */
static int demux(struct result *r, const char *data, size_t n, size_t step, struct dmpi_err *err)
{
    struct dmpi_demux d;
    *r = (struct result){DMPI_BUF_INIT(1000), DMPI_BUF_INIT(1000)};
    struct dmpi_streams streams = {dmpi_sink_to_buf(&r->out), dmpi_sink_to_buf(&r->err)};
    dmpi_demux_init(&d, &streams);
    struct dmpi_sink sink = dmpi_sink_to_demux(&d);
    for (size_t i = 0; i < n; i += step) {
        if (dmpi_sink_write(&sink, data + i, n - i < step ? n - i : step, err) != 0)
            return -1;
    }
    return dmpi_demux_finish(&d, err);
}

static void splits_however_it_is_cut(void **state)
{
    (void)state;
    static const char stream[] = FRAME_1 EMPTY FRAME_2 FRAME_1;
    size_t n = sizeof stream - 1;
    for (size_t step = 1; step <= n; step++) {
        struct dmpi_err err;
        struct result r;
        assert_int_equal(demux(&r, stream, n, step, &err), 0);
        assert_string_equal(dmpi_buf_str(&r.out), "abcabc");
        assert_string_equal(dmpi_buf_str(&r.err), "error");
        release(&r);
    }
}

static void refuses_damage(void **state)
{
    (void)state;
#define BYTES(text) text, sizeof text - 1
    static const struct {
        const char *data;
        size_t n;
        enum dmpi_code code;
        const char *part;
    } cases[] = {
        {BYTES("plain text from a terminal"), DMPI_EPARSE, "damaged"},
        {BYTES("\4\0\0\0\0\0\0\0"), DMPI_EPARSE, "damaged"},
        {BYTES("\1\0\1\0\0\0\0\0"), DMPI_EPARSE, "damaged"},
        {BYTES(FRAME_1 "\1\0\0"), DMPI_EPARSE, "cut off"},
        {BYTES("\1\0\0\0\0\0\0\5abc"), DMPI_EPARSE, "cut off"},
        {BYTES("\3\0\0\0\0\0\0\5oh no"), DMPI_EENGINE, "oh no"},
        {BYTES("\3\0\0\0\0\0\0\1\0"), DMPI_EENGINE, "does not say why"},
        {BYTES("\1\0\0\0\377\377\377\377abc"), DMPI_EPARSE, "cut off"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        for (size_t step = 1; step <= cases[i].n; step++) {
            struct dmpi_err err = DMPI_ERR_INIT;
            struct result r;
            assert_int_equal(demux(&r, cases[i].data, cases[i].n, step, &err), -1);
            if (cases[i].code != DMPI_EENGINE) /* "oh n" is all that was promised */
                assert_non_null(strstr(err.msg, cases[i].part));
            assert_int_equal(err.code, cases[i].code);
            release(&r);
        }
    }
}

static void bounds_the_engines_words(void **state)
{
    (void)state;
    char stream[8 + 2000] = "\3\0\0\0\0\0\x07\xd0";
    struct dmpi_err err = DMPI_ERR_INIT;
    struct result r;
    memset(stream + 8, 'w', 2000);
    assert_int_equal(demux(&r, stream, sizeof stream, 7, &err), -1);
    assert_int_equal(strlen(err.msg), sizeof((struct dmpi_demux *)NULL)->note - 1);
    release(&r);
}

static void passes_a_sinks_error_on(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_demux d;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf small = DMPI_BUF_INIT(2);
    struct dmpi_streams streams = {dmpi_sink_to_buf(&small), {NULL, NULL}};
    dmpi_demux_init(&d, &streams);
    assert_int_equal(dmpi_demux_feed(&d, BYTES(FRAME_2), &err), 0);
    assert_int_equal(dmpi_demux_feed(&d, BYTES(FRAME_1), &err), -1);
    assert_non_null(strstr(err.msg, "more than 2 bytes"));
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf capped = DMPI_BUF_INIT(4);
    struct dmpi_sink sink = dmpi_sink_to_buf_capped(&capped);
    assert_int_equal(dmpi_sink_write(&sink, "abc", 3, &err), 0);
    assert_int_equal(dmpi_sink_write(&sink, "def", 3, &err), 0);
    assert_int_equal(dmpi_sink_write(&sink, "g", 1, &err), 0);
    assert_string_equal(dmpi_buf_str(&capped), "abcd");
    assert_true(capped.overflow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_however_it_is_cut),
        cmocka_unit_test(refuses_damage),
        cmocka_unit_test(bounds_the_engines_words),
        cmocka_unit_test(passes_a_sinks_error_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
