// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"

static char dir[] = "/tmp/dockmpi-io-XXXXXX";

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    dmpi_autofree char *cmd = dmpi_xasprintf("rm -rf '%s'", dir);
    return system(cmd);
}

static char *in_dir(const char *name)
{
    return dmpi_io_join(dir, name);
}

static void written_files_read_back(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    dmpi_autofree char *path = in_dir("file");
    char data[200000];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)(i * 7);
    assert_int_equal(dmpi_io_write_file_atomic(path, "old", 3, 0644, &err), 0);
    assert_int_equal(dmpi_io_write_file_atomic(path, data, sizeof(data), 0600, &err), 0);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf out = DMPI_BUF_INIT(0);
    assert_int_equal(dmpi_io_read_file(&out, path, sizeof(data), &err), 0);
    assert_int_equal(out.len, sizeof(data));
    assert_memory_equal(out.data, data, sizeof(data));
}

static void too_large_is_refused(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    dmpi_autofree char *path = in_dir("big");
    assert_int_equal(dmpi_io_write_file_atomic(path, "0123456789", 10, 0644, &err), 0);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf out = DMPI_BUF_INIT(100);
    assert_int_equal(dmpi_io_read_file(&out, path, 9, &err), -1);
    assert_int_equal(err.code, DMPI_EINVAL);
    assert_non_null(strstr(err.msg, "too large"));
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf exact = DMPI_BUF_INIT(10);
    assert_int_equal(dmpi_io_read_file(&exact, path, 10, &err), 0);
    assert_string_equal(dmpi_buf_str(&exact), "0123456789");
}

static void failures_name_the_file_and_leave_nothing(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    dmpi_autofree char *path = in_dir("none/file");
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf out = DMPI_BUF_INIT(10);
    assert_int_equal(dmpi_io_read_file(&out, path, 10, &err), -1);
    assert_int_equal(err.code, DMPI_ENOTFOUND);
    assert_non_null(strstr(err.msg, path));
    assert_int_equal(dmpi_io_write_file_atomic(path, "x", 1, 0644, &err), -1);
    assert_non_null(strstr(err.msg, path));
    assert_int_equal(dmpi_io_read_file(&out, dir, 10, &err), -1);
    dmpi_autofree char *sub = in_dir("folder");
    assert_int_equal(mkdir(sub, 0755), 0);
    assert_int_equal(dmpi_io_write_file_atomic(sub, "x", 1, 0644, &err), -1);
    dmpi_autofree char *fifo = in_dir("fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(dmpi_io_write_file_atomic(fifo, "x", 1, 0644, &err), -1);
    assert_non_null(strstr(err.msg, "no regular file"));
    struct stat st;
    assert_int_equal(lstat(fifo, &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
    dmpi_autofree char *cmd = dmpi_xasprintf("! ls '%s' | grep -q 'folder\\.'", dir);
    assert_int_equal(system(cmd), 0);
}

static void *drain(void *arg)
{
    char piece[4096];
    size_t total = 0;
    for (ssize_t n; (n = read(*(int *)arg, piece, sizeof(piece))) > 0;)
        total += (size_t)n;
    return (void *)total;
}

static void write_all_waits_for_a_full_pipe(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    int p[2];
    assert_int_equal(pipe(p), 0);
    assert_int_equal(fcntl(p[1], F_SETFL, O_NONBLOCK), 0);
    pthread_t reader;
    assert_int_equal(pthread_create(&reader, NULL, drain, &p[0]), 0);
    size_t size = 1 << 20;
    dmpi_autofree char *data = dmpi_xcalloc(1, size);
    assert_int_equal(dmpi_io_write_all(p[1], data, size, &err), 0);
    close(p[1]);
    void *total;
    pthread_join(reader, &total);
    assert_int_equal((size_t)total, size);
    close(p[0]);
    assert_int_equal(dmpi_io_write_all(-1, "x", 1, &err), -1);
}

static void mkdirs_makes_what_is_missing(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    dmpi_autofree char *deep = in_dir("a/b//c/");
    struct stat st;
    assert_int_equal(dmpi_io_mkdirs(deep, 0700, &err), 0);
    assert_int_equal(dmpi_io_mkdirs(deep, 0700, &err), 0);
    assert_int_equal(stat(deep, &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    dmpi_autofree char *file = in_dir("plain");
    assert_int_equal(dmpi_io_write_file_atomic(file, "", 0, 0644, &err), 0);
    dmpi_autofree char *below = in_dir("plain/x");
    assert_int_equal(dmpi_io_mkdirs(below, 0700, &err), -1);
    assert_int_equal(dmpi_io_mkdirs(file, 0700, &err), -1);
    assert_non_null(strstr(err.msg, "Not a directory"));
}

static void standard_folders(void **state)
{
    (void)state;
    setenv("HOME", "/home/me", 1);
    unsetenv("XDG_CONFIG_HOME");
    setenv("XDG_CACHE_HOME", "/var/my-cache", 1);
    dmpi_autofree char *config = dmpi_io_config_dir();
    dmpi_autofree char *cache = dmpi_io_cache_dir();
    assert_string_equal(config, "/home/me/.config/dockmpi");
    assert_string_equal(cache, "/var/my-cache/dockmpi");
    setenv("XDG_CACHE_HOME", "relative", 1);
    dmpi_autofree char *fallback = dmpi_io_cache_dir();
    assert_string_equal(fallback, "/home/me/.cache/dockmpi");
    unsetenv("HOME");
    dmpi_autofree char *home = dmpi_io_home();
    assert_int_equal(home[0], '/');
}

static void paths(void **state)
{
    (void)state;
    setenv("HOME", "/h", 1);
    static const struct {
        const char *path, *want;
    } rows[] = {{"~", "/h"}, {"~/x", "/h/x"}, {"~bob/x", "~bob/x"}, {"/x", "/x"}, {"", ""}};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        dmpi_autofree char *got = dmpi_io_expand_home(rows[i].path);
        assert_string_equal(got, rows[i].want);
    }
    static const struct {
        const char *dir, *name, *want;
    } joins[] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"", "b", "b"}, {"a", "/b", "/b"}, {"/", "b", "/b"}};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(joins); i++) {
        dmpi_autofree char *got = dmpi_io_join(joins[i].dir, joins[i].name);
        assert_string_equal(got, joins[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_files_read_back),
        cmocka_unit_test(too_large_is_refused),
        cmocka_unit_test(failures_name_the_file_and_leave_nothing),
        cmocka_unit_test(write_all_waits_for_a_full_pipe),
        cmocka_unit_test(mkdirs_makes_what_is_missing),
        cmocka_unit_test(standard_folders),
        cmocka_unit_test(paths),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
