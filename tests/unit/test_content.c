// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cluster/content.h"

static void content(struct dmpi_content *out, const char *text, const char *ref)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    dmpi_json_auto json_t *inspected = NULL;
    if (dmpi_json_parse(&inspected, text, strlen(text), &err) != 0)
        fail_msg("%s", err.msg);
    dmpi_content_of(out, inspected, ref);
}

#define IMAGE(config, layers)                                                                      \
    "{\"Id\":\"sha256:1\",\"Config\":{" config "},\"RootFS\":{\"Layers\":[" layers "]}}"

static void what_makes_an_image(void **state)
{
    (void)state;
    static const char first[] = IMAGE("\"Env\":[\"A=1\"],\"Labels\":{\"x\":\"1\",\"y\":\"2\"}",
                                      "\"sha256:a\",\"sha256:b\"");
    static const struct {
        const char *text;
        bool same;
    } cases[] = {
        {first, true},
        // Another id, another order of keys, and what some engines write though it is empty.
        {"{\"Id\":\"sha256:2\",\"Created\":\"2026-01-01T00:00:00Z\",\"Config\":{\"Labels\":{\"y\":"
         "\"2\",\"x\":\"1\"},\"Env\":[\"A=1\"],\"Cmd\":null,\"User\":\"\",\"Volumes\":{},"
         "\"Hostname\":"
         "\"z\",\"OpenStdin\":false},\"RootFS\":{\"Layers\":[\"sha256:a\",\"sha256:b\"]}}",
         true},
        {IMAGE("\"Env\":[\"A=2\"],\"Labels\":{\"x\":\"1\",\"y\":\"2\"}",
               "\"sha256:a\",\"sha256:b\""),
         false},
        {IMAGE("\"Env\":[\"A=1\"],\"Labels\":{\"x\":\"1\",\"y\":\"2\"}", "\"sha256:a\""), false},
        {IMAGE("\"Env\":[\"A=1\"],\"Labels\":{\"x\":\"1\",\"y\":\"2\"}",
               "\"sha256:b\",\"sha256:a\""),
         false},
        {IMAGE("\"Env\":[\"A=1\"],\"User\":\"u\",\"Labels\":{\"x\":\"1\",\"y\":\"2\"}",
               "\"sha256:a\",\"sha256:b\""),
         false},
    };
    struct dmpi_content a DMPI_AUTO(dmpi_content_free);
    content(&a, first, "x");
    assert_int_equal(a.layers.n, 2);
    assert_string_equal(a.layers.v[1], "sha256:b");
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        struct dmpi_content b DMPI_AUTO(dmpi_content_free);
        content(&b, cases[i].text, "x");
        assert_int_equal(dmpi_content_same(&a, &b), cases[i].same);
    }
    struct dmpi_content absent = {.present = false};
    assert_false(dmpi_content_same(&a, &absent));
    assert_false(dmpi_content_same(&absent, &absent));
}

static void where_it_was_pulled(void **state)
{
    (void)state;
    static const char text[] = "{\"RepoDigests\":[\"other/x@sha256:1\",\"h:5000/a/x@sha256:2\","
                               "\"a/x@sha256:3\"],\"Created\":\"2026-11-21T12:00:00.5Z\"}";
    static const char *const cases[][2] = {
        {"h:5000/a/x:1", "h:5000/a/x@sha256:2"}, {"h:5000/a/x", "h:5000/a/x@sha256:2"},
        {"a/x:latest", "a/x@sha256:3"},          {"a/xy:latest", NULL},
        {"a/x@sha256:9", "a/x@sha256:3"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        struct dmpi_content c DMPI_AUTO(dmpi_content_free);
        content(&c, text, cases[i][0]);
        assert_int_equal(c.created, 1795262400);
        if (cases[i][1])
            assert_string_equal(c.pulled, cases[i][1]);
        else
            assert_null(c.pulled);
    }
    assert_int_equal(dmpi_content_time("yesterday"), 0);
    assert_int_equal(dmpi_content_time(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_makes_an_image),
        cmocka_unit_test(where_it_was_pulled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
