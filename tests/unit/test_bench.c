// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "job/bench.h"

#define ROW(test, size, median, unit)                                                              \
    "{\"type\": \"row\", \"test\": \"" test "\", \"size\": " #size ", \"value\": " #median         \
    ", \"median\": " #median ", \"min\": " #median ", \"max\": " #median ", \"unit\": \"" unit     \
    "\", \"iterations\": 10, \"checked\": 60, \"wrong\": 0}\n"

// ---- the reader ------------------------------------------------------------------------------

static int rows_told;
static char others[256];

static void told(void *arg, const json_t *row)
{
    assert_ptr_equal(arg, &rows_told);
    assert_non_null(dmpi_json_str(row, "test"));
    rows_told++;
}

static void other(void *arg, const char *line)
{
    (void)arg;
    size_t n = strlen(others);
    snprintf(others + n, sizeof others - n, "[%.40s]", line);
}

// A run of what a job printed, in pieces of `piece` bytes.
static json_t *read_text(const char *text, size_t piece, bool *ended)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_bench_reader r = {.row = told, .other = other, .arg = &rows_told};
    rows_told = 0;
    others[0] = '\0';
    dmpi_bench_begin(&r);
    struct dmpi_sink sink = dmpi_bench_sink(&r);
    for (size_t n = strlen(text); n > 0;) {
        size_t now = n < piece ? n : piece;
        assert_int_equal(dmpi_sink_write(&sink, text, now, &err), 0);
        text += now;
        n -= now;
    }
    *ended = r.ended;
    return dmpi_bench_end(&r, "ucx");
}

static void lines_become_a_run(void **state)
{
    (void)state;
    static const char text[] =
        "a library says hello\n"
        "{\"type\": \"header\", \"mpi\": \"Open MPI\", \"line_rate_mbit_s\": 10000}\n" ROW(
            "latency", 1, 25.5, "us") ROW("bw", 1048576, 1170, "MB/s") "{\"type\": \"end\"}\n";
    static const size_t pieces[] = {1, 7, 4096};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(pieces); i++) {
        bool ended;
        dmpi_json_auto json_t *run = read_text(text, pieces[i], &ended);
        assert_true(ended);
        assert_int_equal(rows_told, 2);
        assert_string_equal(others, "[a library says hello]");
        assert_string_equal(dmpi_json_str(run, "tune"), "ucx");
        assert_string_equal(dmpi_json_str(dmpi_json_obj(run, "header"), "mpi"), "Open MPI");
        assert_null(dmpi_json_str(dmpi_json_obj(run, "header"), "type"));
        const json_t *row = dmpi_bench_row(run, "bw", 1048576);
        assert_non_null(row);
        assert_true(fabs(dmpi_bench_number(row, "median") - 1170) < 1e-9);
        assert_null(dmpi_bench_row(run, "bw", 1));
    }
}

static void the_last_line_lacks_its_newline(void **state)
{
    (void)state;
    bool ended;
    static const char row[] = ROW("bw", 64, 1, "MB/s");
    dmpi_autofree char *text = dmpi_xstrndup(row, strlen(row) - 1);
    dmpi_json_auto json_t *run = read_text(text, 10, &ended);
    assert_non_null(dmpi_bench_row(run, "bw", 64));
    assert_false(ended);
}

static void what_is_no_row_is_no_row(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"type\": \"row\"}\n",
        "{\"type\": \"row\", \"test\": 7, \"size\": 1}\n",
        "{\"type\": \"sum\"}\n",
        "{\"size\": 1}\n",
        "{ broken\n",
        "[1]\n",
        ROW("bw", -1, 1, "MB/s"),
        ROW("bw", 1, -1, "MB/s"),
        ROW("bw", 1, null, "MB/s"),
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(texts); i++) {
        bool ended;
        dmpi_json_auto json_t *run = read_text(texts[i], 10, &ended);
        assert_false(ended);
        assert_int_equal(json_array_size(dmpi_json_arr(run, "rows")), 0);
        assert_true(others[0] == '[');
    }
}

// A job may print without an end: what is kept is bounded, and the lines after it are read.
static void an_endless_line(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_bench_reader r = {.row = told, .arg = &rows_told};
    static const char row[] = "\n" ROW("bw", 1, 1, "MB/s");
    char noise[4096];
    memset(noise, 'x', sizeof noise);
    rows_told = 0;
    dmpi_bench_begin(&r);
    struct dmpi_sink sink = dmpi_bench_sink(&r);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(dmpi_sink_write(&sink, noise, sizeof noise, &err), 0);
    assert_true(r.line.cap < 1U << 20);
    assert_int_equal(dmpi_sink_write(&sink, row, strlen(row), &err), 0);
    json_decref(dmpi_bench_end(&r, NULL));
    assert_int_equal(rows_told, 1);
}

