// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/tar.h"
#include "cluster/context.h"

#define TAR_MAX (16U << 20)

static char *dir;                    // the test's folder, removed by teardown
static const struct dmpi_strv *more; // further folders of the context

static int setup(void **state)
{
    (void)state;
    char pattern[] = "/tmp/dockmpi-context.XXXXXX";
    dir = dmpi_xstrdup(mkdtemp(pattern));
    return dir ? 0 : -1;
}

static void remove_below(const char *path)
{
    static const char *const names[] = {".dockerignore", "Dockerfile", "b",        "big",
                                        "keep.o",        "link",       "pipe",     "x.o",
                                        "a/x",           "a/y.o",      "a/more/x", "a/more/y.o",
                                        "a/more",        "more",       "a",        "script"};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(names); i++) {
        dmpi_autofree char *full = dmpi_io_join(path, names[i]);
        remove(full);
    }
}

static int teardown(void **state)
{
    (void)state;
    remove_below(dir);
    int rc = rmdir(dir);
    free(dir);
    return rc;
}

static void put(const char *name, const char *text, mode_t mode)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    dmpi_autofree char *full = dmpi_io_join(dir, name);
    assert_int_equal(dmpi_io_write_file_atomic(full, text, strlen(text), mode, &err), 0);
}

static void put_folder(const char *name)
{
    dmpi_autofree char *full = dmpi_io_join(dir, name);
    assert_int_equal(mkdir(full, 0700), 0);
}

// The whole tar, read in pieces of `piece` bytes; -1 when the source fails.
static int read_all(struct dmpi_buf *out, size_t piece, struct dmpi_err *err)
{
    struct dmpi_context *context;
    dmpi_autofree char *data = dmpi_xmalloc(piece);
    ssize_t n;
    if (dmpi_context_open(&context, dir, more, err))
        return -1;
    struct dmpi_source source = dmpi_context_source(context);
    while ((n = source.read(source.arg, data, piece, err)) > 0)
        dmpi_buf_add(out, data, (size_t)n);
    dmpi_context_free(context);
    assert_false(out->overflow);
    return n < 0 ? -1 : 0;
}

// One line an entry: "type mode size path[ -> link]".
static int list_entry(const struct dmpi_tar_entry *e, void *arg, struct dmpi_err *err)
{
    (void)err;
    assert_int_equal(e->uid, 0);
    assert_int_equal(e->gid, 0);
    dmpi_buf_addf(arg, "%c %o %llu %s%s%s\n", e->type, e->mode, (unsigned long long)e->size,
                  e->path, e->type == DMPI_TAR_SYMLINK ? " -> " : "",
                  e->type == DMPI_TAR_SYMLINK ? e->linkname : "");
    return 0;
}

static char *listing(void)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_tar_reader reader;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf tar = DMPI_BUF_INIT(TAR_MAX);
    struct dmpi_buf lines = DMPI_BUF_INIT(TAR_MAX);
    assert_int_equal(read_all(&tar, 1000, &err), 0);
    const struct dmpi_tar_handler handler = {.entry = list_entry, .arg = &lines};
    dmpi_tar_reader_init(&reader, &handler);
    assert_int_equal(dmpi_tar_reader_feed(&reader, tar.data, tar.len, &err), 0);
    assert_int_equal(dmpi_tar_reader_finish(&reader, &err), 0);
    assert_true(dmpi_tar_reader_ended(&reader));
    dmpi_tar_reader_free(&reader);
    return dmpi_buf_steal(&lines);
}

static void entries_are_sorted_and_plain(void **state)
{
    (void)state;
    put("b", "12345", 0600);
    put("Dockerfile", "FROM x\n", 0664);
    put_folder("a");
    put("a/x", "", 0640);
    put("script", "#!", 0700);
    dmpi_autofree char *link = dmpi_io_join(dir, "link");
    assert_int_equal(symlink("../outside", link), 0);
    dmpi_autofree char *got = listing();
    assert_string_equal(got, "0 644 7 Dockerfile\n"
                             "5 755 0 a\n"
                             "0 644 0 a/x\n"
                             "0 644 5 b\n"
                             "2 777 0 link -> ../outside\n"
                             "0 755 2 script\n");
}

