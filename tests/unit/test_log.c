// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "base/log.h"

static char last[200];
static int count;

static void keep(enum dmpi_log_level level, const char *text, void *arg)
{
    (void)level;
    int *calls = arg;
    int before = *calls; // a lost update would show that calls overlap
    strncpy(last, text, sizeof(last) - 1);
    *calls = before + 1;
}

static void level_and_sink_decide(void **state)
{
    (void)state;
    dmpi_warn("nobody listens");
    assert_false(dmpi_log_enabled(DMPI_LOG_ERROR));
    count = 0;
    dmpi_log_set(DMPI_LOG_INFO, keep, &count);
    dmpi_debug("too quiet");
    assert_int_equal(count, 0);
    dmpi_info("two\nlines %d", 5);
    assert_int_equal(count, 1);
    assert_string_equal(last, "two lines 5");
    dmpi_error("worse");
    assert_int_equal(count, 2);
    dmpi_log_set(DMPI_LOG_DEBUG, NULL, NULL);
    dmpi_error("gone");
    assert_int_equal(count, 2);
}

static void *talk(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2000; i++)
        dmpi_debug("message %d", i);
    return NULL;
}

static void threads_do_not_overlap(void **state)
{
    (void)state;
    pthread_t t[4];
    count = 0;
    dmpi_log_set(DMPI_LOG_DEBUG, keep, &count);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, talk, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    dmpi_log_set(DMPI_LOG_DEBUG, NULL, NULL);
    assert_int_equal(count, 8000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(level_and_sink_decide),
        cmocka_unit_test(threads_do_not_overlap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
