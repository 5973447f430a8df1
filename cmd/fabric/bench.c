// SPDX-License-Identifier: MIT
// The method is that of the OSU micro-benchmarks, and the figures can be laid beside theirs:
//   latency     half of a round trip of blocking sends, by the clock of the rank that begins
//   bw, bibw    `window` non-blocking messages one way (both ways), then a short answer
//   allreduce   a sum of floats; each call after a barrier, timed by itself; mean over the ranks
//   allgather   likewise; the size is what each rank contributes
// with their numbers of iterations and of warm-up iterations. What differs: on a slow network a size is
// given up for the next when its time is over (fewer iterations, which are printed), all sizes are
// checked for the right data by default, in a pass of its own, and the spread over ten parts of the
// measurement is told.
#include "bench.h"

#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "jsonw.h"
#include "netif.h"

#define PARTS 10
#define PARTS_LEAST 3
#define ROOM_MOST ((size_t)1 << 29) // bytes for one buffer; larger messages are left out
#define CHECKS 3
#define FAILED 1
#define IDLE_NS 2000000L

static const struct fab_test *const tests[] = {&fab_latency,   &fab_bandwidth, &fab_bidirectional,
                                               &fab_allreduce, &fab_allgather, &fab_barrier};
#define N_TESTS (sizeof tests / sizeof tests[0])

// What every rank tells about itself.
struct about {
    char host[64];
    char memory[8];
    char iface[32];
    long long megabits; // of the interface; 0: unknown
    uint64_t machine;   // the same for ranks that share a machine and its network
};

struct bench {
    const struct fab_ask *ask;
    struct about *abouts; // of every rank
    int rank, ranks, peer;
    MPI_Comm all, pair; // pair is MPI_COMM_NULL for those who wait
    enum fab_memory memory;
    struct fab_json json;
    uint64_t wrong;
    unsigned long long seed;
};

// One line of the result.
struct row {
    const struct fab_test *test;
    size_t size;
    long iterations;
    struct fab_stats stats;
    struct fab_wrong wrong;
    bool checked;
};

const char *const *fab_test_names(void)
{
    static const char *names[N_TESTS + 1];
    for (size_t i = 0; i < N_TESTS; i++)
        names[i] = tests[i]->name;
    return names;
}

// ---- who is where ----------------------------------------------------------------------------

static void describe(struct bench *b, struct about *a)
{
    *a = (struct about){.machine = fab_machine()};
    gethostname(a->host, sizeof a->host - 1);
    snprintf(a->memory, sizeof a->memory, "%s", fab_memory_name(b->memory));
    fab_netif_of_job(a->iface, sizeof a->iface);
    if (*a->iface)
        a->megabits = fab_netif_speed("/sys", a->iface);
}

// Rank 0 and the first rank on another machine; where there is none, in another container; else rank 1.
static int find_peer(const struct bench *b)
{
    for (int i = 1; i < b->ranks; i++)
        if (b->abouts[i].machine != b->abouts[0].machine)
            return i;
    for (int i = 1; i < b->ranks; i++)
        if (strcmp(b->abouts[i].host, b->abouts[0].host) != 0)
            return i;
    return 1;
}

static bool same_machine(const struct bench *b)
{
    return b->abouts[b->peer].machine == b->abouts[0].machine;
}

// The slower interface of the two; 0: unknown, or not used.
static long long line_rate(const struct bench *b)
{
    long long one = b->abouts[0].megabits, other = b->abouts[b->peer].megabits;
    return same_machine(b) ? 0 : one < other ? one : other;
}

static int meet(struct bench *b)
{
    struct about own;
    describe(b, &own);
    b->abouts = calloc((size_t)b->ranks, sizeof *b->abouts);
    if (!b->abouts)
        return -1;
    MPI_Allgather(&own, sizeof own, MPI_BYTE, b->abouts, sizeof own, MPI_BYTE, b->all);
    b->peer = b->ranks > 1 ? find_peer(b) : 0;
    bool takes_part = b->rank == 0 || b->rank == b->peer;
    MPI_Comm_split(b->all, takes_part ? 0 : MPI_UNDEFINED, b->rank, &b->pair);
    return 0;
}

// ---- output ----------------------------------------------------------------------------------

