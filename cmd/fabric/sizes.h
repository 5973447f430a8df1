// SPDX-License-Identifier: MIT
// Message sizes.
#ifndef FABRIC_SIZES_H
#define FABRIC_SIZES_H

#include <stddef.h>

#define FAB_SIZES_MAX 64
#define FAB_SIZE_MOST ((size_t)1 << 30) // a larger one does not fit MPI's counts with ease

struct fab_sizes {
    size_t v[FAB_SIZES_MAX]; // bytes, ascending
    size_t n;
};

// Reads "1:4M" (powers of two from 1 B to 4 MiB, both ends always included), "64", or a list of
// such, "8,1K:64K,3000"; K, M and G are powers of 1024. 0, or -1 when text is malformed, a size is 0
// or above FAB_SIZE_MOST, or there are too many.
int fab_sizes_parse(struct fab_sizes *out, const char *text);

#endif
