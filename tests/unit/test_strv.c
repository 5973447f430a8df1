// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "base/strv.h"

static void adding_keeps_the_end_marked(void **state)
{
    (void)state;
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv sv = DMPI_STRV_INIT;
    for (int i = 0; i < 100; i++) {
        dmpi_strv_addf(&sv, "item-%d", i);
        assert_int_equal(sv.n, i + 1);
        assert_null(sv.v[sv.n]);
    }
    assert_string_equal(sv.v[0], "item-0");
    assert_string_equal(sv.v[99], "item-99");
    assert_int_equal(dmpi_strv_find(&sv, "item-42"), 42);
    assert_int_equal(dmpi_strv_find(&sv, "item-"), -1);
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv copy = dmpi_strv_copy(&sv);
    assert_true(dmpi_strv_equal(&sv, &copy));
    dmpi_strv_add(&copy, "more");
    assert_false(dmpi_strv_equal(&sv, &copy));
    assert_true(dmpi_strv_has(&copy, "more"));
    dmpi_strv_free(&copy);
    dmpi_strv_add(&copy, "reused");
    assert_int_equal(copy.n, 1);
    dmpi_strv_free(NULL);
}

static void split_and_join_are_inverse(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n;
    } rows[] = {{"", 0}, {"a", 1}, {"a,b", 2}, {",", 2}, {"a,,b,", 4}, {",x", 2}};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        DMPI_AUTO(dmpi_strv_free) struct dmpi_strv sv = dmpi_strv_split(rows[i].text, ',');
        assert_int_equal(sv.n, rows[i].n);
        dmpi_autofree char *joined = dmpi_strv_join(&sv, ",");
        assert_string_equal(joined, rows[i].text);
    }
}

static void join_takes_any_separator(void **state)
{
    (void)state;
    static const char *const words[] = {"one", "two", "three"};
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv sv = DMPI_STRV_INIT;
    dmpi_strv_add_array(&sv, words, 3);
    dmpi_autofree char *joined = dmpi_strv_join(&sv, " -> ");
    assert_string_equal(joined, "one -> two -> three");
    dmpi_strv_sort(&sv);
    dmpi_autofree char *sorted = dmpi_strv_join(&sv, "");
    assert_string_equal(sorted, "onethreetwo");
}

static void environments(void **state)
{
    (void)state;
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv env = DMPI_STRV_INIT;
    dmpi_strv_env_set(&env, "A", "1");
    dmpi_strv_env_set(&env, "AB", "2");
    dmpi_strv_env_set(&env, "A", "3=4");
    assert_int_equal(env.n, 2);
    assert_string_equal(env.v[0], "A=3=4");
    assert_string_equal(dmpi_strv_env_get(&env, "A"), "3=4");
    assert_string_equal(dmpi_strv_env_get(&env, "AB"), "2");
    assert_null(dmpi_strv_env_get(&env, "B"));
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv more = DMPI_STRV_INIT;
    dmpi_strv_add(&more, "AB=x");
    dmpi_strv_add(&more, "C=");
    dmpi_strv_env_merge(&env, &more);
    dmpi_autofree char *all = dmpi_strv_join(&env, " ");
    assert_string_equal(all, "A=3=4 AB=x C=");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adding_keeps_the_end_marked),
        cmocka_unit_test(split_and_join_are_inverse),
        cmocka_unit_test(join_takes_any_separator),
        cmocka_unit_test(environments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
