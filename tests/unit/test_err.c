// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/err.h"

static void set_returns_failure_and_text(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    assert_int_equal(dmpi_err_set(&err, DMPI_EINVAL, "bad %s %d", "thing", 7), -1);
    assert_int_equal(err.code, DMPI_EINVAL);
    assert_string_equal(err.msg, "bad thing 7");
}

static void arguments_may_be_the_message_itself(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    dmpi_err_set(&err, DMPI_EINVAL, "inner");
    dmpi_err_set(&err, DMPI_EENGINE, "outer(%s)", err.msg);
    assert_string_equal(err.msg, "outer(inner)");
}

static void sys_chooses_the_code(void **state)
{
    (void)state;
    static const struct {
        int errnum;
        enum dmpi_code code;
    } rows[] = {{ENOENT, DMPI_ENOTFOUND},
                {EACCES, DMPI_EDENIED},
                {EPERM, DMPI_EDENIED},
                {EEXIST, DMPI_ECONFLICT},
                {ENOSPC, DMPI_ESYS}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        assert_int_equal(dmpi_err_sys(&err, rows[i].errnum, "/x/%d", 1), -1);
        assert_int_equal(err.code, rows[i].code);
        assert_memory_equal(err.msg, "/x/1: ", 6);
        assert_non_null(strstr(err.msg, strerror(rows[i].errnum)));
    }
}

static void wrap_prefixes_and_keeps_the_code(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    dmpi_err_set(&err, DMPI_ENOTFOUND, "no such image");
    assert_int_equal(dmpi_err_wrap(&err, "create %s", "container"), -1);
    assert_int_equal(dmpi_err_wrap(&err, "node %s", "gpu0"), -1);
    assert_int_equal(err.code, DMPI_ENOTFOUND);
    assert_string_equal(err.msg, "node gpu0: create container: no such image");
}

static void long_text_is_visibly_cut(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    char text[3000];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    dmpi_err_set(&err, DMPI_ESYS, "%s", text);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
    assert_string_equal(err.msg + sizeof(err.msg) - 4, "...");
    dmpi_err_wrap(&err, "%s", text);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

static void every_code_has_a_name(void **state)
{
    (void)state;
    for (int code = DMPI_OK; code <= DMPI_EPARTIAL; code++)
        assert_string_not_equal(dmpi_code_name((enum dmpi_code)code), "unknown");
    assert_string_equal(dmpi_code_name((enum dmpi_code)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_returns_failure_and_text),
        cmocka_unit_test(arguments_may_be_the_message_itself),
        cmocka_unit_test(sys_chooses_the_code),
        cmocka_unit_test(wrap_prefixes_and_keeps_the_code),
        cmocka_unit_test(long_text_is_visibly_cut),
        cmocka_unit_test(every_code_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
