// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "fleet/parallel.h"

struct counts {
    atomic_int calls[1000];
    atomic_int now, most;
    pthread_t caller;
    atomic_int elsewhere; // calls on other threads with an unblocked SIGINT
};

static void count(size_t i, void *arg)
{
    struct counts *c = arg;
    int now = atomic_fetch_add(&c->now, 1) + 1;
    int most = atomic_load(&c->most);
    while (now > most && !atomic_compare_exchange_weak(&c->most, &most, now))
        continue;
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    if (!pthread_equal(pthread_self(), c->caller) && !sigismember(&mask, SIGINT))
        atomic_fetch_add(&c->elsewhere, 1);
    usleep(200);
    atomic_fetch_add(&c->calls[i], 1);
    atomic_fetch_sub(&c->now, 1);
}

static void every_item_once_within_the_window(void **state)
{
    (void)state;
    static const struct {
        size_t n, window;
        int most; // calls at once that are allowed
    } cases[] = {{0, 4, 0},   {1, 8, 1},      {7, 0, 1}, {7, 1, 1},
                 {100, 5, 5}, {1000, 64, 64}, {3, 9, 3}};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        struct counts *c = dmpi_xcalloc(1, sizeof(*c));
        c->caller = pthread_self();
        dmpi_parallel(cases[i].n, cases[i].window, count, c);
        for (size_t k = 0; k < DMPI_ARRAY_LEN(c->calls); k++)
            assert_int_equal(atomic_load(&c->calls[k]), k < cases[i].n);
        assert_true(atomic_load(&c->most) <= cases[i].most);
        assert_int_equal(atomic_load(&c->elsewhere), 0);
        free(c);
    }
}

struct meeting {
    pthread_barrier_t barrier;
};

static void meet(size_t i, void *arg)
{
    (void)i;
    struct meeting *m = arg;
    pthread_barrier_wait(&m->barrier);
}

// Would hang if the window were not used in full.
static void items_run_at_once(void **state)
{
    (void)state;
    struct meeting m;
    pthread_barrier_init(&m.barrier, NULL, 6);
    dmpi_parallel(12, 6, meet, &m);
    pthread_barrier_destroy(&m.barrier);
}

static void inner(size_t i, void *arg)
{
    (void)i;
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void outer(size_t i, void *arg)
{
    (void)i;
    dmpi_parallel(5, 3, inner, arg);
}

static void loops_nest(void **state)
{
    (void)state;
    atomic_int calls = 0;
    dmpi_parallel(20, 8, outer, &calls);
    assert_int_equal(atomic_load(&calls), 100);
}

int main(void)
{
    alarm(60);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_once_within_the_window),
        cmocka_unit_test(items_run_at_once),
        cmocka_unit_test(loops_nest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
