// SPDX-License-Identifier: MIT
// Keys that leave a job running: how they are written, and what is passed on of what is typed.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "../../cmd/dockmpi/keys.h"

static void reads_keys(void **state)
{
    static const struct {
        const char *text, *want; // NULL: refused
    } rows[] = {
        {DMPI_KEYS_DEFAULT, "\x10\x11"},
        {"", ""},
        {"a", "a"},
        {"a,b,c", "abc"},
        {"~", "~"},
        {"ctrl-[,q", "\x1bq"},
        {"ctrl-_", "\x1f"},
        {"ctrl-", NULL},
        {"ctrl-pp", NULL},
        {"ab", NULL},
        {",", NULL},
        {"a,", NULL},
        {"ctrl-1", NULL},
        {" ", NULL},
        {"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", NULL},
    };
    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_keys keys;
        struct dmpi_err err = DMPI_ERR_INIT;
        int rc = dmpi_keys_parse(&keys, rows[i].text, &err);
        if (rc != (rows[i].want ? 0 : -1))
            fail_msg("'%s' gives %d", rows[i].text, rc);
        if (rc == 0)
            assert_int_equal(keys.n, strlen(rows[i].want));
        if (rc == 0)
            assert_memory_equal(keys.v, rows[i].want, keys.n);
        else
            assert_int_equal(strncmp(err.msg, "--detach-keys", 13), 0);
    }
}

static void passes_the_rest_on(void **state)
{
    static const struct {
        const char *keys, *typed, *passed;
        bool leave;
    } rows[] = {
        {"a,b", "xyz", "xyz", false},
        {"a,b", "xaby", "x", true},
        {"a,b", "aab", "a", true},
        {"a,b", "acb", "acb", false},
        {"a,b", "a", "", false},
        {"a,a,b", "aaab", "aaab", false},
        {"a", "xa", "x", true},
        {"", "ab", "ab", false},
        {"ctrl-p,ctrl-q", "w\x10x\x10\x11", "w\x10x", true},
    };
    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        for (size_t piece = 1; piece < 4; piece++) {
            struct dmpi_keys keys;
            struct dmpi_err err = DMPI_ERR_INIT;
            char passed[256];
            size_t n = 0, len = strlen(rows[i].typed);
            bool leave = false;
            assert_int_equal(dmpi_keys_parse(&keys, rows[i].keys, &err), 0);
            for (size_t at = 0; at < len && !leave; at += piece) {
                size_t got;
                leave = dmpi_keys_pass(&keys, passed + n, &got, rows[i].typed + at,
                                       piece < len - at ? piece : len - at);
                n += got;
            }
            passed[n] = '\0';
            assert_string_equal(passed, rows[i].passed);
            assert_int_equal(leave, rows[i].leave);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_keys),
        cmocka_unit_test(passes_the_rest_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