static void ignored_files_stay_behind(void **state)
{
    (void)state;
    put(".dockerignore", "*\n!keep.o\n!a/x\n", 0644);
    put("Dockerfile", "", 0644);
    put("x.o", "", 0644);
    put("keep.o", "", 0644);
    put_folder("a");
    put("a/x", "", 0644);
    put("a/y.o", "", 0644);
    dmpi_autofree char *got = listing();
    assert_string_equal(got, "0 644 15 .dockerignore\n"
                             "0 644 0 Dockerfile\n"
                             "0 644 0 a/x\n"
                             "0 644 0 keep.o\n");
}

static void same_content_gives_same_bytes(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    static const size_t pieces[] = {1, 511, 10240, 1U << 20};
    char first[DMPI_SHA256_HEX], next[DMPI_SHA256_HEX];
    dmpi_autofree char *big = dmpi_xmalloc(200001);
    memset(big, 'x', 200000);
    big[200000] = '\0';
    put("Dockerfile", "FROM x\n", 0644);
    put("big", big, 0644);
    for (size_t i = 0; i < DMPI_ARRAY_LEN(pieces); i++) {
        DMPI_AUTO(dmpi_buf_free) struct dmpi_buf tar = DMPI_BUF_INIT(TAR_MAX);
        dmpi_autofree char *full = dmpi_io_join(dir, "Dockerfile");
        const struct timespec times[2] = {{.tv_sec = 1000 + (time_t)i}, {.tv_sec = 99 * (time_t)i}};
        assert_int_equal(utimensat(AT_FDCWD, full, times, 0), 0);
        assert_int_equal(read_all(&tar, pieces[i], &err), 0);
        assert_int_equal(tar.len % 10240, 0);
        dmpi_sha256_hex(tar.data, tar.len, i == 0 ? first : next);
        if (i > 0)
            assert_string_equal(next, first);
    }
}

static void further_folders_come_along(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv folders = DMPI_STRV_INIT;
    put_folder("a");
    put_folder("a/more");
    put("a/more/x", "123", 0644);
    put("a/more/y.o", "", 0644);
    put("b", "", 0644);
    put(".dockerignore", "a\n*/*.o\n", 0644);
    dmpi_strv_take(&folders, dmpi_io_join(dir, "a/more"));
    more = &folders;
    dmpi_autofree char *got = listing();
    assert_string_equal(got, "0 644 8 .dockerignore\n"
                             "0 644 0 b\n"
                             "5 755 0 more\n"
                             "0 644 3 more/x\n");
    put_folder("more");
    struct dmpi_context *context;
    assert_int_equal(dmpi_context_open(&context, dir, more, &err), -1);
    assert_int_equal(err.code, DMPI_ECONFLICT);
    assert_non_null(strstr(err.msg, "/more would hide "));
    free(folders.v[0]);
    folders.v[0] = dmpi_xstrdup("/nonexistent/folder");
    assert_int_equal(dmpi_context_open(&context, dir, more, &err), -1);
    assert_non_null(strstr(err.msg, "/nonexistent/folder: "));
    more = NULL;
}

static void what_cannot_be_packed_is_named(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_context *context = (struct dmpi_context *)&err;
    dmpi_autofree char *pipe = dmpi_io_join(dir, "pipe");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_int_equal(dmpi_context_open(&context, dir, NULL, &err), -1);
    assert_null(context);
    assert_int_equal(err.code, DMPI_EINVAL);
    assert_non_null(strstr(err.msg, "/pipe: neither file, folder nor link"));
    put(".dockerignore", "pipe\n", 0644);
    assert_int_equal(dmpi_context_open(&context, dir, NULL, &err), 0);
    dmpi_context_free(context);
    assert_int_equal(dmpi_context_open(&context, "/nonexistent", NULL, &err), -1);
    assert_int_equal(err.code, DMPI_ENOTFOUND);
    dmpi_context_free(NULL);
}

static void a_file_that_shrinks_is_an_error(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_context *context;
    char data[4096];
    ssize_t n;
    put("big", "0123456789", 0644);
    assert_int_equal(dmpi_context_open(&context, dir, NULL, &err), 0);
    dmpi_autofree char *full = dmpi_io_join(dir, "big");
    assert_int_equal(truncate(full, 3), 0);
    struct dmpi_source source = dmpi_context_source(context);
    while ((n = source.read(source.arg, data, sizeof data, &err)) > 0)
        continue;
    assert_int_equal(n, -1);
    assert_non_null(strstr(err.msg, "/big became shorter"));
    dmpi_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(entries_are_sorted_and_plain, setup, teardown),
        cmocka_unit_test_setup_teardown(ignored_files_stay_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(same_content_gives_same_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(further_folders_come_along, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_packed_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_shrinks_is_an_error, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
