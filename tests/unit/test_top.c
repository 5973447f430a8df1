// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/top.h"

static void rows_become_columns(void **state)
{
    (void)state;
    static const struct {
        const char *before, *after;
    } rows[] = {
        /* Podman 4.3 */
        {"{\"Titles\":[\"UID    PID  CMD\"],\"Processes\":[[\"root     1  sh -c a  b\"],[\"root  7 "
         "x\"]]}",
         "{\"Processes\":[[\"root\",\"1\",\"sh -c a  b\"],[\"root\",\"7\",\"x\"]],"
         "\"Titles\":[\"UID\",\"PID\",\"CMD\"]}"},
        {"{\"Titles\":[\"UID CMD\"],\"Processes\":[[\"root\"],[\"\"],[1]]}",
         "{\"Processes\":[[\"root\"],[],[1]],\"Titles\":[\"UID\",\"CMD\"]}"},
        /* Docker, and what is not to be split */
        {"{\"Titles\":[\"UID\",\"CMD\"],\"Processes\":[[\"root\",\"sleep 1\"]]}", NULL},
        {"{\"Titles\":[\"CMD\"],\"Processes\":[[\"sleep 1\"]]}", NULL},
        {"{\"Titles\":[],\"Processes\":[[\"sleep 1\"]]}", NULL},
        {"{\"Titles\":[5]}", NULL},
        {"{}", NULL},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        dmpi_json_auto json_t *top = NULL, *want = NULL;
        const char *after = rows[i].after ? rows[i].after : rows[i].before;
        assert_int_equal(dmpi_json_parse(&top, rows[i].before, strlen(rows[i].before), &err), 0);
        assert_int_equal(dmpi_json_parse(&want, after, strlen(after), &err), 0);
        dmpi_top_columns(top);
        dmpi_autofree char *got_text = dmpi_json_dump(top), *want_text = dmpi_json_dump(want);
        assert_string_equal(got_text, want_text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_become_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