static void print_rank(struct bench *b, const char *key, int rank)
{
    const struct about *a = &b->abouts[rank];
    fab_json_obj(&b->json, key);
    fab_json_int(&b->json, "rank", rank);
    fab_json_str(&b->json, "host", a->host);
    fab_json_str(&b->json, "memory", a->memory);
    fab_json_str(&b->json, "interface", *a->iface ? a->iface : NULL);
    fab_json_int(&b->json, "mbit_s", a->megabits);
    fab_json_end(&b->json, '}');
}

static void print_header_json(struct bench *b, const char *library)
{
    fab_json_obj(&b->json, NULL);
    fab_json_str(&b->json, "type", "header");
    fab_json_int(&b->json, "format", 1);
    fab_json_str(&b->json, "mpi", library);
    fab_json_int(&b->json, "ranks", b->ranks);
    fab_json_bool(&b->json, "same_machine", same_machine(b));
    fab_json_int(&b->json, "line_rate_mbit_s", line_rate(b));
    fab_json_int(&b->json, "window", b->ask->window);
    fab_json_num(&b->json, "seconds_a_size", b->ask->seconds);
    fab_json_bool(&b->json, "checked", b->ask->check);
    fab_json_str(
        &b->json, "method",
        "OSU micro-benchmarks: latency is half a round trip; bw and bibw send a window of "
        "messages and wait for an answer; collectives are timed one by one after a barrier, "
        "mean over the ranks; MB is 1e6 bytes");
    fab_json_arr(&b->json, "pair");
    print_rank(b, NULL, 0);
    print_rank(b, NULL, b->peer);
    fab_json_end(&b->json, ']');
    fab_json_end(&b->json, '}');
}

static void print_header(struct bench *b)
{
    char library[MPI_MAX_LIBRARY_VERSION_STRING];
    int n;
    MPI_Get_library_version(library, &n);
    library[strcspn(library, ",\n")] = '\0';
    if (b->ask->json) {
        print_header_json(b, library);
        return;
    }
    printf("# %s, %d ranks; pair: rank 0 (%s, %s) and rank %d (%s, %s)\n", library, b->ranks,
           b->abouts[0].host, b->abouts[0].memory, b->peer, b->abouts[b->peer].host,
           b->abouts[b->peer].memory);
    printf(
        "# method of the OSU micro-benchmarks: latency = half a round trip; bw, bibw = windows of\n"
        "# %d messages, then an answer; collectives one by one after a barrier, mean over the\n"
        "# ranks; warm-up and iterations as theirs, at most %g s a size; MB = 1e6 bytes\n",
        b->ask->window, b->ask->seconds);
    printf("%-10s %10s %12s %12s %12s %12s %6s %10s  %s\n", "# test", "bytes", "mean", "median",
           "least", "most", "unit", "iterations", "data");
}

static void print_row_json(struct bench *b, const struct row *r)
{
    fab_json_obj(&b->json, NULL);
    fab_json_str(&b->json, "type", "row");
    fab_json_str(&b->json, "test", r->test->name);
    fab_json_int(&b->json, "size", (long long)r->size);
    fab_json_num(&b->json, "value", r->stats.mean);
    fab_json_num(&b->json, "median", r->stats.median);
    fab_json_num(&b->json, "min", r->stats.min);
    fab_json_num(&b->json, "max", r->stats.max);
    fab_json_str(&b->json, "unit", r->test->unit);
    fab_json_int(&b->json, "iterations", r->iterations);
    fab_json_int(&b->json, "checked", (long long)r->wrong.checked);
    fab_json_int(&b->json, "wrong", (long long)r->wrong.wrong);
    fab_json_end(&b->json, '}');
}

static void print_row(struct bench *b, const struct row *r)
{
    const char *data = !r->checked ? "-" : r->wrong.wrong ? "WRONG" : "ok";
    if (b->ask->json)
        print_row_json(b, r);
    else
        printf("%-10s %10zu %12.2f %12.2f %12.2f %12.2f %6s %10ld  %s\n", r->test->name, r->size,
               r->stats.mean, r->stats.median, r->stats.min, r->stats.max, r->test->unit,
               r->iterations, data);
    fflush(stdout);
}

// ---- measuring -------------------------------------------------------------------------------

// The mean of a time over the ranks of the place; for a pair that of its rank 0, whose clock starts
// first and ends last.
static double agreed(const struct fab_place *place, bool pair, double seconds)
{
    MPI_Comm comm = *(MPI_Comm *)place->comm;
    double sum = seconds;
    if (pair)
        MPI_Bcast(&sum, 1, MPI_DOUBLE, 0, comm);
    else
        MPI_Allreduce(&seconds, &sum, 1, MPI_DOUBLE, MPI_SUM, comm);
    return pair ? sum : sum / place->ranks;
}

