// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "cluster/pip.h"

static void test_setting(void **state)
{
    static const struct {
        const char *text, *value;
    } cases[] = {
        {"", NULL},
        {"[global]\nindex-url = https://a/simple\n", "https://a/simple"},
        {"[global]\nindex-url: https://a/simple", "https://a/simple"},
        {"[global]\nindex-url=x\n[install]\nindex-url = y\n", "y"},
        {"[global]\nextra-index-url = x\n", NULL},
        {"# index-url = x\n; index-url = y\n", NULL},
        {"index-url =\n    x\n\ty\ncert = z\n  w\n", "x y"},
        {"index-url = x\r\n", "x"},
        {"index-url-2 = x\n", NULL},
        {"index-url", NULL},
        {"index-url =", ""},
        {"  index-url = x\n", NULL},
    };
    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        dmpi_autofree char *value = dmpi_pip_setting(cases[i].text, "index-url");
        if (cases[i].value ? !value || strcmp(value, cases[i].value) != 0 : value != NULL)
            fail_msg("%s: %s", cases[i].text, value ? value : "(none)");
    }
}

static char *content(const struct dmpi_pip *pip, const char *name)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT(1 << 16);
    struct dmpi_err err = DMPI_ERR_INIT;
    dmpi_autofree char *path = dmpi_io_join(pip->dir, name);
    assert_int_equal(dmpi_io_read_file(&text, path, 1 << 16, &err), 0);
    return dmpi_xstrdup(dmpi_buf_str(&text));
}

// The folder has what this machine says, and nothing is left of it.
static void test_folder(void **state)
{
    struct dmpi_pip pip = {.dir = NULL};
    struct dmpi_err err = DMPI_ERR_INIT;
    struct stat st;
    char dir[] = "/tmp/test_pip.XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(dir));
    dmpi_autofree char *ca = dmpi_io_join(dir, "ca"), *conf = dmpi_io_join(dir, "conf");
    assert_int_equal(dmpi_io_write_file_atomic(ca, "AUTHORITY\n", 10, 0600, &err), 0);
    assert_int_equal(
        dmpi_io_write_file_atomic(conf, "[global]\ntimeout = 7\nuser = yes\n", 32, 0600, &err), 0);
    setenv("PIP_CERT", ca, 1);
    setenv("PIP_CONFIG_FILE", conf, 1);
    setenv("HOME", dir, 1);
    setenv("PIP_INDEX_URL", "https://index/simple", 1);
    setenv("PIP_TRUSTED_HOST", "index", 1);
    setenv("PIP_EXTRA_INDEX_URL", "https://more/simple", 1);
    unsetenv("PIP_DEFAULT_TIMEOUT");
    assert_int_equal(dmpi_pip_make(&pip, &err), 0);
    assert_string_equal(pip.dir + strlen(pip.dir) - 4, "/pip");
    dmpi_autofree char *kept = dmpi_xstrdup(pip.above);
    assert_int_equal(stat(kept, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    dmpi_autofree char *a = content(&pip, "ca.crt"), *b = content(&pip, "pip.conf");
    assert_string_equal(a, "AUTHORITY\n");
    assert_string_equal(b, "[global]\nindex-url = https://index/simple\n"
                           "extra-index-url = https://more/simple\ntrusted-host = index\n"
                           "timeout = 7\ncert = /pip/ca.crt\n");
    dmpi_pip_remove(&pip);
    assert_null(pip.dir);
    assert_int_equal(stat(kept, &st), -1);
    setenv("TMPDIR", "/nowhere", 1);
    assert_int_equal(dmpi_pip_make(&pip, &err), -1);
    assert_non_null(strstr(err.msg, "/nowhere/dockmpi-pip."));
    dmpi_pip_remove(&pip);
    unlink(ca);
    unlink(conf);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_setting),
        cmocka_unit_test(test_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
