// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/secret.h"

static void grows_and_stays_terminated(void **state)
{
    (void)state;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf b = DMPI_BUF_INIT(1 << 20);
    assert_string_equal(dmpi_buf_str(&b), "");
    for (int i = 0; i < 1000; i++) {
        dmpi_buf_addf(&b, "%d,", i % 10);
        assert_int_equal(strlen(b.data), b.len);
    }
    dmpi_buf_adds(&b, "end");
    dmpi_buf_addc(&b, '!');
    assert_int_equal(b.len, 2004);
    assert_string_equal(b.data + 1998, "9,end!");
    assert_false(b.overflow);
}

static void maximum_is_exact_and_overflow_sticks(void **state)
{
    (void)state;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf b = DMPI_BUF_INIT(4);
    dmpi_buf_adds(&b, "abcd");
    assert_false(b.overflow);
    dmpi_buf_add(&b, "", 0);
    assert_false(b.overflow);
    dmpi_buf_addc(&b, 'e');
    assert_true(b.overflow);
    assert_string_equal(dmpi_buf_str(&b), "abcd");
    dmpi_buf_consume(&b, 3);
    dmpi_buf_addc(&b, 'f'); // there would be room, but something is missing already
    assert_string_equal(dmpi_buf_str(&b), "d");
    dmpi_buf_clear(&b);
    dmpi_buf_addf(&b, "%s", "wxyz");
    assert_string_equal(dmpi_buf_str(&b), "wxyz");
    dmpi_buf_addf(&b, "%s", "1");
    assert_true(b.overflow);
}

static void no_overflow_of_the_arithmetic(void **state)
{
    (void)state;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf b = DMPI_BUF_INIT(SIZE_MAX);
    dmpi_buf_adds(&b, "x");
    assert_null(dmpi_buf_reserve(&b, SIZE_MAX - 1));
    assert_true(b.overflow);
}

static void reserve_and_advance(void **state)
{
    (void)state;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf b = DMPI_BUF_INIT(100);
    char *room = dmpi_buf_reserve(&b, 10);
    assert_non_null(room);
    memcpy(room, "12345", 5);
    dmpi_buf_advance(&b, 5);
    assert_string_equal(dmpi_buf_str(&b), "12345");
}

static void consume_keeps_the_rest(void **state)
{
    (void)state;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf b = DMPI_BUF_INIT(100);
    dmpi_buf_consume(&b, 0);
    dmpi_buf_adds(&b, "hello world");
    dmpi_buf_consume(&b, 6);
    assert_string_equal(b.data, "world");
    dmpi_buf_consume(&b, 5);
    assert_string_equal(b.data, "");
}

static void steal_gives_the_content_away(void **state)
{
    (void)state;
    struct dmpi_buf b = DMPI_BUF_INIT(100);
    dmpi_autofree char *empty = dmpi_buf_steal(&b);
    assert_string_equal(empty, "");
    dmpi_buf_adds(&b, "mine");
    dmpi_autofree char *full = dmpi_buf_steal(&b);
    assert_string_equal(full, "mine");
    assert_int_equal(b.len, 0);
    dmpi_buf_adds(&b, "again");
    assert_string_equal(full, "mine");
    dmpi_buf_free(&b);
    dmpi_buf_free(&b);
    dmpi_buf_free(NULL);
}

static void secret_buffers_grow_too(void **state)
{
    (void)state;
    struct dmpi_buf b = DMPI_BUF_INIT_SECRET(1 << 16);
    for (int i = 0; i < 5000; i++)
        dmpi_buf_addc(&b, (char)('a' + i % 26));
    for (int i = 0; i < 5000; i++)
        assert_int_equal(b.data[i], 'a' + i % 26);
    dmpi_secret_buf_free(&b);
    assert_null(b.data);
    dmpi_secret_buf_free(NULL);
    dmpi_secret_free(NULL, 0);
}

static void wipe_overwrites(void **state)
{
    (void)state;
    char key[] = "very secret";
    static const char zero[sizeof(key)];
    dmpi_secret_wipe(key, sizeof(key));
    assert_memory_equal(key, zero, sizeof(key));
}

static void allocation_helpers(void **state)
{
    (void)state;
    assert_null(dmpi_xstrdup(NULL));
    dmpi_autofree char *cut = dmpi_xstrndup("abcdef", 3);
    assert_string_equal(cut, "abc");
    dmpi_autofree char *all = dmpi_xstrndup("ab", 30);
    assert_string_equal(all, "ab");
    dmpi_autofree char *f = dmpi_xasprintf("%s-%d", "w", 3);
    assert_string_equal(f, "w-3");
    dmpi_autofree char *nothing = dmpi_xmemdup(NULL, 0);
    assert_string_equal(nothing, "");
    dmpi_autofree int *zeros = dmpi_xcalloc(4, sizeof(int));
    assert_int_equal(zeros[3], 0);
    char *moved = DMPI_STEAL(f);
    assert_null(f);
    assert_string_equal(moved, "w-3");
    errno = ENOSPC;
    dmpi_autofree_fn(&moved);
    assert_int_equal(errno, ENOSPC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_stays_terminated),
        cmocka_unit_test(maximum_is_exact_and_overflow_sticks),
        cmocka_unit_test(no_overflow_of_the_arithmetic),
        cmocka_unit_test(reserve_and_advance),
        cmocka_unit_test(consume_keeps_the_rest),
        cmocka_unit_test(steal_gives_the_content_away),
        cmocka_unit_test(secret_buffers_grow_too),
        cmocka_unit_test(wipe_overwrites),
        cmocka_unit_test(allocation_helpers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