// Warms up, and finds out what one iteration takes: the first ones connect, so they come twice.
static double warm_up(const struct bench *b, struct fab_place *place, const struct fab_test *t,
                      size_t size, long most)
{
    double each = 0;
    for (int i = 0; i < 2; i++)
        each = agreed(place, t->pair, t->run(place, size, b->ask->window, 1));
    long n = fab_fit(b->ask->seconds / 5, each, 0, most);
    if (n > 0)
        each = agreed(place, t->pair, t->run(place, size, b->ask->window, n)) / (double)n;
    return each;
}

static void measure(const struct bench *b, struct fab_place *place, struct row *r)
{
    const struct fab_test *t = r->test;
    bool small = r->size <= FAB_SMALL;
    double parts[PARTS], total = 0;
    double each = warm_up(b, place, t, r->size, small ? t->small_warm : t->large_warm);
    long n = fab_fit(b->ask->seconds, each, PARTS, small ? t->small : t->large) / PARTS;
    MPI_Barrier(*(MPI_Comm *)place->comm);
    size_t parts_n = 0;
    // On a machine that others use, too, a part can take many times what the warm-up promised.
    while (parts_n < PARTS && (parts_n < PARTS_LEAST || total < 2 * b->ask->seconds)) {
        double taken = agreed(place, t->pair, t->run(place, r->size, b->ask->window, n));
        total += taken;
        parts[parts_n++] = t->value(taken / (double)n, r->size, b->ask->window);
    }
    r->iterations = n * (long)parts_n;
    r->stats = fab_stats_of(parts, parts_n);
    r->stats.mean = t->value(total / (double)r->iterations, r->size, b->ask->window);
}

// Adds up what the ranks have found; rank 0 has the sum.
static void collect(const struct fab_place *place, struct fab_wrong *wrong)
{
    uint64_t mine[2] = {wrong->checked, wrong->wrong}, sum[2] = {0, 0};
    MPI_Allreduce(mine, sum, 2, MPI_UINT64_T, MPI_SUM, *(MPI_Comm *)place->comm);
    wrong->checked = sum[0];
    wrong->wrong = sum[1];
}

static int verify(struct bench *b, struct fab_place *place, struct row *r)
{
    struct fab_wrong *w = &r->wrong;
    for (int i = 0; i < CHECKS; i++) {
        if (r->test->check(place, r->size, b->ask->window, ++b->seed, w)) {
            fprintf(stderr, "fabric: %s: rank %d cannot copy to and from its %s memory\n",
                    r->test->name, b->rank, fab_memory_name(b->memory));
            return -1;
        }
    }
    if (w->wrong)
        fprintf(stderr,
                "fabric: %s of %zu bytes: rank %d on %s got wrong data: %llu of %llu, the first "
                "at %zu\n",
                r->test->name, r->size, b->rank, b->abouts[b->rank].host,
                (unsigned long long)w->wrong, (unsigned long long)w->checked, w->first);
    collect(place, w);
    r->checked = true;
    return 0;
}

static int one_size(struct bench *b, struct fab_place *place, const struct fab_test *t, size_t size)
{
    struct row r = {.test = t, .size = size};
    if (b->ask->check && t->check && verify(b, place, &r))
        return -1;
    measure(b, place, &r);
    b->wrong += r.wrong.wrong;
    if (b->rank == 0)
        print_row(b, &r);
    return 0;
}

// Sizes whose buffers would be too large are left out, and those that are no whole number of elements.
static bool fits(const struct fab_place *place, const struct fab_test *t, size_t size)
{
    return t->sized && size % t->element == 0 && t->room(place, size) <= ROOM_MOST;
}

static size_t largest(const struct bench *b, const struct fab_place *place,
                      const struct fab_test *t)
{
    size_t most = 0;
    for (size_t i = 0; i < b->ask->sizes.n; i++)
        if (fits(place, t, b->ask->sizes.v[i]))
            most = b->ask->sizes.v[i];
    return most;
}

