// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/json.h"
#include "base/mem.h"

static json_t *parse(const char *text)
{
    json_t *j = NULL;
    struct dmpi_err err = DMPI_ERR_INIT;
    if (dmpi_json_parse(&j, text, strlen(text), &err) != 0)
        fail_msg("%s: %s", text, err.msg);
    return j;
}

static void parse_errors_name_the_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *start;
    } rows[] = {{"", "line 1: "}, {"{\n\"a\":\n}", "line 3: "}, {"{} x", "line 1: "}};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        json_t *j = NULL;
        struct dmpi_err err = DMPI_ERR_INIT;
        assert_int_equal(dmpi_json_parse(&j, rows[i].text, strlen(rows[i].text), &err), -1);
        assert_int_equal(err.code, DMPI_EPARSE);
        assert_memory_equal(err.msg, rows[i].start, strlen(rows[i].start));
        assert_null(j);
    }
}

static void deep_nesting_is_refused(void **state)
{
    (void)state;
    char text[100000];
    memset(text, '[', sizeof(text));
    json_t *j = NULL;
    struct dmpi_err err = DMPI_ERR_INIT;
    assert_int_equal(dmpi_json_parse(&j, text, sizeof(text), &err), -1);
}

static void lenient_getters(void **state)
{
    (void)state;
    dmpi_json_auto json_t *j =
        parse("{\"s\":\"x\",\"i\":5,\"b\":true,\"o\":{},\"a\":[],\"n\":null}");
    assert_string_equal(dmpi_json_str(j, "s"), "x");
    assert_null(dmpi_json_str(j, "i"));
    assert_null(dmpi_json_str(NULL, "i"));
    assert_int_equal(dmpi_json_int(j, "i", 9), 5);
    assert_int_equal(dmpi_json_int(j, "s", 9), 9);
    assert_true(dmpi_json_bool(j, "b", false));
    assert_true(dmpi_json_bool(j, "n", true));
    assert_non_null(dmpi_json_obj(j, "o"));
    assert_null(dmpi_json_obj(j, "a"));
    assert_non_null(dmpi_json_arr(j, "a"));
    assert_null(dmpi_json_arr(j, "n"));
}

static void strict_getters_name_path_and_type(void **state)
{
    (void)state;
    dmpi_json_auto json_t *j = parse("{\"s\":5,\"i\":1.5,\"b\":\"yes\",\"o\":[],\"a\":{},"
                                     "\"l\":[\"x\",1],\"z\":\"a\\u0000b\"}");
    struct dmpi_err err = DMPI_ERR_INIT;
    const char *s = NULL;
    json_int_t i = 7;
    bool b = false;
    json_t *p = NULL;
    assert_int_equal(dmpi_json_need_str(&s, j, "nodes[0]", "s", true, &err), -1);
    assert_string_equal(err.msg, "nodes[0].s: expected a string, not a number");
    assert_int_equal(err.code, DMPI_EPARSE);
    assert_int_equal(dmpi_json_need_str(&s, j, "", "q", true, &err), -1);
    assert_string_equal(err.msg, "q: missing");
    assert_int_equal(dmpi_json_need_str(&s, j, "", "z", true, &err), -1);
    assert_string_equal(err.msg, "z: contains a NUL character");
    assert_int_equal(dmpi_json_need_str(&s, j, "", "q", false, &err), 0);
    assert_null(s);
    assert_int_equal(dmpi_json_need_int(&i, j, "x", "i", true, &err), -1);
    assert_string_equal(err.msg, "x.i: expected a whole number");
    assert_int_equal(dmpi_json_need_bool(&b, j, "x", "b", true, &err), -1);
    assert_string_equal(err.msg, "x.b: expected true or false, not a string");
    assert_int_equal(dmpi_json_need_obj(&p, j, "x", "o", true, &err), -1);
    assert_string_equal(err.msg, "x.o: expected an object, not a list");
    assert_int_equal(dmpi_json_need_arr(&p, j, "x", "a", true, &err), -1);
    assert_string_equal(err.msg, "x.a: expected a list, not an object");
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv sv = DMPI_STRV_INIT;
    assert_int_equal(dmpi_json_need_strv(&sv, j, "x", "l", true, &err), -1);
    assert_string_equal(err.msg, "x.l[1]: expected a string, not a number");
    assert_int_equal(dmpi_json_need_str(&s, dmpi_json_arr(j, "l"), "l", "k", false, &err), -1);
    assert_string_equal(err.msg, "l: expected an object, not a list");
}

