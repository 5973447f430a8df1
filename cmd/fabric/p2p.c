// SPDX-License-Identifier: MIT
// Tests between two ranks, 0 and 1 of the place.
#include <mpi.h>

#include "bench.h"

#define TAG 1
#define TAG_DONE 2
#define CHECKED 4 // messages that a check of the bandwidth tests has in flight

static MPI_Comm comm_of(const struct fab_place *place)
{
    return *(const MPI_Comm *)place->comm;
}

static size_t room(const struct fab_place *place, size_t size)
{
    (void)place;
    return CHECKED * size;
}

// ---- there and back --------------------------------------------------------------------------

static double ping_pong(struct fab_place *place, size_t size, int window, long n)
{
    MPI_Comm comm = comm_of(place);
    int peer = 1 - place->rank;
    (void)window;
    double begin = MPI_Wtime();
    for (long i = 0; i < n; i++) {
        if (place->rank == 0) {
            MPI_Send(place->send.data, (int)size, MPI_BYTE, peer, TAG, comm);
            MPI_Recv(place->receive.data, (int)size, MPI_BYTE, peer, TAG, comm, MPI_STATUS_IGNORE);
        } else {
            MPI_Recv(place->receive.data, (int)size, MPI_BYTE, peer, TAG, comm, MPI_STATUS_IGNORE);
            MPI_Send(place->send.data, (int)size, MPI_BYTE, peer, TAG, comm);
        }
    }
    return MPI_Wtime() - begin;
}

static double half_in_us(double seconds, size_t size, int window)
{
    (void)size;
    (void)window;
    return seconds / 2 * 1e6;
}

// ---- many at once ----------------------------------------------------------------------------

static void post(struct fab_place *place, size_t size, int n, size_t step, bool sends,
                 MPI_Request *requests)
{
    char *data = sends ? place->send.data : place->receive.data;
    int peer = 1 - place->rank;
    for (int i = 0; i < n; i++) {
        if (sends)
            MPI_Isend(data + step * (size_t)i, (int)size, MPI_BYTE, peer, TAG, comm_of(place),
                      &requests[i]);
        else
            MPI_Irecv(data + step * (size_t)i, (int)size, MPI_BYTE, peer, TAG, comm_of(place),
                      &requests[i]);
    }
}

// The receiver's word that all has arrived.
static void done(struct fab_place *place, bool tell)
{
    char word = 0;
    if (tell)
        MPI_Send(&word, 1, MPI_BYTE, 1 - place->rank, TAG_DONE, comm_of(place));
    else
        MPI_Recv(&word, 1, MPI_BYTE, 1 - place->rank, TAG_DONE, comm_of(place), MPI_STATUS_IGNORE);
}

static double one_way(struct fab_place *place, size_t size, int window, long n)
{
    MPI_Request requests[FAB_WINDOW_MOST];
    bool sender = place->rank == 0;
    double begin = MPI_Wtime();
    for (long i = 0; i < n; i++) {
        post(place, size, window, 0, sender, requests);
        MPI_Waitall(window, requests, MPI_STATUSES_IGNORE);
        done(place, !sender);
    }
    return MPI_Wtime() - begin;
}

static double both_ways(struct fab_place *place, size_t size, int window, long n)
{
    MPI_Request requests[2 * FAB_WINDOW_MOST];
    double begin = MPI_Wtime();
    for (long i = 0; i < n; i++) {
        post(place, size, window, 0, false, requests);
        post(place, size, window, 0, true, requests + window);
        MPI_Waitall(2 * window, requests, MPI_STATUSES_IGNORE);
        if (place->rank == 0) {
            done(place, true);
            done(place, false);
        } else {
            done(place, false);
            done(place, true);
        }
    }
    return MPI_Wtime() - begin;
}

static double megabytes(double seconds, size_t size, int window)
{
    return (double)size * window / seconds / 1e6;
}

static double megabytes_both(double seconds, size_t size, int window)
{
    return 2 * megabytes(seconds, size, window);
}

// ---- checking --------------------------------------------------------------------------------

