// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cluster/runas.h"
#include "spec/runas.h"

#define IMAGE                                                                                      \
    "root:x:0:0:root:/root:/bin/bash\n"                                                            \
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"                                 \
    "broken:x:\n"                                                                                  \
    "toor:x:0:0::/root:/bin/sh\n"                                                                  \
    "odd:x:12:12::/a/../etc:/bin/sh\n"                                                             \
    "ann:x:1000:100:Ann:/home/ann:/bin/bash\n"

static void spelling(void **state)
{
    (void)state;
    static const struct {
        const char *text, *kept;
        int rc;
    } rows[] = {
        {"1000", "1000", 0}, {"1000:100", "1000:100", 0},
        {"ann", "ann", 0},   {"4294967294", "4294967294", 0},
        {"root", NULL, 0},   {"0", NULL, 0},
        {"0:0", NULL, 0},    {"00", NULL, 0},
        {"", NULL, -1},      {"-1", NULL, -1},
        {"1000:", NULL, -1}, {"1000:x", NULL, -1},
        {"ann:1", NULL, -1}, {":1", NULL, -1},
        {"a b", NULL, -1},   {"a\nb", NULL, -1},
        {"1a", NULL, -1},    {"4294967295", NULL, -1},
        {"1:2:3", NULL, -1}, {"../x", NULL, -1},
        {"-ann", NULL, -1},  {"a;b", NULL, -1},
        {"+5", NULL, -1},    {"0x10", NULL, -1},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        dmpi_autofree char *kept = NULL;
        int rc = dmpi_runas_parse(&kept, rows[i].text, &err);
        if (rc != rows[i].rc || strcmp(kept ? kept : "", rows[i].kept ? rows[i].kept : "") != 0)
            fail_msg("'%s': %d, %s", rows[i].text, rc, kept ? kept : "nothing");
    }
}

static void finding(void **state)
{
    (void)state;
    static const struct {
        const char *user, *line; // line: NULL for none
        const char *error;
    } rows[] = {
        {"1000", "dockmpi:x:1000:100:dockmpi:/home/ann:/bin/bash\n", NULL},
        {"1000:7", "dockmpi:x:1000:7:dockmpi:/home/ann:/bin/bash\n", NULL},
        {"ann", "dockmpi:x:1000:100:dockmpi:/home/ann:/bin/bash\n", NULL},
        {"1001", "dockmpi:x:1001:1001:dockmpi:/home/dockmpi:/bin/sh\n", NULL},
        {"nobody", "dockmpi:x:65534:65534:dockmpi:/home/dockmpi:/bin/sh\n", NULL},
        {"odd", "dockmpi:x:12:12:dockmpi:/home/dockmpi:/bin/sh\n", NULL},
        {"bob", NULL, "no user bob"},
        {"toor", NULL, "is root"},
        {"broken", NULL, "no user broken"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        struct dmpi_runas who DMPI_AUTO(dmpi_runas_free) = {0};
        int rc = dmpi_runas_find(&who, rows[i].user, IMAGE, &err);
        assert_int_equal(rc, rows[i].line ? 0 : -1);
        if (rows[i].error)
            assert_non_null(strstr(err.msg, rows[i].error));
        if (!rows[i].line)
            continue;
        dmpi_autofree char *want = dmpi_xasprintf("%s" IMAGE, rows[i].line);
        assert_string_equal(who.passwd, want);
        // A container that is prepared again is not prepared twice.
        struct dmpi_runas again DMPI_AUTO(dmpi_runas_free) = {0};
        assert_int_equal(dmpi_runas_find(&again, rows[i].user, who.passwd, &err), 0);
        assert_string_equal(again.passwd, want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(spelling), cmocka_unit_test(finding)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
