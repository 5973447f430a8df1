// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

static void integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        long long min, max, want;
        int rc;
    } rows[] = {
        {"5", 1, 9, 5, 0},
        {"-3", -5, 5, -3, 0},
        {"+4", 0, 9, 4, 0},
        {"0", 1, 9, 0, -1},
        {"10", 1, 9, 0, -1},
        {"", 0, 9, 0, -1},
        {" 5", 0, 9, 0, -1},
        {"5 ", 0, 9, 0, -1},
        {"5x", 0, 9, 0, -1},
        {"-", -9, 9, 0, -1},
        {"--5", -9, 9, 0, -1},
        {"1e9", 0, LLONG_MAX, 0, -1},
        {"0x10", 0, 99, 0, -1},
        {"9223372036854775807", 0, LLONG_MAX, LLONG_MAX, 0},
        {"9223372036854775808", 0, LLONG_MAX, 0, -1},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        long long n = 77;
        assert_int_equal(dmpi_text_int(&n, rows[i].text, rows[i].min, rows[i].max), rows[i].rc);
        assert_int_equal(n, rows[i].rc == 0 ? rows[i].want : 77);
    }
}

static void times(void **state)
{
    static const struct {
        const char *text;
        int64_t want; // -1: refused
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-11-21T10:11:12Z", 1795255872000000000},
        {"2026-11-21T10:11:12.5Z", 1795255872500000000},
        {"2026-11-21T10:11:12.000000001Z", 1795255872000000001},
        {"2026-11-21T10:11:12.0000000019Z", 1795255872000000001},
        {"2026-11-21T11:11:12+01:00", 1795255872000000000},
        {"2026-11-21T05:41:12.25-04:30", 1795255872250000000},
        {"0001-01-01T00:00:00Z", -1}, // Go's zero
        {"2026-11-21T10:11:12", -1},
        {"2026-11-21 10:11:12Z", -1},
        {"2026-11-21T10:11:12+0100", -1},
        {"2026-11-21T10:11:12Zx", -1},
        {"2026-11-21", -1},
        {"x", -1},
        {"", -1},
    };
    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        int64_t ns = 77;
        if (dmpi_text_time(&ns, rows[i].text) != (rows[i].want < 0 ? -1 : 0) ||
            ns != (rows[i].want < 0 ? 77 : rows[i].want))
            fail_msg("%s: %lld", rows[i].text, (long long)ns);
    }
}

static void sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t want; // -1: refused
    } rows[] = {
        {"100", 100},        {"0", 0},         {"8G", 8LL << 30}, {"512m", 512LL << 20},
        {"1.5g", 3LL << 29}, {"64kb", 65536},  {"64KiB", 65536},  {"2t", 2LL << 40},
        {"1b", 1},           {"", -1},         {"g", -1},         {"-1", -1},
        {"1.g", -1},         {"1..5g", -1},    {"1 g", -1},       {"1x", -1},
        {"1gx", -1},         {"9999999p", -1}, {"1ki", -1},       {"99999999999999999999", -1},
        {"1.2345g", -1},     {".5g", -1},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        int64_t n = -1;
        struct dmpi_err err = DMPI_ERR_INIT;
        int rc = dmpi_text_size(&n, rows[i].text, &err);
        assert_int_equal(n, rows[i].want);
        assert_int_equal(rc, rows[i].want < 0 ? -1 : 0);
    }
}

static void durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t want;
    } rows[] = {
        {"5", 5000},    {"0", 0},       {"10m", 600000},   {"1h30m", 5400000},
        {"1.5s", 1500}, {"250ms", 250}, {"2d", 172800000}, {"1w", 604800000},
        {"1m30", -1},   {"", -1},       {"m", -1},         {"5x", -1},
        {"-5", -1},     {"5 s", -1},    {"1.5", 1500},     {"99999999999999w", -1},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        int64_t n = -1;
        struct dmpi_err err = DMPI_ERR_INIT;
        int rc = dmpi_text_duration(&n, rows[i].text, &err);
        assert_int_equal(n, rows[i].want);
        assert_int_equal(rc, rows[i].want < 0 ? -1 : 0);
    }
}