static void strict_getters_give_values(void **state)
{
    (void)state;
    dmpi_json_auto json_t *j = parse("{\"s\":\"v\",\"i\":-3,\"b\":true,\"o\":{},\"a\":[\"p\"]}");
    struct dmpi_err err = DMPI_ERR_INIT;
    const char *s = NULL;
    json_int_t i = 7;
    bool b = false;
    json_t *o = NULL;
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv sv = DMPI_STRV_INIT;
    assert_int_equal(dmpi_json_need_str(&s, j, "", "s", true, &err), 0);
    assert_int_equal(dmpi_json_need_int(&i, j, "", "i", true, &err), 0);
    assert_int_equal(dmpi_json_need_bool(&b, j, "", "b", true, &err), 0);
    assert_int_equal(dmpi_json_need_obj(&o, j, "", "o", true, &err), 0);
    assert_int_equal(dmpi_json_need_strv(&sv, j, "", "a", true, &err), 0);
    assert_string_equal(s, "v");
    assert_int_equal(i, -3);
    assert_true(b);
    assert_true(json_is_object(o));
    assert_string_equal(sv.v[0], "p");
}

static void setters_and_dump(void **state)
{
    (void)state;
    dmpi_json_auto json_t *j = dmpi_json_new_obj();
    dmpi_json_set_str(j, "z", "text");
    dmpi_json_set_str(j, "none", NULL);
    dmpi_json_set_int(j, "i", 4);
    dmpi_json_set_bool(j, "b", true);
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv sv = DMPI_STRV_INIT;
    dmpi_strv_add(&sv, "one");
    json_t *arr = dmpi_json_strv(&sv);
    dmpi_json_add_str(arr, "two");
    dmpi_json_add(arr, NULL);
    dmpi_json_set(j, "a", arr);
    dmpi_autofree char *text = dmpi_json_dump(j);
    assert_string_equal(text, "{\"a\":[\"one\",\"two\",null],\"b\":true,\"i\":4,\"none\":null,"
                              "\"z\":\"text\"}");
    dmpi_autofree char *pretty = dmpi_json_dump_pretty(j);
    assert_memory_equal(pretty, "{\n  \"z\": \"text\",\n", 17);
}

static void bad_utf8_is_replaced_not_lost(void **state)
{
    (void)state;
    dmpi_json_auto json_t *j = dmpi_json_new_obj();
    dmpi_json_set_str(j, "k\xff", "a\xff\xc3\xa4\xe2\x82z\xf0\x9f\x98\x80");
    dmpi_autofree char *text = dmpi_json_dump(j);
    assert_string_equal(text, "{\"k\xEF\xBF\xBD\":\"a\xEF\xBF\xBD\xc3\xa4\xEF\xBF\xBD\xEF\xBF\xBDz"
                              "\xf0\x9f\x98\x80\"}");
}

static void merge_goes_deep(void **state)
{
    (void)state;
    dmpi_json_auto json_t *into = parse("{\"a\":{\"x\":1,\"y\":2},\"l\":[1]}");
    dmpi_json_auto json_t *from = parse("{\"a\":{\"y\":3},\"l\":[2],\"n\":{\"k\":1}}");
    dmpi_json_merge(into, from);
    dmpi_autofree char *text = dmpi_json_dump(into);
    assert_string_equal(text, "{\"a\":{\"x\":1,\"y\":3},\"l\":[2],\"n\":{\"k\":1}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_errors_name_the_line),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(lenient_getters),
        cmocka_unit_test(strict_getters_name_path_and_type),
        cmocka_unit_test(strict_getters_give_values),
        cmocka_unit_test(setters_and_dump),
        cmocka_unit_test(bad_utf8_is_replaced_not_lost),
        cmocka_unit_test(merge_goes_deep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