// ---- results ---------------------------------------------------------------------------------

static json_t *parse(const char *text)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    json_t *value;
    if (dmpi_json_parse(&value, text, strlen(text), &err))
        fail_msg("%s", err.msg);
    return value;
}

#define PLAIN(test, size, median, unit)                                                            \
    "{\"test\": \"" test "\", \"size\": " #size ", \"value\": " #median ", \"median\": " #median   \
    ", \"min\": " #median ", \"max\": " #median ", \"unit\": \"" unit "\", \"wrong\": 3}"
#define RUN(tune, rows)                                                                            \
    "{\"tune\": \"" tune "\", \"header\": {\"line_rate_mbit_s\": 25000, \"ranks\": 2}, \"rows\": " \
    "[" rows "]}"
#define RESULT(runs) "{\"format\": 1, \"runs\": [" runs "]}"

static void results_are_compared(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    dmpi_json_auto json_t *now = parse(
        RESULT(RUN("ucx", PLAIN("bw", 64, 200, "MB/s") "," PLAIN("latency", 64, 20, "us") "," //
                   PLAIN("bw", 1, 5, "MB/s"))));
    dmpi_json_auto json_t *old =
        parse(RESULT(RUN("tcp", PLAIN("bw", 64, 100, "MB/s") "," PLAIN("latency", 64, 10, "us"))));
    assert_int_equal(dmpi_bench_compare(now, old, &err), 0);
    const json_t *run = dmpi_bench_run(now, "anything, for there is one only");
    assert_true(fabs(dmpi_bench_number(dmpi_bench_row(run, "bw", 64), "ratio") - 2) < 1e-9);
    assert_true(fabs(dmpi_bench_number(dmpi_bench_row(run, "bw", 64), "before") - 100) < 1e-9);
    assert_true(fabs(dmpi_bench_number(dmpi_bench_row(run, "latency", 64), "ratio") - 0.5) < 1e-9);
    assert_null(json_object_get(dmpi_bench_row(run, "bw", 1), "ratio"));
    assert_int_equal(dmpi_bench_wrong(now), 9);
    assert_int_equal(dmpi_bench_line_rate(now), 25000);

    dmpi_json_auto json_t *sets = parse(RESULT(RUN("tcp", PLAIN("bw", 64, 1, "MB/s")) "," //
                                               RUN("ucc", PLAIN("bw", 64, 1, "MB/s"))));
    assert_int_equal(dmpi_bench_compare(now, sets, &err), -1); // neither is ucx
    assert_non_null(strstr(err.msg, "in common"));
    dmpi_json_auto json_t *units = parse(RESULT(RUN("ucx", PLAIN("bw", 64, 1, "GB/s"))));
    assert_int_equal(dmpi_bench_compare(now, units, &err), -1);
}

static void files_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want; // NULL: fine
    } rows[] = {
        {RESULT(RUN("x", PLAIN("bw", 1, 1, "MB/s"))), NULL},
        {RESULT(""), NULL},
        {"{\"format\": 2, \"runs\": []}", "not a result that"},
        {"{\"format\": 1}", "not a result that"},
        {"[]", "not a result that"},
        {"{", "line 1"},
        {RESULT("7"), "runs[0]: expected an object"},
        {RESULT("{\"header\": {}, \"rows\": []}"), "runs[0].tune: missing"},
        {RESULT("{\"tune\": \"x\", \"header\": {}}"), "runs[0].rows: missing"},
        {RESULT(RUN("x", "{\"test\": \"bw\"}")), "runs[0].rows[0].unit: missing"},
        {RESULT(RUN("x", PLAIN("bw", 1, 1, "MB/s") ", 3")), "runs[0].rows[1]: expected an object"},
        {RESULT(RUN("x", PLAIN("bw", -5, 1, "MB/s"))), "runs[0].rows[0].size: out of range"},
        {RESULT(RUN("x", PLAIN("bw", 5, null, "MB/s"))),
         "runs[0].rows[0].value: expected a number"},
    };
    char path[] = "/tmp/dockmpi-bench.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        json_t *result;
        assert_int_equal(
            dmpi_io_write_file_atomic(path, rows[i].text, strlen(rows[i].text), 0600, &err), 0);
        int rc = dmpi_bench_load(&result, path, &err);
        if (rc != (rows[i].want ? -1 : 0) || (rc && !strstr(err.msg, rows[i].want)))
            fail_msg("%s: %d, %s", rows[i].text, rc, err.msg);
        if (rc)
            assert_non_null(strstr(err.msg, path));
        json_decref(result);
    }
    unlink(path);
    struct dmpi_err err = DMPI_ERR_INIT;
    json_t *result;
    assert_int_equal(dmpi_bench_load(&result, path, &err), -1);
    assert_int_equal(err.code, DMPI_ENOTFOUND);
}

