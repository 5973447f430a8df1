// SPDX-License-Identifier: MIT
// fabric bench: measures MPI between the ranks that mpirun has started. See bench.c for the method.
#ifndef FABRIC_BENCH_H
#define FABRIC_BENCH_H

#include <stdbool.h>
#include <stddef.h>

#include "buffer.h"
#include "pattern.h"
#include "sizes.h"
#include "stats.h"

#define FAB_WINDOW_MOST 1024

// What the user asked for.
struct fab_ask {
    struct fab_sizes sizes;
    const char *memory; // host, cuda, hip, gpu
    double seconds;     // the most that one size of one test is measured for
    int window;         // messages in flight, for bandwidth
    bool json, check;
    const char *const *tests; // names, NULL-terminated; none: all of them
};

// Where a test runs. Communicators are kept behind pointers, so that this header needs no MPI.
struct fab_place {
    void *comm;      // MPI_Comm *: the ranks that take part
    int rank, ranks; // in there
    enum fab_memory memory;
    struct fab_buffer send, receive; // of this rank
};

// One test. Functions are called by every rank of the place at the same time.
struct fab_test {
    const char *name, *unit;
    bool pair;              // between two ranks; else all
    bool sized;             // has a message size,
    size_t element;         // of which it takes multiples of this
    long small, small_warm; // iterations up to FAB_SMALL bytes, of which none of the warm-up count
    long large, large_warm; // the same above
    size_t (*room)(const struct fab_place *place, size_t size); // bytes of each buffer
    // n iterations; the time in seconds that they took on this rank.
    double (*run)(struct fab_place *place, size_t size, int window, long n);
    // Sends known data once and looks at what arrived here. 0, or -1 when a device failed.
    int (*check)(struct fab_place *place, size_t size, int window, unsigned long long seed,
                 struct fab_wrong *wrong);
    // Seconds for one iteration to the unit.
    double (*value)(double seconds, size_t size, int window);
};

#define FAB_SMALL 8192

extern const struct fab_test fab_latency, fab_bandwidth, fab_bidirectional; // p2p.c
extern const struct fab_test fab_allreduce, fab_allgather, fab_barrier;     // coll.c

// The exit code of the program.
int fab_bench(const struct fab_ask *ask);
// The names of the tests, NULL-terminated.
const char *const *fab_test_names(void);

#endif
