// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/yaml.h"

static char *load_dump(const char *text)
{
    DMPI_AUTO(dmpi_yaml_free) struct dmpi_yaml y = DMPI_YAML_INIT;
    struct dmpi_err err = DMPI_ERR_INIT;
    if (dmpi_yaml_load(&y, text, strlen(text), "t", &err) != 0)
        return dmpi_xstrdup(err.msg);
    return dmpi_json_dump(y.root);
}

static void scalars_follow_the_core_schema(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", "null"},
        {"# only a comment\n", "null"},
        {"~", "null"},
        {"Null", "null"},
        {"'~'", "\"~\""},
        {"true", "true"},
        {"False", "false"},
        {"yes", "\"yes\""},
        {"\"true\"", "\"true\""},
        {"12", "12"},
        {"-7", "-7"},
        {"+7", "7"},
        {"012", "12"},
        {"0x1F", "31"},
        {"0o17", "15"},
        {"0x", "\"0x\""},
        {"1.5", "1.5"},
        {".5", "0.5"},
        {"2.", "2.0"},
        {"1e3", "1000.0"},
        {"1e", "\"1e\""},
        {".", "\".\""},
        {"-", "[null]"},
        {"--", "\"--\""},
        {"1.2.3", "\"1.2.3\""},
        {"10.0.0.0/8", "\"10.0.0.0/8\""},
        {"9223372036854775807", "9223372036854775807"},
        {".inf", "\".inf\""},
        {"|\n a\n b\n", "\"a\\nb\\n\""},
        {">\n a\n b\n", "\"a b\\n\""},
        {"\xEF\xBB\xBF"
         "a: 1",
         "{\"a\":1}"},
        {"{\"json\": [1, \"x\", null]}", "{\"json\":[1,\"x\",null]}"},
        {"a:\n- 1\n- b: 2\n", "{\"a\":[1,{\"b\":2}]}"},
        {"1: x", "{\"1\":\"x\"}"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        dmpi_autofree char *got = load_dump(rows[i].text);
        assert_string_equal(got, rows[i].want);
    }
}

static void errors_name_the_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *start;
    } rows[] = {
        {"a: 1\nb: 2\na: 3\n", "t:3: key 'a' is given twice"},
        {"a: &x 1\nb: *x\n", "t:1: anchors"},
        {"a: 1\nb: *x\n", "t:2: anchors"},
        {"a: !!str 1\n", "t:1: tags"},
        {"? [1]\n: 2\n", "t:1: a key must be a simple text"},
        {"a: 1\n---\nb: 2\n", "t:2: only one document"},
        {"a: 1\n\tb: 2\n", "t:2: "},
        {"a:\n\t- 1\n", "t:2: a tab cannot indent"},
        {"a: [1, 2\n", "t:2: "},
        {"a: b: c\n", "t:1: "},
        {"ok: 1\nx: 99999999999999999999\n", "t:2: this number is too large"},
        {"ok: 1\nx: 1e999\n", "t:2: this number is too large"},
        {"x: \"a\\0b\"\n", "t:1: a NUL character"},
        {"\"a\\0b\": 1\n", "t:1: a NUL character"},
        {"a: 1\nb: \xff\n", "t:2: "},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        dmpi_autofree char *got = load_dump(rows[i].text);
        if (strncmp(got, rows[i].start, strlen(rows[i].start)) != 0)
            fail_msg("%s\ngave: %s\nnot:  %s", rows[i].text, got, rows[i].start);
    }
}

static void depth_and_size_are_bounded(void **state)
{
    (void)state;
    char deep[1000];
    memset(deep, '[', sizeof(deep) - 1);
    deep[sizeof(deep) - 1] = '\0';
    dmpi_autofree char *got = load_dump(deep);
    assert_string_equal(got, "t:1: nested too deeply");
    size_t size = 2 << 20;
    dmpi_autofree char *big = dmpi_xmalloc(size);
    memset(big, 'a', size);
    struct dmpi_yaml y;
    struct dmpi_err err = DMPI_ERR_INIT;
    assert_int_equal(dmpi_yaml_load(&y, big, size, "t", &err), -1);
    assert_null(y.root);
}

static const char sample[] = "name: lab\n"                   // 1
                             "\n"                            // 2
                             "nodes:\n"                      // 3
                             "  - name: a\n"                 // 4
                             "    docker: unix:///x\n"       // 5
                             "  - { name: b,\n"              // 6
                             "      docker: tcp://y }\n"     // 7
                             "io.key.dots: { in.side: 1 }\n" // 8
                             "io: 2\n";                      // 9

