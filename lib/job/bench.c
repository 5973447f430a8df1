// SPDX-License-Identifier: MIT
#include "job/bench.h"

#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#define LINE_MAX_BYTES (256U << 10)
#define FILE_MAX_BYTES (64U << 20)
#define SIZE_MOST ((json_int_t)1 << 40)
#define RATE_MOST 100e6 // Mbit/s

// ---- reading ---------------------------------------------------------------------------------

void dmpi_bench_begin(struct dmpi_bench_reader *reader)
{
    reader->run = dmpi_json_new_obj();
    dmpi_json_set(reader->run, "tune", NULL);
    dmpi_json_set(reader->run, "header", dmpi_json_new_obj());
    dmpi_json_set(reader->run, "rows", dmpi_json_new_arr());
    reader->ended = false;
    reader->line = (struct dmpi_buf)DMPI_BUF_INIT(LINE_MAX_BYTES);
}

// Whether the row has what everything below relies on.
static int check_row(const json_t *row, const char *path, struct dmpi_err *err)
{
    static const char *const numbers[] = {"value", "median", "min", "max"};
    const char *text;
    json_int_t size = 0;
    if (!json_is_object(row))
        return dmpi_err_set(err, DMPI_EPARSE, "%s: expected an object", path);
    if (dmpi_json_need_str(&text, row, path, "test", true, err) ||
        dmpi_json_need_str(&text, row, path, "unit", true, err) ||
        dmpi_json_need_int(&size, row, path, "size", true, err))
        return -1;
    if (size < 0 || size > SIZE_MOST)
        return dmpi_err_set(err, DMPI_EPARSE, "%s.size: out of range", path);
    for (size_t i = 0; i < DMPI_ARRAY_LEN(numbers); i++) {
        const json_t *n = json_object_get(row, numbers[i]);
        if (!json_is_number(n) || json_number_value(n) < 0)
            return dmpi_err_set(err, DMPI_EPARSE, "%s.%s: expected a number", path, numbers[i]);
    }
    return 0;
}

static bool take(struct dmpi_bench_reader *r, json_t *line)
{
    struct dmpi_err err;
    const char *type = dmpi_json_str(line, "type");
    if (!type)
        return false;
    bool header = strcmp(type, "header") == 0, row = strcmp(type, "row") == 0;
    bool end = strcmp(type, "end") == 0;
    r->ended = r->ended || end;
    if (end || (!header && (!row || check_row(line, "row", &err))))
        return end;
    json_object_del(line, "type");
    if (header) {
        dmpi_json_set(r->run, "header", json_incref(line));
        return true;
    }
    dmpi_json_add(dmpi_json_arr(r->run, "rows"), json_incref(line));
    if (r->row)
        r->row(r->arg, line);
    return true;
}

static void whole_line(struct dmpi_bench_reader *r)
{
    struct dmpi_err err;
    dmpi_json_auto json_t *line = NULL;
    const char *text = dmpi_buf_str(&r->line);
    bool taken =
        *text == '{' && dmpi_json_parse(&line, text, r->line.len, &err) == 0 && take(r, line);
    if (!taken && *text && r->other)
        r->other(r->arg, text);
    dmpi_buf_clear(&r->line);
}

static int sink_write(void *arg, const void *data, size_t n, struct dmpi_err *err)
{
    struct dmpi_bench_reader *r = arg;
    const char *at = data;
    (void)err;
    while (n > 0) {
        const char *newline = memchr(at, '\n', n);
        size_t piece = newline ? (size_t)(newline - at) : n;
        dmpi_buf_add(&r->line, at, piece);
        if (newline)
            whole_line(r);
        piece += newline != NULL;
        at += piece;
        n -= piece;
    }
    return 0;
}

struct dmpi_sink dmpi_bench_sink(struct dmpi_bench_reader *reader)
{
    return (struct dmpi_sink){sink_write, reader};
}

json_t *dmpi_bench_end(struct dmpi_bench_reader *reader, const char *tune)
{
    whole_line(reader); // the last one may lack its newline
    json_t *run = DMPI_STEAL(reader->run);
    dmpi_json_set_str(run, "tune", tune ? tune : "default");
    dmpi_buf_free(&reader->line);
    return run;
}

// ---- files -----------------------------------------------------------------------------------

static int check_run(const json_t *run, size_t i, struct dmpi_err *err)
{
    dmpi_autofree char *path = dmpi_xasprintf("runs[%zu]", i);
    const char *tune;
    json_t *rows = NULL, *header = NULL, *row;
    size_t k;
    if (!json_is_object(run))
        return dmpi_err_set(err, DMPI_EPARSE, "%s: expected an object", path);
    if (dmpi_json_need_str(&tune, run, path, "tune", true, err) ||
        dmpi_json_need_obj(&header, run, path, "header", true, err) ||
        dmpi_json_need_arr(&rows, run, path, "rows", true, err))
        return -1;
    json_array_foreach (rows, k, row) {
        dmpi_autofree char *below = dmpi_xasprintf("%s.rows[%zu]", path, k);
        if (check_row(row, below, err))
            return -1;
    }
    return 0;
}

