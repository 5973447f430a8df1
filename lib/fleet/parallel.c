// SPDX-License-Identifier: MIT
#include "fleet/parallel.h"

#include <pthread.h>
#include <signal.h>

#include "base/mem.h"

// Enough for a TLS handshake and our own buffers; the system's 8 MiB would be reserved hundreds of
// times over.
#ifdef __SANITIZE_THREAD__ // keeps much of its own there
#define STACK_BYTES ((size_t)4096 * 1024)
#else
#define STACK_BYTES ((size_t)512 * 1024)
#endif

struct loop {
    pthread_mutex_t lock;
    size_t next;
    size_t n;
    void (*fn)(size_t i, void *arg);
    void *arg;
};

static void *work(void *arg)
{
    struct loop *loop = arg;
    for (;;) {
        pthread_mutex_lock(&loop->lock);
        size_t i = loop->next < loop->n ? loop->next++ : loop->n;
        pthread_mutex_unlock(&loop->lock);
        if (i == loop->n)
            return NULL;
        loop->fn(i, loop->arg);
    }
}

// Starts up to `want` threads; returns how many the system gave.
static size_t start_threads(pthread_t *threads, size_t want, struct loop *loop)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    size_t n = 0;
    while (n < want && pthread_create(&threads[n], &attr, work, loop) == 0)
        n++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return n;
}

void dmpi_parallel(size_t n, size_t window, void (*fn)(size_t i, void *arg), void *arg)
{
    struct loop loop = {.n = n, .fn = fn, .arg = arg};
    pthread_mutex_init(&loop.lock, NULL);
    size_t workers = window < n ? window : n;
    // The calling thread is one of the workers: one item costs no thread at all, and the loop ends
    // even where no thread can be had.
    size_t extra = workers > 1 ? workers - 1 : 0;
    dmpi_autofree pthread_t *threads = dmpi_xcalloc(extra + 1, sizeof(*threads));
    extra = start_threads(threads, extra, &loop);
    work(&loop);
    for (size_t i = 0; i < extra; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&loop.lock);
}
