// SPDX-License-Identifier: MIT
/* Who is waited for is told, once, and nobody who has answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "base/ctl.h"
#include "base/log.h"
#include "base/mem.h"
#include "fleet/waiting.h"
#include "spec/spec.h"

#define LIMIT_MS 60000 // of a machine that is busy

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *said;
static int count;
static atomic_int entered;

static void hear(enum dmpi_log_level level, const char *text, void *unused)
{
    (void)level;
    (void)unused;
    entered++;
    pthread_mutex_lock(&lock);
    free(said);
    said = dmpi_xstrdup(text);
    count++;
    pthread_mutex_unlock(&lock);
}

static int heard(void)
{
    pthread_mutex_lock(&lock);
    int now = count;
    pthread_mutex_unlock(&lock);
    return now;
}

static void expect(int number, const char *text)
{
    struct dmpi_ctl limit = dmpi_ctl_within(NULL, LIMIT_MS);
    struct dmpi_err err = DMPI_ERR_INIT;
    while (heard() < number)
        assert_int_equal(dmpi_ctl_sleep(&limit, 5, &err), 0);
    pthread_mutex_lock(&lock);
    assert_int_equal(count, number);
    assert_string_equal(said, text);
    pthread_mutex_unlock(&lock);
}

static struct dmpi_node nodes[] = {{.name = (char[]){"h0"}},
                                   {.name = (char[]){"h1"}},
                                   {.name = (char[]){"h2"}},
                                   {.name = (char[]){"h3"}},
                                   {.name = (char[]){"h4"}}};

static void tells_who(void **unused)
{
    (void)unused;
    dmpi_log_set(DMPI_LOG_WARN, hear, NULL);
    struct dmpi_waiting *w = dmpi_waiting_new(nodes, DMPI_ARRAY_LEN(nodes), 20);
    dmpi_waiting_asked(w, 1);
    expect(1, "waiting for node h1: no answer for 0.02 s");
    // h1 not a second time, and h0 not any more.
    dmpi_waiting_answered(w, 1);
    dmpi_waiting_asked(w, 1);
    dmpi_waiting_asked(w, 4);
    expect(2, "waiting for node h4: no answer for 0.02 s");
    dmpi_waiting_free(w);
    assert_int_equal(heard(), 2);
}

// With a patience that nobody has, whoever is told of was asked before it was over.
static void tells_nobody(void **unused)
{
    (void)unused;
    count = 0;
    struct dmpi_waiting *w = dmpi_waiting_new(nodes, DMPI_ARRAY_LEN(nodes), 3600 * 1000);
    dmpi_waiting_asked(w, 0);
    dmpi_waiting_asked(w, 0);
    dmpi_waiting_answered(w, 0);
    dmpi_waiting_free(w); // does not wait for it
    assert_int_equal(heard(), 0);
    dmpi_waiting_free(dmpi_waiting_new(nodes, 1, 1));
    dmpi_waiting_free(NULL);
}

// Those that come to be due while the first is being told of share a line.
static void tells_of_many(void **unused)
{
    struct dmpi_ctl limit = dmpi_ctl_within(NULL, LIMIT_MS);
    struct dmpi_err err = DMPI_ERR_INIT;
    (void)unused;
    count = 0;
    entered = 0;
    struct dmpi_waiting *w = dmpi_waiting_new(nodes, DMPI_ARRAY_LEN(nodes), 1);
    pthread_mutex_lock(&lock);
    dmpi_waiting_asked(w, 2);
    while (!entered)
        assert_int_equal(dmpi_ctl_sleep(&limit, 5, &err), 0);
    for (size_t i = 0; i < DMPI_ARRAY_LEN(nodes); i++)
        dmpi_waiting_asked(w, i);
    assert_int_equal(dmpi_ctl_sleep(&limit, 5, &err), 0);
    pthread_mutex_unlock(&lock);
    expect(2, "waiting for nodes h0, h1, h3 and 1 more: no answer for 0.001 s");
    dmpi_waiting_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_who),
        cmocka_unit_test(tells_nobody),
        cmocka_unit_test(tells_of_many),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(said);
    return failed;
}
