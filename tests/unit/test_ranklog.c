// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "job/ranklog.h"

static char dir[] = "/tmp/dockmpi-test-XXXXXX";

// What the file has; "-" when it is not there.
static char *content(const char *name)
{
    struct dmpi_buf out = DMPI_BUF_INIT(1 << 20);
    struct dmpi_err err;
    dmpi_autofree char *path = dmpi_xasprintf("%s/out/%s", dir, name);
    if (access(path, F_OK) != 0 || dmpi_io_read_file(&out, path, 1 << 20, &err) < 0)
        dmpi_buf_adds(&out, "-");
    return dmpi_buf_steal(&out);
}

static void has(const char *name, const char *want)
{
    dmpi_autofree char *got = content(name);
    assert_string_equal(got ? got : "", want);
}

// Feeds the text in pieces of that many bytes; *shown is what is printed of it.
static void feed(const char *text, size_t piece, bool tags, const char *folder, int ranks,
                 struct dmpi_buf *shown)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_ranklog *log;
    const struct dmpi_streams to = {dmpi_sink_to_buf(shown), {NULL, NULL}};
    if (dmpi_ranklog_open(&log, &to, tags, folder, ranks, &err) < 0)
        fail_msg("%s", err.msg);
    struct dmpi_streams in = dmpi_ranklog_streams(log);
    for (size_t at = 0, len = strlen(text); at < len; at += piece)
        assert_int_equal(
            dmpi_sink_write(&in.out, text + at, piece < len - at ? piece : len - at, &err), 0);
    assert_int_equal(dmpi_sink_write(&in.err, "0: trouble\n", 11, &err), 0);
    assert_int_equal(dmpi_ranklog_close(log, &err), 0);
}

static void takes_lines_apart(void **state)
{
    static const struct {
        const char *text, *tagged, *plain;
    } rows[] = {
        {"0: a\n1: b\n", "0: a\n1: b\n", "a\nb\n"},
        {"0: 1: a\n", "0: 1: a\n", "1: a\n"},
        {"1; a\n1; b\n0: c\n", "1: a\n1: b\n0: c\n", "abc\n"},
        {"0: \n0:  x\n", "0: \n0:  x\n", "\n x\n"},
        {"dockmpi: words\n", "dockmpi: words\n", "dockmpi: words\n"},
        {"2: no such rank\n99999999999999999999: x\n", "2: no such rank\n99999999999999999999: x\n",
         "2: no such rank\n99999999999999999999: x\n"},
        {"0 a\n0:a\n:\n: a\n-1: a\n", "0 a\n0:a\n:\n: a\n-1: a\n", "0 a\n0:a\n:\n: a\n-1: a\n"},
        {"12", "12", "12"},
        {"0: no newline", "0: no newline", "no newline"},
        {"", "", ""},
    };
    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        for (size_t piece = 1; piece < 8; piece++) {
            DMPI_AUTO(dmpi_buf_free) struct dmpi_buf tagged = DMPI_BUF_INIT(4096);
            DMPI_AUTO(dmpi_buf_free) struct dmpi_buf plain = DMPI_BUF_INIT(4096);
            feed(rows[i].text, piece, true, NULL, 2, &tagged);
            feed(rows[i].text, piece, false, NULL, 2, &plain);
            assert_string_equal(dmpi_buf_str(&tagged), rows[i].tagged);
            assert_string_equal(dmpi_buf_str(&plain), rows[i].plain);
        }
    }
}

static void writes_files(void **state)
{
    (void)state;
    dmpi_autofree char *folder = dmpi_xasprintf("%s/out", dir);
    struct stat st;
    umask(022);
    for (size_t piece = 1; piece < 30; piece += 4) {
        DMPI_AUTO(dmpi_buf_free) struct dmpi_buf shown = DMPI_BUF_INIT(4096);
        feed("1: b\n0: a\nwords\n1; long\n1: er\n7: none\n0; end\n", piece, true, folder, 3,
             &shown);
        has("rank-0.log", "a\nend");
        has("rank-0.err", "trouble\n");
        has("rank-1.log", "b\nlonger\n");
        has("rank-1.err", "-");
        has("rank-2.log", "");
        has("job.log", "words\n7: none\n");
    }
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf shown = DMPI_BUF_INIT(4096);
    dmpi_autofree char *other = dmpi_xasprintf("%s/rank-x.log", folder);
    struct dmpi_err err = DMPI_ERR_INIT;
    assert_int_equal(dmpi_io_write_file_atomic(other, "mine", 4, 0600, &err), 0);
    umask(077);
    feed("", 1, true, folder, 1, &shown);
    umask(022);
    has("rank-0.log", "");
    has("rank-1.log", "-");
    has("rank-x.log", "mine");
    dmpi_autofree char *first = dmpi_xasprintf("%s/rank-0.log", folder);
    assert_int_equal(stat(first, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

// More ranks than descriptors are kept.
static void writes_many_files(void **state)
{
    (void)state;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT(1 << 20);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf shown = DMPI_BUF_INIT(1 << 20);
    dmpi_autofree char *folder = dmpi_xasprintf("%s/out", dir);
    for (int round = 0; round < 3; round++)
        for (int rank = 0; rank < 200; rank++)
            dmpi_buf_addf(&text, "%d: %d of %d\n", rank, round, rank);
    feed(dmpi_buf_str(&text), 1000, true, folder, 200, &shown);
    has("rank-0.log", "0 of 0\n1 of 0\n2 of 0\n");
    has("rank-137.log", "0 of 137\n1 of 137\n2 of 137\n");
    has("rank-199.log", "0 of 199\n1 of 199\n2 of 199\n");
}

static void follows_no_link(void **state)
{
    (void)state;
    dmpi_autofree char *folder = dmpi_xasprintf("%s/linked", dir);
    dmpi_autofree char *link = dmpi_xasprintf("%s/job.log", folder);
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_ranklog *log;
    const struct dmpi_streams to = {{NULL, NULL}, {NULL, NULL}};
    assert_int_equal(mkdir(folder, 0755), 0);
    assert_int_equal(symlink("/tmp/nowhere", link), 0);
    assert_int_equal(dmpi_ranklog_open(&log, &to, true, folder, 1, &err), -1);
    assert_non_null(strstr(err.msg, "--output"));
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    dmpi_autofree char *rm = dmpi_xasprintf("rm -rf '%s'", dir);
    return system(rm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_lines_apart),
        cmocka_unit_test(writes_files),
        cmocka_unit_test(writes_many_files),
        cmocka_unit_test(follows_no_link),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
