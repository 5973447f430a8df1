// SPDX-License-Identifier: MIT
// The words of cp. What it does with containers is in tests/e2e.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "job/copy.h"
#include "job/copy_impl.h"

static void ends(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool remote;
        const char *member, *path;
    } rows[] = {
        {"file", false, NULL, "file"},           {"./a:b", false, NULL, "./a:b"},
        {"/a:b", false, NULL, "/a:b"},           {"dir/a:b", false, NULL, "dir/a:b"},
        {":/work", true, NULL, "/work"},         {"worker-0:/work/x", true, "worker-0", "/work/x"},
        {"launcher:/", true, "launcher", "/"},   {"worker-1:/a:b", true, "worker-1", "/a:b"},
        {":/work/..x", true, NULL, "/work/..x"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        struct dmpi_copy_end end DMPI_AUTO(dmpi_copy_end_free);
        if (dmpi_copy_end_parse(&end, rows[i].text, &err) < 0)
            fail_msg("%s: %s", rows[i].text, err.msg);
        assert_int_equal(end.remote, rows[i].remote);
        assert_string_equal(end.path, rows[i].path);
        if (rows[i].member)
            assert_string_equal(end.member, rows[i].member);
        else
            assert_null(end.member);
    }
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", "is no file or folder"},      {"-", "is no file or folder"},
        {"worker-0:x", "begins with '/'"}, {":", "begins with '/'"},
        {":/work/../etc", "without '..'"}, {"worker-0:/..", "without '..'"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        struct dmpi_copy_end end DMPI_AUTO(dmpi_copy_end_free);
        assert_int_equal(dmpi_copy_end_parse(&end, rows[i].text, &err), -1);
        if (!strstr(err.msg, rows[i].want))
            fail_msg("%s: %s", rows[i].text, err.msg);
    }
}

static void splits(void **state)
{
    (void)state;
    static const struct {
        const char *text, *path, *parent, *base;
        bool slash, contents;
    } rows[] = {
        {"a", "a", ".", "a", false, false},
        {"a/", "a", ".", "a", true, false},
        {"a///", "a", ".", "a", true, false},
        {"/a", "/a", "/", "a", false, false},
        {"/a/b", "/a/b", "/a", "b", false, false},
        {"/a/b/", "/a/b", "/a", "b", true, false},
        {"/a/b/.", "/a/b", "/a", "b", false, true},
        {"a/.", "a", ".", "a", false, true},
        {"a/./.", "a", ".", "a", false, true},
        {"a/./", "a", ".", "a", true, true},
        {".", ".", ".", ".", false, true},
        {"./", ".", ".", ".", true, true},
        {"./a", "./a", ".", "a", false, false},
        {"/", "/", "/", "", true, false},
        {"/.", "/", "/", "", false, true},
        {"a.", "a.", ".", "a.", false, false},
        {"/a/..", "/a/..", "/a", "..", false, false},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_copy_path p DMPI_AUTO(dmpi_copy_path_free);
        dmpi_copy_path_split(&p, rows[i].text);
        if (strcmp(p.path, rows[i].path) || strcmp(p.parent, rows[i].parent) ||
            strcmp(p.base, rows[i].base) || p.slash != rows[i].slash ||
            p.contents != rows[i].contents)
            fail_msg("'%s': '%s' '%s' '%s' %d %d", rows[i].text, p.path, p.parent, p.base, p.slash,
                     p.contents);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends),
        cmocka_unit_test(refuses),
        cmocka_unit_test(splits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