static void every_value_has_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int line;
    } rows[] = {
        {"", 1},
        {"name", 1},
        {"nodes", 3},
        {"nodes[0]", 4},
        {"nodes[0].name", 4},
        {"nodes[0].docker", 5},
        {"nodes[1]", 6},
        {"nodes[1].docker", 7},
        {"io.key.dots", 8},
        {"io.key.dots.in.side", 8},
        {"io", 9},
        {"nodes[2]", 0},
        {"nodes[", 0},
        {"nodes[0", 0},
        {"nam", 0},
        {"name.x", 0},
        {"nodes.name", 0},
        {"[0]", 0},
        {"nodes[-1]", 0},
        {"nodes[99999999999999999999]", 0},
    };
    DMPI_AUTO(dmpi_yaml_free) struct dmpi_yaml y = DMPI_YAML_INIT;
    struct dmpi_err err = DMPI_ERR_INIT;
    assert_int_equal(dmpi_yaml_load(&y, sample, strlen(sample), "c.yaml", &err), 0);
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++)
        if (dmpi_yaml_line(&y, rows[i].path) != rows[i].line)
            fail_msg("%s: line %d, not %d", rows[i].path, dmpi_yaml_line(&y, rows[i].path),
                     rows[i].line);
}

static void later_checks_name_the_line(void **state)
{
    (void)state;
    static const char *const known[] = {"name", "docker", NULL};
    static const char *const others[] = {"zzzzzz", "qqqqqq", NULL};
    DMPI_AUTO(dmpi_yaml_free) struct dmpi_yaml y = DMPI_YAML_INIT;
    struct dmpi_err err = DMPI_ERR_INIT;
    const char *text = "nodes:\n- name: a\n  dokcer: x\n";
    assert_int_equal(dmpi_yaml_load(&y, text, strlen(text), "c.yaml", &err), 0);
    const json_t *node = json_array_get(dmpi_json_arr(y.root, "nodes"), 0);
    assert_int_equal(dmpi_yaml_known_keys(&y, node, "nodes[0]", known, &err), -1);
    assert_string_equal(err.msg, "c.yaml:3: unknown key 'dokcer': did you mean 'docker'?");
    assert_int_equal(err.code, DMPI_EINVAL);
    assert_int_equal(dmpi_yaml_known_keys(&y, node, "nodes[0]", others, &err), -1);
    assert_string_equal(err.msg, "c.yaml:2: unknown key 'name' (known here: zzzzzz, qqqqqq)");
    static const char *const all[] = {"name", "dokcer", NULL};
    assert_int_equal(dmpi_yaml_known_keys(&y, node, "nodes[0]", all, &err), 0);
    assert_int_equal(dmpi_yaml_known_keys(&y, NULL, "", all, &err), 0);
    json_int_t n = 0;
    assert_int_equal(dmpi_json_need_int(&n, node, "nodes[0]", "dokcer", true, &err), -1);
    assert_int_equal(dmpi_yaml_err_at(&err, &y, "nodes[0]", "dokcer"), -1);
    assert_string_equal(err.msg, "c.yaml:3: nodes[0].dokcer: expected a number, not a string");
    dmpi_json_need_int(&n, node, "nodes[0]", "gone", true, &err);
    dmpi_yaml_err_at(&err, &y, "nodes[0]", "gone");
    assert_string_equal(err.msg, "c.yaml:2: nodes[0].gone: missing");
    assert_int_equal(dmpi_yaml_err(&err, &y, "nope", "says %d", 1), -1);
    assert_string_equal(err.msg, "c.yaml: says 1");
}

static void missing_file_is_named(void **state)
{
    (void)state;
    struct dmpi_yaml y;
    struct dmpi_err err = DMPI_ERR_INIT;
    assert_int_equal(dmpi_yaml_load_file(&y, "/nonexistent/c.yaml", &err), -1);
    assert_int_equal(err.code, DMPI_ENOTFOUND);
    assert_non_null(strstr(err.msg, "/nonexistent/c.yaml"));
    dmpi_yaml_free(&y);
}

static void parse_gives_the_value_alone(void **state)
{
    (void)state;
    dmpi_json_auto json_t *j = NULL;
    struct dmpi_err err = DMPI_ERR_INIT;
    assert_int_equal(dmpi_yaml_parse(&j, "a: [1]", 6, "t", &err), 0);
    dmpi_autofree char *text = dmpi_json_dump(j);
    assert_string_equal(text, "{\"a\":[1]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_follow_the_core_schema),
        cmocka_unit_test(errors_name_the_line),
        cmocka_unit_test(depth_and_size_are_bounded),
        cmocka_unit_test(every_value_has_its_line),
        cmocka_unit_test(later_checks_name_the_line),
        cmocka_unit_test(missing_file_is_named),
        cmocka_unit_test(parse_gives_the_value_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
