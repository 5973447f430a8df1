// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "bench.h"
#include "job/bench.h"
#include "out.h"

/* Four digits are more than a network repeats. */
static char *number(double value)
{
    return value >= 1000  ? dmpi_xasprintf("%.0f", value)
           : value >= 10  ? dmpi_xasprintf("%.1f", value)
           : value >= 0.1 ? dmpi_xasprintf("%.2f", value)
                          : dmpi_xasprintf("%.2g", value);
}

static const char *data_of(const json_t *row)
{
    if (dmpi_json_int(row, "wrong", 0) > 0)
        return "WRONG";
    return dmpi_json_int(row, "checked", 0) > 0 ? "ok" : "-";
}

/* "+3.1 %": better than before. */
static char *change(const json_t *row)
{
    double ratio = dmpi_bench_number(row, "ratio");
    return ratio > 0 ? dmpi_xasprintf("%+.1f %%", (ratio - 1) * 100) : dmpi_xstrdup("");
}

static void print_row(struct dmpi_table *table, const json_t *row, bool compared)
{
    dmpi_autofree char *size =
        dmpi_xasprintf("%" JSON_INTEGER_FORMAT, dmpi_json_int(row, "size", 0));
    dmpi_autofree char *median = number(dmpi_bench_number(row, "median"));
    dmpi_autofree char *mean = number(dmpi_bench_number(row, "value"));
    dmpi_autofree char *least = number(dmpi_bench_number(row, "min"));
    dmpi_autofree char *most = number(dmpi_bench_number(row, "max"));
    dmpi_autofree char *before = json_object_get(row, "before")
                                     ? number(dmpi_bench_number(row, "before"))
                                     : dmpi_xstrdup("");
    dmpi_autofree char *changed = change(row);
    dmpi_table_row(table, dmpi_json_str(row, "test"), size, median, mean, least, most,
                   dmpi_json_str(row, "unit"), data_of(row), compared ? before : NULL, changed,
                   NULL);
}

/* A run with all that is known of each size. */
static void print_run(const json_t *run, bool compared)
{
    const json_t *row;
    size_t i;
    struct dmpi_table table;
    if (compared)
        dmpi_table_start(&table, "TEST", "BYTES", "MEDIAN", "MEAN", "LEAST", "MOST", "UNIT", "DATA",
                         "BEFORE", "BETTER BY", NULL);
    else
        dmpi_table_start(&table, "TEST", "BYTES", "MEDIAN", "MEAN", "LEAST", "MOST", "UNIT", "DATA",
                         NULL);
    json_array_foreach (dmpi_json_arr(run, "rows"), i, row)
        print_row(&table, row, compared);
    dmpi_table_print(&table);
}

static void print_header(const json_t *run)
{
    const json_t *header = dmpi_json_obj(run, "header"), *pair = dmpi_json_arr(header, "pair");
    const char *one = dmpi_json_str(json_array_get(pair, 0), "host");
    const char *other = dmpi_json_str(json_array_get(pair, 1), "host");
    const char *mpi = dmpi_json_str(header, "mpi");
    dmpi_autofree char *text = dmpi_xasprintf(
        "# %s, %" JSON_INTEGER_FORMAT " ranks; latency, bw and bibw between %s and %s%s",
        mpi ? mpi : "MPI", dmpi_json_int(header, "ranks", 0), one ? one : "?", other ? other : "?",
        dmpi_json_bool(header, "same_machine", false) ? " (one machine)" : "");
    dmpi_autofree char *safe = dmpi_text_print_safe(text);
    const char *tune = dmpi_json_str(run, "tune");
    puts(safe);
    if (strcmp(tune, "default") != 0)
        printf("# --tune %s\n", tune);
    puts("# method of the OSU micro-benchmarks; MB is 10^6 bytes; medians of ten parts");
}

/* Several tuning sets: their medians side by side. Two sets differ in nothing else. */
static void print_sets(const json_t *result)
{
    const json_t *runs = dmpi_json_arr(result, "runs"), *first = json_array_get(runs, 0), *row,
                 *run;
    size_t i, k;
    struct dmpi_table table;
    dmpi_table_start(&table, "TEST", "BYTES", "UNIT", NULL);
    json_array_foreach (runs, k, run)
        dmpi_strv_add(&table.cells, dmpi_json_str(run, "tune"));
    table.columns += json_array_size(runs);
    json_array_foreach (dmpi_json_arr(first, "rows"), i, row) {
        json_int_t size = dmpi_json_int(row, "size", 0);
        const char *test = dmpi_json_str(row, "test");
        dmpi_strv_add(&table.cells, test);
        dmpi_strv_addf(&table.cells, "%" JSON_INTEGER_FORMAT, size);
        dmpi_strv_add(&table.cells, dmpi_json_str(row, "unit"));
        json_array_foreach (runs, k, run) {
            const json_t *same = dmpi_bench_row(run, test, size);
            dmpi_strv_take(&table.cells,
                           same ? number(dmpi_bench_number(same, "median")) : dmpi_xstrdup("-"));
        }
    }
    dmpi_table_print(&table);
}

