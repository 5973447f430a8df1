// SPDX-License-Identifier: MIT
// Data whose every byte is known beforehand, and the check of what arrived.
#ifndef FABRIC_PATTERN_H
#define FABRIC_PATTERN_H

#include <stddef.h>
#include <stdint.h>

// What a check found. Counts add up over checks; `first` is that of the first check that failed.
struct fab_wrong {
    uint64_t checked; // bytes (elements, for sums) that were looked at
    uint64_t wrong;   // of those
    size_t first;     // position of the first wrong one
    size_t size;      // of the message that it was in
};

// n bytes that depend on their position and on seed: a piece that is missing, shifted, stale or comes
// from another message shows.
void fab_pattern_fill(void *data, size_t n, uint64_t seed);
// Bytes that differ from the pattern everywhere: what was not received cannot pass.
void fab_pattern_spoil(void *data, size_t n, uint64_t seed);
void fab_pattern_check(struct fab_wrong *wrong, const void *data, size_t n, uint64_t seed);

// For sums: small whole numbers, so that floating point adds them exactly in any order.
void fab_terms_fill(float *data, size_t n, uint64_t seed, int rank);
// The sums over `ranks` ranks; wrong->first and ->size are in elements.
void fab_terms_check(struct fab_wrong *wrong, const float *data, size_t n, uint64_t seed,
                     int ranks);

#endif