static int all_sizes(struct bench *b, struct fab_place *place, const struct fab_test *t)
{
    size_t most = largest(b, place, t);
    size_t room = t->room(place, most);
    int rc = fab_buffer_make(&place->send, b->memory, room) ||
                     fab_buffer_make(&place->receive, b->memory, room)
                 ? -1
                 : 0;
    if (rc)
        fprintf(stderr, "fabric: %s: rank %d cannot have 2 x %zu bytes of %s memory\n", t->name,
                b->rank, room, fab_memory_name(b->memory));
    for (size_t i = 0; rc == 0 && i < b->ask->sizes.n; i++)
        if (fits(place, t, b->ask->sizes.v[i]))
            rc = one_size(b, place, t, b->ask->sizes.v[i]);
    if (rc == 0 && !t->sized)
        rc = one_size(b, place, t, 0);
    fab_buffer_free(&place->send);
    fab_buffer_free(&place->receive);
    return rc;
}

// Ranks that have no part in a test wait for its end without taking the processor from those who do.
static void wait_for_all(const struct bench *b)
{
    MPI_Request request;
    int over = 0;
    MPI_Ibarrier(b->all, &request);
    for (;;) {
        MPI_Test(&request, &over, MPI_STATUS_IGNORE);
        if (over)
            return;
        nanosleep(&(struct timespec){.tv_nsec = IDLE_NS}, NULL);
    }
}

static int run_test(struct bench *b, const struct fab_test *t)
{
    MPI_Comm *comm = t->pair ? &b->pair : &b->all;
    struct fab_place place = {.comm = comm, .memory = b->memory};
    int rc = 0;
    b->seed = 0; // every rank must count alike, also one that had no part in an earlier test
    if (*comm != MPI_COMM_NULL) {
        MPI_Comm_rank(*comm, &place.rank);
        MPI_Comm_size(*comm, &place.ranks);
        rc = all_sizes(b, &place, t);
    }
    if (rc)
        MPI_Abort(b->all, FAILED); // the others wait for messages that will not come
    wait_for_all(b);
    return rc;
}

static bool asked_for(const struct fab_ask *ask, const char *name)
{
    if (!ask->tests[0])
        return true;
    for (size_t i = 0; ask->tests[i]; i++)
        if (strcmp(ask->tests[i], name) == 0)
            return true;
    return false;
}

// ---- all of it -------------------------------------------------------------------------------

static int local_rank(void)
{
    const char *text = getenv("OMPI_COMM_WORLD_LOCAL_RANK");
    return text ? (int)strtol(text, NULL, 10) : 0;
}

// GPU memory must be there before MPI starts: that is when its parts look for it.
static int open_memory(struct bench *b)
{
    const char *why = NULL;
    if (fab_memory_open(&b->memory, b->ask->memory, local_rank(), &why) == 0)
        return 0;
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    fprintf(stderr, "fabric: --memory %s: %s on %s\n", b->ask->memory, why, host);
    return -1;
}

static int begin(struct bench *b)
{
    int provided;
    if (open_memory(b))
        return -1;
    MPI_Init_thread(NULL, NULL, MPI_THREAD_SINGLE, &provided);
    b->all = MPI_COMM_WORLD;
    MPI_Comm_rank(b->all, &b->rank);
    MPI_Comm_size(b->all, &b->ranks);
    fab_json_init(&b->json, stdout);
    if (b->ranks < 2) {
        fprintf(stderr, "fabric: bench measures between ranks: start two or more with mpirun\n");
        MPI_Finalize();
        return -1;
    }
    return meet(b);
}

int fab_bench(const struct fab_ask *ask)
{
    struct bench b = {.ask = ask};
    if (begin(&b))
        return FAILED;
    if (b.rank == 0)
        print_header(&b);
    for (size_t i = 0; i < N_TESTS; i++)
        if (asked_for(ask, tests[i]->name))
            run_test(&b, tests[i]);
    if (b.rank == 0 && ask->json) {
        fab_json_obj(&b.json, NULL);
        fab_json_str(&b.json, "type", "end");
        fab_json_int(&b.json, "wrong", (long long)b.wrong);
        fab_json_end(&b.json, '}');
    }
    if (b.pair != MPI_COMM_NULL)
        MPI_Comm_free(&b.pair);
    free(b.abouts);
    // Ranks differ in what they saw: rank 0 has seen all tests.
    MPI_Bcast(&b.wrong, 1, MPI_UINT64_T, 0, b.all);
    MPI_Finalize();
    return b.wrong ? FAILED : 0;
}
