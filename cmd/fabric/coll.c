// SPDX-License-Identifier: MIT
// Tests of all ranks together. Each operation is timed by itself, after a barrier that is not.
#include <mpi.h>

#include "bench.h"

static MPI_Comm comm_of(const struct fab_place *place)
{
    return *(const MPI_Comm *)place->comm;
}

static double in_us(double seconds, size_t size, int window)
{
    (void)size;
    (void)window;
    return seconds * 1e6;
}

// ---- allreduce: a sum of floats --------------------------------------------------------------

static int floats(size_t size)
{
    return (int)(size / sizeof(float));
}

static size_t room_allreduce(const struct fab_place *place, size_t size)
{
    (void)place;
    return size;
}

static double allreduce(struct fab_place *place, size_t size, int window, long n)
{
    MPI_Comm comm = comm_of(place);
    double taken = 0;
    (void)window;
    for (long i = 0; i < n; i++) {
        MPI_Barrier(comm);
        double begin = MPI_Wtime();
        MPI_Allreduce(place->send.data, place->receive.data, floats(size), MPI_FLOAT, MPI_SUM,
                      comm);
        taken += MPI_Wtime() - begin;
    }
    return taken;
}

static int check_allreduce(struct fab_place *place, size_t size, int window,
                           unsigned long long seed, struct fab_wrong *wrong)
{
    size_t n = (size_t)floats(size);
    fab_terms_fill((float *)(void *)place->send.host, n, seed, place->rank);
    fab_pattern_spoil(place->receive.host, size, seed);
    if (fab_buffer_push(&place->send, 0, size) || fab_buffer_push(&place->receive, 0, size))
        return -1;
    allreduce(place, size, window, 1);
    if (fab_buffer_pull(&place->receive, 0, size))
        return -1;
    fab_terms_check(wrong, (const float *)(const void *)place->receive.host, n, seed, place->ranks);
    return 0;
}

// ---- allgather -------------------------------------------------------------------------------

static size_t room_allgather(const struct fab_place *place, size_t size)
{
    return size * (size_t)place->ranks;
}

static double allgather(struct fab_place *place, size_t size, int window, long n)
{
    MPI_Comm comm = comm_of(place);
    double taken = 0;
    (void)window;
    for (long i = 0; i < n; i++) {
        MPI_Barrier(comm);
        double begin = MPI_Wtime();
        MPI_Allgather(place->send.data, (int)size, MPI_BYTE, place->receive.data, (int)size,
                      MPI_BYTE, comm);
        taken += MPI_Wtime() - begin;
    }
    return taken;
}

static unsigned long long seed_of(unsigned long long seed, int ranks, int rank)
{
    return seed * (unsigned long long)ranks + (unsigned long long)rank;
}

static int check_allgather(struct fab_place *place, size_t size, int window,
                           unsigned long long seed, struct fab_wrong *wrong)
{
    size_t all = size * (size_t)place->ranks;
    fab_pattern_fill(place->send.host, size, seed_of(seed, place->ranks, place->rank));
    for (int r = 0; r < place->ranks; r++)
        fab_pattern_spoil(place->receive.host + size * (size_t)r, size,
                          seed_of(seed, place->ranks, r));
    if (fab_buffer_push(&place->send, 0, size) || fab_buffer_push(&place->receive, 0, all))
        return -1;
    allgather(place, size, window, 1);
    if (fab_buffer_pull(&place->receive, 0, all))
        return -1;
    for (int r = 0; r < place->ranks; r++)
        fab_pattern_check(wrong, place->receive.host + size * (size_t)r, size,
                          seed_of(seed, place->ranks, r));
    return 0;
}

// ---- barrier ---------------------------------------------------------------------------------

static size_t room_barrier(const struct fab_place *place, size_t size)
{
    (void)place;
    (void)size;
    return 0;
}

static double barrier(struct fab_place *place, size_t size, int window, long n)
{
    MPI_Comm comm = comm_of(place);
    (void)size;
    (void)window;
    double begin = MPI_Wtime();
    for (long i = 0; i < n; i++)
        MPI_Barrier(comm);
    return MPI_Wtime() - begin;
}

const struct fab_test fab_allreduce = {.name = "allreduce",
                                       .unit = "us",
                                       .sized = true,
                                       .element = sizeof(float),
                                       .small = 1000,
                                       .small_warm = 200,
                                       .large = 100,
                                       .large_warm = 10,
                                       .room = room_allreduce,
                                       .run = allreduce,
                                       .check = check_allreduce,
                                       .value = in_us};

const struct fab_test fab_allgather = {.name = "allgather",
                                       .unit = "us",
                                       .sized = true,
                                       .element = 1,
                                       .small = 1000,
                                       .small_warm = 200,
                                       .large = 100,
                                       .large_warm = 10,
                                       .room = room_allgather,
                                       .run = allgather,
                                       .check = check_allgather,
                                       .value = in_us};

const struct fab_test fab_barrier = {.name = "barrier",
                                     .unit = "us",
                                     .small = 1000,
                                     .small_warm = 200,
                                     .large = 1000,
                                     .large_warm = 200,
                                     .room = room_barrier,
                                     .run = barrier,
                                     .value = in_us};