static void names(void **state)
{
    (void)state;
    static const char long_name[] =
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    static const struct {
        const char *text, *fault; // NULL: good
    } rows[] = {
        {"lab", NULL},   {"9-a_b.c", NULL},     {long_name + 1, NULL}, {long_name, "longer"},
        {"", "empty"},   {"Lab", "upper-case"}, {"-x", "begin"},       {"a b", "only"},
        {"a/b", "only"}, {"../x", "only"},      {"\xc3\xa4", "only"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        int rc = dmpi_text_name_check("cluster name", rows[i].text, &err);
        assert_int_equal(rc, rows[i].fault ? -1 : 0);
        assert_int_equal(dmpi_text_name_ok(rows[i].text), rows[i].fault == NULL);
        if (rows[i].fault)
            assert_non_null(strstr(err.msg, rows[i].fault));
    }
}

static void terminal_text_is_harmless(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"plain \xc3\xa4 \xf0\x9f\x98\x80", "plain \xc3\xa4 \xf0\x9f\x98\x80"},
        {"\x1b[31mred", "\\x1b[31mred"},
        {"a\nb\tc", "a\\nb\\tc"},
        {"x\r\x07\x7f", "x\\x0d\\x07\\x7f"},
        {"\xc2\x9b"
         "31m",
         "\\xc2\\x9b31m"}, // CSI of the C1 range
        {"\xe2\x80\xae"
         "evil",
         "\\xe2\\x80\\xaeevil"}, // right-to-left override
        {"\xff\xc3", "\\xff\\xc3"},
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"}, // surrogate
        {"\xc0\xaf", "\\xc0\\xaf"},          // overlong
        {NULL, ""},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        dmpi_autofree char *safe = dmpi_text_print_safe(rows[i].text);
        assert_string_equal(safe, rows[i].want);
    }
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf out = DMPI_BUF_INIT(100);
    dmpi_text_safe(&out, "a\n\tb\0c\x1b", 7);
    assert_string_equal(dmpi_buf_str(&out), "a\n\tb\\x00c\\x1b");
}

static void human_numbers(void **state)
{
    (void)state;
    static const struct {
        int64_t n;
        const char *want;
    } bytes[] = {{0, "0B"},        {999, "999B"},        {1000, "1.0KiB"},
                 {1536, "1.5KiB"}, {12582912, "12MiB"},  {3435973837, "3.2GiB"},
                 {-5, "0B"},       {INT64_MAX, "8.0EiB"}},
      times[] = {{850, "850ms"},       {12000, "12s"}, {185000, "3m05s"},       {8100000, "2h15m"},
                 {356400000, "4d03h"}, {0, "0ms"},     {INT64_MAX, "11574d01h"}};
    char out[16];
    for (size_t i = 0; i < DMPI_ARRAY_LEN(bytes); i++)
        assert_string_equal(dmpi_text_human_bytes(out, bytes[i].n), bytes[i].want);
    for (size_t i = 0; i < DMPI_ARRAY_LEN(times); i++)
        assert_string_equal(dmpi_text_human_ms(out, times[i].n), times[i].want);
}

static void prefixes(void **state)
{
    (void)state;
    assert_true(dmpi_text_starts_with("worker-0", "worker-"));
    assert_false(dmpi_text_starts_with("work", "worker-"));
    assert_true(dmpi_text_ends_with("job.py", ".py"));
    assert_true(dmpi_text_ends_with("job.py", ""));
    assert_false(dmpi_text_ends_with("y", ".py"));
}

static void suggestions(void **state)
{
    (void)state;
    static const char *const list[] = {"workers", "", "volumes", "image", "up", "ps", NULL};
    static const struct {
        const char *word, *want;
    } rows[] = {{"wokers", "workers"},
                {"wrokers", "workers"},
                {"volume", "volumes"},
                {"imgae", "image"},
                {"pu", "up"},
                {"zzzzzz", NULL},
                {"", NULL},
                {"x", NULL},
                {"pps", "ps"}};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        const char *got = dmpi_text_suggest(rows[i].word, list);
        if (rows[i].want)
            assert_string_equal(got ? got : "(none)", rows[i].want);
        else
            assert_null(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers),      cmocka_unit_test(times),
        cmocka_unit_test(sizes),         cmocka_unit_test(durations),
        cmocka_unit_test(names),         cmocka_unit_test(terminal_text_is_harmless),
        cmocka_unit_test(human_numbers), cmocka_unit_test(prefixes),
        cmocka_unit_test(suggestions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
