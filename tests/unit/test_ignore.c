// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cluster/ignore.h"

static void text_becomes_patterns(void **state)
{
    (void)state;
    DMPI_AUTO(dmpi_strv_free)
    struct dmpi_strv p =
        dmpi_ignore_parse("# comment\n\n  *.o  \r\n/build/\n! keep.o\n./x\n/\n!\nlast");
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv none = dmpi_ignore_parse("");
    dmpi_autofree char *joined = dmpi_strv_join(&p, "|");
    assert_string_equal(joined, "*.o|build|!keep.o|x|last");
    assert_true(dmpi_ignore_has_exceptions(&p));
    assert_int_equal(none.n, 0);
    assert_false(dmpi_ignore_has_exceptions(&none));
}

static void paths_against_patterns(void **state)
{
    (void)state;
    static const struct {
        const char *text, *path;
        bool ignored;
    } rows[] = {
        {"", "a", false},
        {"a", "a", true},
        {"a", "b/a", false},
        {"a", "a/b/c", true},
        {"a/b", "a", false},
        {"a/b", "a/b", true},
        {"a/b", "a/bc", false},
        {"*.o", "x.o", true},
        {"*.o", "x.oo", false},
        {"*.o", "sub/x.o", false},
        {"*", "sub/x.o", true},
        {"*/x.o", "sub/x.o", true},
        {"*/x.o", "a/b/x.o", false},
        {"**/x.o", "x.o", true},
        {"**/x.o", "a/b/x.o", true},
        {"**/x.o", "a/b/x.o/inside", true},
        {"**", "anything/at/all", true},
        {"a/**/z", "a/z", true},
        {"a/**/z", "a/b/c/z", true},
        {"a/**/z", "b/a/z", false},
        {"a/**", "a/b", true},
        {"file?", "file1", true},
        {"file?", "file12", false},
        {"[ab]c", "bc", true},
        {"[ab]c", "cc", false},
        {"*.md\n!README.md", "README.md", false},
        {"*.md\n!README.md", "other.md", true},
        {"!README.md\n*.md", "README.md", true},
        {"*\n!src\n!src/**", "src/main.c", false},
        {"*\n!src\n!src/**", "doc/main.c", true},
        {"*\n!src\nsrc/*.o", "src/main.o", true},
        {"\\*", "*", true},
        {"\\*", "x", false},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        DMPI_AUTO(dmpi_strv_free) struct dmpi_strv p = dmpi_ignore_parse(rows[i].text);
        if (dmpi_ignore_match(&p, rows[i].path) != rows[i].ignored)
            fail_msg("'%s' against '%s': should %sbe ignored", rows[i].path, rows[i].text,
                     rows[i].ignored ? "" : "not ");
    }
}

// Patterns that a naive matcher spends years on.
static void many_stars_are_bounded(void **state)
{
    (void)state;
    DMPI_AUTO(dmpi_strv_free)
    struct dmpi_strv p = dmpi_ignore_parse("**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/z");
    char path[2 * 500 + 1];
    for (size_t i = 0; i < 500; i++)
        memcpy(path + 2 * i, "a/", 3);
    path[2 * 500 - 1] = '\0';
    assert_false(dmpi_ignore_match(&p, path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_becomes_patterns),
        cmocka_unit_test(paths_against_patterns),
        cmocka_unit_test(many_stars_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
