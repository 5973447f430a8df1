// SPDX-License-Identifier: MIT
// What `fabric bench` prints inside the images (cmd/fabric), gathered into a result that can be shown,
// kept, compared and drawn. Pure, except for reading a file.
//
// A result is {"format": 1, "runs": [RUN...]}, a RUN {"tune": NAME, "header": {...}, "rows": [ROW...]},
// a ROW what one line says: "test", "size" in bytes, "unit", "value" (mean), "median", "min", "max",
// "iterations", "checked", "wrong". In a result that was compared rows also have "before" and "ratio".
#ifndef DMPI_JOB_BENCH_H
#define DMPI_JOB_BENCH_H

#include <jansson.h>

#include "base/buf.h"
#include "base/ctl.h"
#include "base/err.h"
#include "engine/stream.h"

#define DMPI_BENCH_PROGRAM "/usr/lib/dockmpi/fabric"

// Reads a job's standard output as it comes.
struct dmpi_bench_reader {
    // Set by the caller: told for each row, and for each line that is no part of the result. May be
    // NULL.
    void (*row)(void *arg, const json_t *row);
    void (*other)(void *arg, const char *line);
    void *arg;
    json_t *run; // "header" and "rows"; owned by the caller after dmpi_bench_end
    bool ended;  // the last line has come
    // Private.
    struct dmpi_buf line;
};

void dmpi_bench_begin(struct dmpi_bench_reader *reader);
struct dmpi_sink dmpi_bench_sink(struct dmpi_bench_reader *reader);
// The run with its tune, for a result; NULL stands for the default. The reader is empty afterwards.
json_t *dmpi_bench_end(struct dmpi_bench_reader *reader, const char *tune);

// A result that `bench --json` wrote, strictly checked. *out is owned by the caller.
int dmpi_bench_load(json_t **out, const char *path, struct dmpi_err *err);

// The run of a result with that tune; of a result with a single run that one. NULL: there is none.
const json_t *dmpi_bench_run(const json_t *result, const char *tune);
// The row of a run, NULL when there is none. Borrowed.
json_t *dmpi_bench_row(const json_t *run, const char *test, json_int_t size);

// Whether more is better in this unit.
bool dmpi_bench_more_is_better(const char *unit);

// Puts "before" and "ratio" (of the medians, above 1 is better than before) into the rows of now that
// `before` has, too. DMPI_EINVAL when none is the same in both.
int dmpi_bench_compare(json_t *now, const json_t *before, struct dmpi_err *err);

// A row's number; 0 when it is not there.
double dmpi_bench_number(const json_t *row, const char *key);

// Bytes that arrived wrong in all runs.
json_int_t dmpi_bench_wrong(const json_t *result);

// Mbit/s that the network can do at most, as the interfaces say; 0: unknown, or no network between
// the ranks.
long long dmpi_bench_line_rate(const json_t *result);

// "10G", "950M", "2.5Gbit": Mbit/s. Errors begin with --line-rate.
int dmpi_bench_parse_rate(long long *mbit, const char *text, struct dmpi_err *err);

// The script that makes gnuplot draw the result on its standard output: svg, else png. mbit: line rate,
// 0 draws none. before: an earlier result for pale curves, or NULL.
void dmpi_bench_script(struct dmpi_buf *out, const json_t *result, const json_t *before,
                       long long mbit, bool svg);

// Whether a picture of that name can be drawn: it ends in .svg or .png, and gnuplot is there.
int dmpi_bench_plot_check(const char *path, const struct dmpi_ctl *ctl, struct dmpi_err *err);
// Draws it into the file.
int dmpi_bench_plot(const char *path, const json_t *result, const json_t *before, long long mbit,
                    const struct dmpi_ctl *ctl, struct dmpi_err *err);

#endif
