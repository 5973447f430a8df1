// SPDX-License-Identifier: MIT
#include "stats.h"

#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct fab_stats fab_stats_of(double *values, size_t n)
{
    double sum = 0;
    qsort(values, n, sizeof *values, by_value);
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    return (struct fab_stats){.mean = sum / (double)n,
                              .median = (values[(n - 1) / 2] + values[n / 2]) / 2,
                              .min = values[0],
                              .max = values[n - 1]};
}

long fab_fit(double budget, double each, long least, long most)
{
    if (each <= 0 || budget / each >= (double)most)
        return most;
    long fitting = (long)(budget / each);
    return fitting < least ? least : fitting;
}