/* How near the best bandwidth is to what the interface can do. */
static void print_rate(const json_t *result, long long mbit)
{
    const json_t *run, *row;
    size_t i, k;
    json_array_foreach (dmpi_json_arr(result, "runs"), i, run) {
        double best = 0;
        json_array_foreach (dmpi_json_arr(run, "rows"), k, row)
            if (strcmp(dmpi_json_str(row, "test"), "bw") == 0)
                best = fmax(best, dmpi_bench_number(row, "median"));
        dmpi_autofree char *tune = dmpi_text_print_safe(dmpi_json_str(run, "tune"));
        if (best > 0)
            printf("# %s: bw reaches %.0f MB/s, %.0f %% of the line rate of %.4g Gbit/s\n", tune,
                   best, best * 8 / (double)mbit * 100, (double)mbit / 1000);
    }
}

/* The geometric mean for each test: ratios are multiplied, not added. */
static void print_change(const json_t *run)
{
    const json_t *rows = dmpi_json_arr(run, "rows"), *row;
    const char *test = "";
    double logs = 0;
    int n = 0;
    for (size_t i = 0; i <= json_array_size(rows); i++) {
        row = json_array_get(rows, i);
        if ((!row || strcmp(dmpi_json_str(row, "test"), test) != 0) && n > 0)
            printf("# %s: %+.1f %% better than before, over %d size%s\n", test,
                   (exp(logs / n) - 1) * 100, n, n == 1 ? "" : "s");
        if (!row || strcmp(dmpi_json_str(row, "test"), test) != 0)
            logs = n = 0;
        test = row ? dmpi_json_str(row, "test") : "";
        double ratio = dmpi_bench_number(row, "ratio");
        if (ratio > 0) {
            logs += log(ratio);
            n++;
        }
    }
}

void dmpi_bench_print(const json_t *result, bool compared, long long mbit)
{
    const json_t *runs = dmpi_json_arr(result, "runs"), *run;
    size_t i;
    json_array_foreach (runs, i, run) {
        print_header(run);
        print_run(run, compared);
        if (compared)
            print_change(run);
        if (json_array_size(runs) > 1)
            puts("");
    }
    if (json_array_size(runs) > 1)
        print_sets(result);
    if (mbit > 0)
        print_rate(result, mbit);
}

/* Text in quotes where it needs them; a result may come from anybody's file. */
static void csv_text(const char *text, char end)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, stdout);
    } else {
        putchar('"');
        for (; *text; text++) {
            if (*text == '"')
                putchar('"');
            putchar(*text);
        }
        putchar('"');
    }
    putchar(end);
}

void dmpi_bench_print_csv(const json_t *result, bool compared)
{
    static const char *const numbers[] = {"value", "median", "min", "max", "before", "ratio"};
    const json_t *run, *row;
    size_t i, k;
    printf("tune,test,bytes,unit,mean,median,min,max%s,iterations,checked,wrong\n",
           compared ? ",before,ratio" : "");
    json_array_foreach (dmpi_json_arr(result, "runs"), i, run) {
        json_array_foreach (dmpi_json_arr(run, "rows"), k, row) {
            csv_text(dmpi_json_str(run, "tune"), ',');
            csv_text(dmpi_json_str(row, "test"), ',');
            printf("%" JSON_INTEGER_FORMAT ",", dmpi_json_int(row, "size", 0));
            csv_text(dmpi_json_str(row, "unit"), ',');
            for (size_t n = 0; n < (compared ? 6 : 4); n++) {
                if (json_object_get(row, numbers[n]))
                    printf("%.6g", dmpi_bench_number(row, numbers[n]));
                putchar(',');
            }
            printf("%" JSON_INTEGER_FORMAT ",%" JSON_INTEGER_FORMAT ",%" JSON_INTEGER_FORMAT "\n",
                   dmpi_json_int(row, "iterations", 0), dmpi_json_int(row, "checked", 0),
                   dmpi_json_int(row, "wrong", 0));
        }
    }
}
