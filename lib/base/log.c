// SPDX-License-Identifier: MIT
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static dmpi_log_sink the_sink; // under lock
static void *the_arg;          // under lock
static atomic_int the_level = -1;

void dmpi_log_set(enum dmpi_log_level level, dmpi_log_sink sink, void *arg)
{
    pthread_mutex_lock(&lock);
    the_sink = sink;
    the_arg = arg;
    atomic_store(&the_level, sink ? (int)level : -1);
    pthread_mutex_unlock(&lock);
}

bool dmpi_log_enabled(enum dmpi_log_level level)
{
    return (int)level <= atomic_load(&the_level);
}

void dmpi_log(enum dmpi_log_level level, const char *fmt, ...)
{
    if (!dmpi_log_enabled(level))
        return;
    va_list ap;
    va_start(ap, fmt);
    dmpi_autofree char *text = dmpi_xvasprintf(fmt, ap);
    va_end(ap);
    for (char *p = text; (p = strchr(p, '\n')); p++)
        *p = ' '; // a sink is promised one line
    pthread_mutex_lock(&lock);
    if (the_sink)
        the_sink(level, text, the_arg);
    pthread_mutex_unlock(&lock);
}
