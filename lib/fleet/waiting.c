// SPDX-License-Identifier: MIT
#include "fleet/waiting.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>

#include "base/ctl.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strv.h"
#include "spec/spec.h"

enum { NAMES_MAX = 3 }; // more would fill the screen

struct asked {
    int askers;
    int64_t since;
    bool told;
};

struct dmpi_waiting {
    const struct dmpi_node *nodes;
    struct asked *asked; // one a node
    size_t n;
    int64_t after_ms;
    pthread_mutex_t lock;
    pthread_cond_t change; // there is somebody to wait for, or the end
    pthread_t thread;
    bool runs, ending;
};

static bool is_due(const struct asked *a, int64_t after_ms, int64_t now)
{
    return a->askers > 0 && !a->told && now - a->since >= after_ms;
}

// With the lock held; NULL when nobody is due. Owned by the caller.
static char *names_due(struct dmpi_waiting *w, int64_t now)
{
    struct dmpi_strv names DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    size_t more = 0;
    for (size_t i = 0; i < w->n; i++) {
        if (!is_due(&w->asked[i], w->after_ms, now))
            continue;
        w->asked[i].told = true;
        if (names.n < NAMES_MAX)
            dmpi_strv_add(&names, w->nodes[i].name);
        else
            more++;
    }
    if (names.n == 0)
        return NULL;
    dmpi_autofree char *list = dmpi_strv_join(&names, ", ");
    if (more > 0)
        return dmpi_xasprintf("nodes %s and %zu more", list, more);
    return dmpi_xasprintf("node%s %s", names.n > 1 ? "s" : "", list);
}

// When the next node is due; 0: none is asked. With the lock held.
static int64_t next_due(const struct dmpi_waiting *w)
{
    int64_t next = 0;
    for (size_t i = 0; i < w->n; i++) {
        const struct asked *a = &w->asked[i];
        if (a->askers > 0 && !a->told && (next == 0 || a->since + w->after_ms < next))
            next = a->since + w->after_ms;
    }
    return next;
}

static void sleep_until(struct dmpi_waiting *w, int64_t due)
{
    const struct timespec at = {.tv_sec = due / 1000, .tv_nsec = due % 1000 * 1000000};
    if (due == 0)
        pthread_cond_wait(&w->change, &w->lock);
    else
        pthread_cond_timedwait(&w->change, &w->lock, &at);
}

static void *watch(void *arg)
{
    struct dmpi_waiting *w = arg;
    pthread_mutex_lock(&w->lock);
    while (!w->ending) {
        dmpi_autofree char *who = names_due(w, dmpi_now_ms());
        if (!who) {
            sleep_until(w, next_due(w));
            continue;
        }
        pthread_mutex_unlock(&w->lock);
        dmpi_warn("waiting for %s: no answer for %g s", who, (double)w->after_ms / 1000);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

struct dmpi_waiting *dmpi_waiting_new(const struct dmpi_node *nodes, size_t n, int64_t after_ms)
{
    struct dmpi_waiting *w = dmpi_xcalloc(1, sizeof(*w));
    pthread_condattr_t monotonic;
    w->nodes = nodes;
    w->n = n;
    w->after_ms = after_ms;
    w->asked = dmpi_xcalloc(n, sizeof(*w->asked));
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->change, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return w;
}

void dmpi_waiting_free(struct dmpi_waiting *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->ending = true;
    pthread_cond_signal(&w->change);
    pthread_mutex_unlock(&w->lock);
    if (w->runs)
        pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->change);
    pthread_mutex_destroy(&w->lock);
    free(w->asked);
    free(w);
}

// Signals go to the program's own threads. Where there is no thread to be had, nothing is told.
static void start(struct dmpi_waiting *w)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    w->runs = pthread_create(&w->thread, NULL, watch, w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void dmpi_waiting_asked(struct dmpi_waiting *w, size_t node)
{
    struct asked *a = &w->asked[node];
    pthread_mutex_lock(&w->lock);
    bool idle = next_due(w) == 0;
    if (a->askers++ == 0)
        a->since = dmpi_now_ms();
    if (!w->runs)
        start(w);
    else if (idle) // otherwise it wakes up in time: all have the same patience
        pthread_cond_signal(&w->change);
    pthread_mutex_unlock(&w->lock);
}

void dmpi_waiting_answered(struct dmpi_waiting *w, size_t node)
{
    pthread_mutex_lock(&w->lock);
    w->asked[node].askers--;
    w->asked[node].since = dmpi_now_ms();
    pthread_mutex_unlock(&w->lock);
}