static void line_rates(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        long long want; // 0: refused
    } rows[] = {{"10G", 10000},   {"950M", 950},    {"2.5Gbit", 2500}, {"25gbit/s", 25000},
                {"100G", 100000}, {"10", 0},        {"G", 0},          {"", 0},
                {"-1G", 0},       {"10Gb", 0},      {"10GB", 0},       {"1e3G", 0},
                {"0.0001M", 0},   {"99999999G", 0}, {"nanG", 0},       {"0x10G", 0}};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        long long got = 0;
        int rc = dmpi_bench_parse_rate(&got, rows[i].text, &err);
        if (rc != (rows[i].want ? 0 : -1) || got != rows[i].want)
            fail_msg("'%s': %d, %lld", rows[i].text, rc, got);
        if (rc)
            assert_true(strncmp(err.msg, "--line-rate ", 12) == 0);
    }
}

// ---- the picture -----------------------------------------------------------------------------

static void has(const char *script, const char *part)
{
    if (!strstr(script, part))
        fail_msg("'%s' is not in:\n%s", part, script);
}

static void a_script(void **state)
{
    (void)state;
    dmpi_json_auto json_t *now = parse(
        RESULT(RUN("a'b", PLAIN("bw", 64, 200, "MB/s") "," PLAIN("bw", 4096, 900, "MB/s") "," //
                   PLAIN("bw", 0, 1, "MB/s") "," PLAIN("barrier", 0, 12, "us"))));
    dmpi_json_auto json_t *old = parse(RESULT(RUN("a'b", PLAIN("bw", 64, 100, "MB/s"))));
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf script = DMPI_BUF_INIT(1 << 20);
    dmpi_bench_script(&script, now, old, 10000, true);
    const char *text = dmpi_buf_str(&script);
    has(text, "set terminal svg noenhanced size 900,580");
    has(text, "$now0_bw << EOD\n64 200 200 200\n4096 900 900 900\nEOD\n");
    has(text, "$old0_bw << EOD\n64 100 100 100\nEOD\n");
    has(text, "title 'bw, earlier'");
    has(text, "1250 with lines");
    has(text, "'line rate, 10 Gbit/s'");
    has(text, "barrier 12 µs");
    assert_null(strstr(text, "2 x line rate"));
    assert_null(strstr(text, "Latency"));
    dmpi_buf_clear(&script);
    dmpi_bench_script(&script, now, NULL, 0, false);
    text = dmpi_buf_str(&script);
    has(text, "set terminal pngcairo");
    assert_null(strstr(text, "line rate"));
    assert_null(strstr(text, "earlier"));
}

// What a file calls a tuning set must not become gnuplot's commands, such as system().
static void names_stay_names(void **state)
{
    (void)state;
    dmpi_json_auto json_t *now =
        parse(RESULT(RUN("x'; system 'id", PLAIN("bw", 64, 200, "MB/s")) "," //
                     RUN("a\\nsystem 'id'", PLAIN("bw", 64, 200, "MB/s") "," //
                         PLAIN("y\\nEOD\\nsystem 'id'", 64, 200, "MB/s"))));
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf script = DMPI_BUF_INIT(1 << 20);
    dmpi_bench_script(&script, now, NULL, 0, false);
    const char *text = dmpi_buf_str(&script);
    has(text, "'bw, x''; system ''id'");
    has(text, "'bw, a\\nsystem ''id'''");
    assert_null(strstr(text, "\nsystem"));
}

static void names_of_pictures(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    assert_int_equal(dmpi_bench_plot_check("x.pdf", NULL, &err), -1);
    assert_non_null(strstr(err.msg, "--plot x.pdf: the name must end in .svg or .png"));
    dmpi_autofree char *path = dmpi_xstrdup(getenv("PATH"));
    setenv("PATH", "/nonexistent", 1);
    assert_int_equal(dmpi_bench_plot_check("x.svg", NULL, &err), -1);
    setenv("PATH", path, 1);
    assert_int_equal(err.code, DMPI_ENOTFOUND);
    assert_non_null(strstr(err.msg, "apt-get install gnuplot-nox"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_become_a_run),
        cmocka_unit_test(what_is_no_row_is_no_row),
        cmocka_unit_test(the_last_line_lacks_its_newline),
        cmocka_unit_test(an_endless_line),
        cmocka_unit_test(results_are_compared),
        cmocka_unit_test(files_are_checked),
        cmocka_unit_test(line_rates),
        cmocka_unit_test(a_script),
        cmocka_unit_test(names_stay_names),
        cmocka_unit_test(names_of_pictures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
