// SPDX-License-Identifier: MIT
#include "pattern.h"

#include <string.h>

#define TERM_STEP 61 // terms are 0..60 from the position, and 0..7 from the rank
#define TERM_RANK 8

// A well mixed word for each position (the finaliser of splitmix64, which is public domain).
static uint64_t word_at(uint64_t seed, uint64_t i)
{
    uint64_t z = seed * 0x9e3779b97f4a7c15ULL + i * 0xd1342543de82ef95ULL + 1;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static void fill(void *data, size_t n, uint64_t seed, uint64_t change)
{
    char *at = data;
    for (size_t i = 0; n > 0; i++) {
        uint64_t word = word_at(seed, i) ^ change;
        size_t piece = n < sizeof word ? n : sizeof word;
        memcpy(at, &word, piece);
        at += piece;
        n -= piece;
    }
}

void fab_pattern_fill(void *data, size_t n, uint64_t seed)
{
    fill(data, n, seed, 0);
}

void fab_pattern_spoil(void *data, size_t n, uint64_t seed)
{
    fill(data, n, seed, UINT64_MAX);
}

static void note(struct fab_wrong *wrong, size_t at, size_t n)
{
    if (wrong->wrong++ == 0) {
        wrong->first = at;
        wrong->size = n;
    }
}

void fab_pattern_check(struct fab_wrong *wrong, const void *data, size_t n, uint64_t seed)
{
    const unsigned char *got = data;
    wrong->checked += n;
    for (size_t at = 0; at < n; at += sizeof(uint64_t)) {
        unsigned char want[sizeof(uint64_t)];
        uint64_t word = word_at(seed, at / sizeof word);
        size_t piece = n - at < sizeof word ? n - at : sizeof word;
        memcpy(want, &word, sizeof want);
        if (memcmp(got + at, want, piece) == 0)
            continue;
        for (size_t i = 0; i < piece; i++)
            if (got[at + i] != want[i])
                note(wrong, at + i, n);
    }
}

static float term(uint64_t seed, size_t i, int rank)
{
    return (float)((seed + i) % TERM_STEP) + (float)(rank % TERM_RANK);
}

void fab_terms_fill(float *data, size_t n, uint64_t seed, int rank)
{
    for (size_t i = 0; i < n; i++)
        data[i] = term(seed, i, rank);
}

void fab_terms_check(struct fab_wrong *wrong, const float *data, size_t n, uint64_t seed, int ranks)
{
    float from_ranks = 0;
    for (int rank = 0; rank < ranks; rank++)
        from_ranks += (float)(rank % TERM_RANK);
    wrong->checked += n;
    for (size_t i = 0; i < n; i++) {
        float want = (float)((seed + i) % TERM_STEP) * (float)ranks + from_ranks;
        // Not "differs": what is not a number must not pass either.
        if (!(data[i] >= want && data[i] <= want))
            note(wrong, i, n);
    }
}