static int check_result(const json_t *result, struct dmpi_err *err)
{
    json_t *runs = dmpi_json_arr(result, "runs"), *run;
    size_t i;
    if (dmpi_json_int(result, "format", 0) != 1 || !runs)
        return dmpi_err_set(err, DMPI_EPARSE, "not a result that `bench --json` wrote");
    json_array_foreach (runs, i, run)
        if (check_run(run, i, err))
            return -1;
    return 0;
}

int dmpi_bench_load(json_t **out, const char *path, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT(FILE_MAX_BYTES);
    *out = NULL;
    if (dmpi_io_read_file(&text, path, FILE_MAX_BYTES, err))
        return -1;
    if (dmpi_json_parse(out, dmpi_buf_str(&text), text.len, err) == 0 &&
        check_result(*out, err) == 0)
        return 0;
    json_decref(*out);
    *out = NULL;
    return dmpi_err_wrap(err, "%s", path);
}

// ---- asking ----------------------------------------------------------------------------------

const json_t *dmpi_bench_run(const json_t *result, const char *tune)
{
    const json_t *runs = dmpi_json_arr(result, "runs"), *run;
    size_t i;
    json_array_foreach (runs, i, run) {
        const char *name = dmpi_json_str(run, "tune");
        if (name && strcmp(name, tune) == 0)
            return run;
    }
    return json_array_size(runs) == 1 ? json_array_get(runs, 0) : NULL;
}

json_t *dmpi_bench_row(const json_t *run, const char *test, json_int_t size)
{
    json_t *rows = dmpi_json_arr(run, "rows"), *row;
    size_t i;
    json_array_foreach (rows, i, row)
        if (dmpi_json_int(row, "size", -1) == size && strcmp(dmpi_json_str(row, "test"), test) == 0)
            return row;
    return NULL;
}

double dmpi_bench_number(const json_t *row, const char *key)
{
    return json_number_value(json_object_get(row, key));
}

bool dmpi_bench_more_is_better(const char *unit)
{
    return dmpi_text_ends_with(unit, "/s");
}

json_int_t dmpi_bench_wrong(const json_t *result)
{
    const json_t *run, *row;
    size_t i, k;
    json_int_t wrong = 0;
    json_array_foreach (dmpi_json_arr(result, "runs"), i, run)
        json_array_foreach (dmpi_json_arr(run, "rows"), k, row)
            wrong += dmpi_json_int(row, "wrong", 0);
    return wrong;
}

long long dmpi_bench_line_rate(const json_t *result)
{
    const json_t *run = json_array_get(dmpi_json_arr(result, "runs"), 0);
    json_int_t mbit = dmpi_json_int(dmpi_json_obj(run, "header"), "line_rate_mbit_s", 0);
    return mbit > 0 && (double)mbit <= RATE_MOST ? mbit : 0;
}

int dmpi_bench_parse_rate(long long *mbit, const char *text, struct dmpi_err *err)
{
    char *end;
    double rate = strtod(text, &end);
    bool number = end != text && strspn(text, "0123456789.") == (size_t)(end - text);
    bool giga = *end == 'G' || *end == 'g', mega = *end == 'M' || *end == 'm';
    rate *= giga ? 1000 : 1;
    end += giga || mega;
    if (strcmp(end, "bit") == 0 || strcmp(end, "bit/s") == 0)
        end += strlen(end);
    if (!number || !(giga || mega) || *end || !(rate >= 1 && rate <= RATE_MOST))
        return dmpi_err_set(err, DMPI_EINVAL, "--line-rate %s: expected bits a second, such as 10G",
                            text);
    *mbit = (long long)rate;
    return 0;
}

// ---- comparing -------------------------------------------------------------------------------

static bool compare_row(json_t *now, const json_t *before)
{
    double a = dmpi_bench_number(now, "median"), b = dmpi_bench_number(before, "median");
    const char *unit = dmpi_json_str(before, "unit");
    if (!before || a <= 0 || b <= 0 || strcmp(unit, dmpi_json_str(now, "unit")) != 0)
        return false;
    dmpi_json_set(now, "before", json_real(b));
    dmpi_json_set(now, "ratio", json_real(dmpi_bench_more_is_better(unit) ? a / b : b / a));
    return true;
}

int dmpi_bench_compare(json_t *now, const json_t *before, struct dmpi_err *err)
{
    json_t *run, *row;
    size_t i, k, same = 0;
    json_array_foreach (dmpi_json_arr(now, "runs"), i, run) {
        const json_t *old = dmpi_bench_run(before, dmpi_json_str(run, "tune"));
        json_array_foreach (dmpi_json_arr(run, "rows"), k, row)
            same += compare_row(row, dmpi_bench_row(old, dmpi_json_str(row, "test"),
                                                    dmpi_json_int(row, "size", 0)));
    }
    if (same == 0)
        return dmpi_err_set(err, DMPI_EINVAL,
                            "--compare: the earlier result has no test, size and tuning set in "
                            "common with this one");
    return 0;
}
