// SPDX-License-Identifier: MIT
// What a handful of timings come to.
#ifndef FABRIC_STATS_H
#define FABRIC_STATS_H

#include <stddef.h>

struct fab_stats {
    double mean, median, min, max;
};

// Of n > 0 values, which are sorted by this.
struct fab_stats fab_stats_of(double *values, size_t n);

// How many of `most` repetitions fit into `budget` seconds when one takes `each` seconds: at least
// `least`, at most `most`.
long fab_fit(double budget, double each, long least, long most);

#endif
