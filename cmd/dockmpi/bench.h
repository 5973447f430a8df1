// SPDX-License-Identifier: MIT
/* The parts of the verb bench: measuring (bench.c), printing (benchout.c), probing (benchprobe.c). */
#ifndef DMPI_CMD_BENCH_H
#define DMPI_CMD_BENCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "app.h"

struct dmpi_bench_opts {
    struct dmpi_common common;
    const char *sizes, *tune, *memory, *seconds, *plot, *line_rate, *compare, *from;
    long long np, slots, window;
    int64_t timeout_ms;
    struct dmpi_strv env, mca;
    struct dmpi_strv tests; /* the operands */
    bool csv, no_check;
};

/** Prints a result (see job/bench.h) as a table. mbit: line rate, 0 when unknown. */
void dmpi_bench_print(const json_t *result, bool compared, long long mbit);
/** The same as comma-separated values, one line a row. */
void dmpi_bench_print_csv(const json_t *result, bool compared);

/** `bench probe`: asks every worker what it has and prints it. The exit code, or -1. */
int dmpi_bench_probe(const struct dmpi_bench_opts *opts, struct dmpi_err *err);

#endif