// Messages of this rank and this check; no two have the same data.
static unsigned long long seed_of(unsigned long long seed, int rank, int message)
{
    return (seed * 2 + (unsigned long long)rank) * CHECKED + (unsigned long long)message;
}

static int prepare(struct fab_place *place, size_t size, int n, unsigned long long seed)
{
    for (int i = 0; i < n; i++) {
        size_t at = size * (size_t)i;
        fab_pattern_fill(place->send.host + at, size, seed_of(seed, place->rank, i));
        fab_pattern_spoil(place->receive.host + at, size, seed_of(seed, 1 - place->rank, i));
    }
    return fab_buffer_push(&place->send, 0, size * (size_t)n) ||
                   fab_buffer_push(&place->receive, 0, size * (size_t)n)
               ? -1
               : 0;
}

static int inspect(struct fab_place *place, size_t size, int n, unsigned long long seed,
                   struct fab_wrong *wrong)
{
    if (fab_buffer_pull(&place->receive, 0, size * (size_t)n))
        return -1;
    for (int i = 0; i < n; i++)
        fab_pattern_check(wrong, place->receive.host + size * (size_t)i, size,
                          seed_of(seed, 1 - place->rank, i));
    return 0;
}

static int check_ping_pong(struct fab_place *place, size_t size, int window,
                           unsigned long long seed, struct fab_wrong *wrong)
{
    (void)window;
    if (prepare(place, size, 1, seed))
        return -1;
    ping_pong(place, size, 1, 1);
    return inspect(place, size, 1, seed, wrong);
}

// Several messages into different places, so that two that are exchanged show.
static int check_window(struct fab_place *place, size_t size, int window, unsigned long long seed,
                        bool both, struct fab_wrong *wrong)
{
    MPI_Request requests[2 * CHECKED];
    int n = window < CHECKED ? window : CHECKED, posted = 0;
    bool sends = both || place->rank == 0, receives = both || place->rank == 1;
    if (prepare(place, size, n, seed))
        return -1;
    MPI_Barrier(comm_of(place));
    if (receives) {
        post(place, size, n, size, false, requests);
        posted = n;
    }
    if (sends) {
        post(place, size, n, size, true, requests + posted);
        posted += n;
    }
    MPI_Waitall(posted, requests, MPI_STATUSES_IGNORE);
    return receives ? inspect(place, size, n, seed, wrong) : 0;
}

static int check_one_way(struct fab_place *place, size_t size, int window, unsigned long long seed,
                         struct fab_wrong *wrong)
{
    return check_window(place, size, window, seed, false, wrong);
}

static int check_both_ways(struct fab_place *place, size_t size, int window,
                           unsigned long long seed, struct fab_wrong *wrong)
{
    return check_window(place, size, window, seed, true, wrong);
}

const struct fab_test fab_latency = {.name = "latency",
                                     .unit = "us",
                                     .pair = true,
                                     .sized = true,
                                     .element = 1,
                                     .small = 10000,
                                     .small_warm = 200,
                                     .large = 1000,
                                     .large_warm = 10,
                                     .room = room,
                                     .run = ping_pong,
                                     .check = check_ping_pong,
                                     .value = half_in_us};

const struct fab_test fab_bandwidth = {.name = "bw",
                                       .unit = "MB/s",
                                       .pair = true,
                                       .sized = true,
                                       .element = 1,
                                       .small = 100,
                                       .small_warm = 10,
                                       .large = 20,
                                       .large_warm = 2,
                                       .room = room,
                                       .run = one_way,
                                       .check = check_one_way,
                                       .value = megabytes};

const struct fab_test fab_bidirectional = {.name = "bibw",
                                           .unit = "MB/s",
                                           .pair = true,
                                           .sized = true,
                                           .element = 1,
                                           .small = 100,
                                           .small_warm = 10,
                                           .large = 20,
                                           .large_warm = 2,
                                           .room = room,
                                           .run = both_ways,
                                           .check = check_both_ways,
                                           .value = megabytes_both};
