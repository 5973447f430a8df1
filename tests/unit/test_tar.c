// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/tar.h"
#include "base/tar_format.h"

// --- a listing of what the reader sees -----------------------------------------------------------

static int list_entry(const struct dmpi_tar_entry *e, void *arg, struct dmpi_err *err)
{
    (void)err;
    dmpi_buf_addf(arg, "%c %s %o %llu:%llu %lld %llu", e->type, e->path, e->mode,
                  (unsigned long long)e->uid, (unsigned long long)e->gid, (long long)e->mtime,
                  (unsigned long long)e->size);
    if (*e->linkname)
        dmpi_buf_addf(arg, " -> %s", e->linkname);
    if (*e->uname || *e->gname)
        dmpi_buf_addf(arg, " (%s/%s)", e->uname, e->gname);
    dmpi_buf_addc(arg, '[');
    return 0;
}

static int list_data(const void *data, size_t len, void *arg, struct dmpi_err *err)
{
    (void)err;
    struct dmpi_buf *out = arg;
    if (len < 100 && out->len < 20000)
        dmpi_buf_add(out, data, len);
    return 0;
}

static int list_end(void *arg, struct dmpi_err *err)
{
    (void)err;
    dmpi_buf_adds(arg, "]\n");
    return 0;
}

// Feeds the archive in pieces of the given size; returns 0 or -1 with err set.
static int list(struct dmpi_buf *out, const char *data, size_t len, size_t piece,
                struct dmpi_err *err)
{
    struct dmpi_tar_handler h = {list_entry, list_data, list_end, out};
    DMPI_AUTO(dmpi_tar_reader_free) struct dmpi_tar_reader r;
    dmpi_tar_reader_init(&r, &h);
    for (size_t at = 0; at < len; at += piece)
        if (dmpi_tar_reader_feed(&r, data + at, len - at < piece ? len - at : piece, err) != 0)
            return -1;
    return dmpi_tar_reader_finish(&r, err);
}

static char long_path[400];  // fits no ustar header
static char split_path[200]; // fits name and prefix
static char long_link[300];

static void fill_paths(void)
{
    memset(long_path, 'p', sizeof(long_path) - 1);
    memset(split_path, 's', sizeof(split_path) - 1);
    split_path[120] = '/';
    memset(long_link, 'l', sizeof(long_link) - 1);
}

static void add(struct dmpi_tar_writer *w, struct dmpi_tar_entry e, const char *data)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    e.size = data ? strlen(data) : 0;
    size_t before = (size_t)w->written + w->pad;
    if (dmpi_tar_add_data(w, &e, data ? data : "", &err) != 0)
        fail_msg("%s: %s", e.path, err.msg);
    assert_int_equal(w->written + w->pad - before, dmpi_tar_member_size(&e));
}

static void write_sample(struct dmpi_buf *out)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_tar_writer w;
    fill_paths();
    dmpi_tar_writer_init(&w, dmpi_tar_write_buf, out);
    add(&w, (struct dmpi_tar_entry){.path = "etc", .type = '5', .mode = 0700, .mtime = 1700000000},
        NULL);
    add(&w,
        (struct dmpi_tar_entry){.path = "etc/key",
                                .type = '0',
                                .mode = 0600,
                                .uid = 5,
                                .gid = 6,
                                .mtime = 9,
                                .uname = "root",
                                .gname = "daemon"},
        "secret\n");
    add(&w, (struct dmpi_tar_entry){.path = "etc/empty", .type = '0', .mode = 04755}, NULL);
    add(&w, (struct dmpi_tar_entry){.path = "l", .type = '2', .mode = 0777, .linkname = "etc/key"},
        NULL);
    add(&w, (struct dmpi_tar_entry){.path = "h", .type = '1', .linkname = "etc/key"}, NULL);
    add(&w, (struct dmpi_tar_entry){.path = split_path, .type = '0', .mode = 0644}, "split");
    add(&w,
        (struct dmpi_tar_entry){
            .path = long_path, .type = '0', .mode = 0644, .uid = 3000000000u, .mtime = -5},
        "long");
    add(&w, (struct dmpi_tar_entry){.path = long_path, .type = '5', .mode = 0755}, NULL);
    add(&w, (struct dmpi_tar_entry){.path = "m", .type = '2', .mode = 0777, .linkname = long_link},
        NULL);
    assert_int_equal(dmpi_tar_finish(&w, &err), 0);
    assert_int_equal(out->len % 10240, 0);
}

static void expect_sample(struct dmpi_buf *want)
{
    dmpi_buf_adds(want, "5 etc 700 0:0 1700000000 0[]\n"
                        "0 etc/key 600 5:6 9 7 (root/daemon)[secret\n]\n"
                        "0 etc/empty 4755 0:0 0 0[]\n"
                        "2 l 777 0:0 0 0 -> etc/key[]\n"
                        "1 h 0 0:0 0 0 -> etc/key[]\n");
    dmpi_buf_addf(want, "0 %s 644 0:0 0 5[split]\n", split_path);
    dmpi_buf_addf(want, "0 %s 644 3000000000:0 -5 4[long]\n", long_path);
    dmpi_buf_addf(want, "5 %s 755 0:0 0 0[]\n", long_path);
    dmpi_buf_addf(want, "2 m 777 0:0 0 0 -> %s[]\n", long_link);
}

static void what_is_written_is_read_in_any_pieces(void **state)
{
    (void)state;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf tar = DMPI_BUF_INIT(1 << 20);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf want = DMPI_BUF_INIT(1 << 20);
    write_sample(&tar);
    expect_sample(&want);
    static const size_t pieces[] = {1, 7, 511, 512, 513, 4096, 1 << 20};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(pieces); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        DMPI_AUTO(dmpi_buf_free) struct dmpi_buf got = DMPI_BUF_INIT(1 << 20);
        if (list(&got, tar.data, tar.len, pieces[i], &err) != 0)
            fail_msg("%s", err.msg);
        assert_string_equal(dmpi_buf_str(&got), dmpi_buf_str(&want));
    }
}

// --- the system's tar on the other side ------------------------------------------------------

static char *command_output(const char *cmd)
{
    struct dmpi_buf out = DMPI_BUF_INIT(8 << 20);
    FILE *f = popen(cmd, "r");
    assert_non_null(f);
    char piece[4096];
    for (size_t n; (n = fread(piece, 1, sizeof(piece), f)) > 0;)
        dmpi_buf_add(&out, piece, n);
    assert_int_equal(pclose(f), 0);
    return dmpi_buf_steal(&out);
}

static void gnu_tar_reads_what_we_write(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf tar = DMPI_BUF_INIT(1 << 20);
    write_sample(&tar);
    char path[] = "/tmp/dockmpi-tar-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(dmpi_io_write_all(fd, tar.data, tar.len, &err), 0);
    close(fd);
    dmpi_autofree char *cmd =
        dmpi_xasprintf("TZ=UTC tar --numeric-owner --full-time -tvf '%s' 2>&1 | tr -s ' '", path);
    dmpi_autofree char *got = command_output(cmd);
    unlink(path);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf want = DMPI_BUF_INIT(1 << 20);
    dmpi_buf_adds(&want, "drwx------ 0/0 0 2023-11-14 22:13:20 etc/\n"
                         "-rw------- 5/6 7 1970-01-01 00:00:09 etc/key\n"
                         "-rwsr-xr-x 0/0 0 1970-01-01 00:00:00 etc/empty\n"
                         "lrwxrwxrwx 0/0 0 1970-01-01 00:00:00 l -> etc/key\n"
                         "h--------- 0/0 0 1970-01-01 00:00:00 h link to etc/key\n");
    dmpi_buf_addf(&want, "-rw-r--r-- 0/0 5 1970-01-01 00:00:00 %s\n", split_path);
    dmpi_buf_addf(&want, "-rw-r--r-- 3000000000/0 4 1969-12-31 23:59:55 %s\n", long_path);
    dmpi_buf_addf(&want, "drwxr-xr-x 0/0 0 1970-01-01 00:00:00 %s/\n", long_path);
    dmpi_buf_addf(&want, "lrwxrwxrwx 0/0 0 1970-01-01 00:00:00 m -> %s\n", long_link);
    assert_string_equal(got, dmpi_buf_str(&want));
}

// A folder with a file, a link of each kind and, where the format can hold it, a long path.
static void make_archive(struct dmpi_buf *tar, const char *format, bool longs)
{
    char dir[] = "/tmp/dockmpi-tar-XXXXXX";
    assert_non_null(mkdtemp(dir));
    dmpi_autofree char *cmd = dmpi_xasprintf(
        "cd '%s' && mkdir d && printf hello > d/f && ln -s f d/s && ln d/f d/h && chmod 640 d/f"
        " && L=$(printf '%%0150d' 0) && { [ %d = 0 ] || { mkdir $L && echo x > $L/$L; }; } &&"
        " tar --format=%s --sort=name --owner=%s --group=8 --numeric-owner"
        " --mtime=@1700000000.5 --exclude=./out.tar -cf out.tar .",
        dir, longs, format, longs ? "3000000000" : "7");
    assert_int_equal(system(cmd), 0);
    dmpi_autofree char *path = dmpi_io_join(dir, "out.tar");
    struct dmpi_err err = DMPI_ERR_INIT;
    assert_int_equal(dmpi_io_read_file(tar, path, 1 << 20, &err), 0);
    dmpi_autofree char *clean = dmpi_xasprintf("rm -rf '%s'", dir);
    assert_int_equal(system(clean), 0);
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in:\n%s", part, text);
}

static void we_read_what_gnu_tar_writes(void **state)
{
    (void)state;
    static const char *const formats[] = {"gnu", "pax", "ustar", "v7", "oldgnu"};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(formats); i++) {
        bool longs = i < 2;
        DMPI_AUTO(dmpi_buf_free) struct dmpi_buf tar = DMPI_BUF_INIT(1 << 20);
        make_archive(&tar, formats[i], longs);
        struct dmpi_err err = DMPI_ERR_INIT;
        DMPI_AUTO(dmpi_buf_free) struct dmpi_buf got = DMPI_BUF_INIT(1 << 20);
        if (list(&got, tar.data, tar.len, 100, &err) != 0)
            fail_msg("%s: %s", formats[i], err.msg);
        assert_contains(got.data, longs ? "0 ./d/f 640 3000000000:8 1700000000 5[hello]\n"
                                        : "0 ./d/f 640 7:8 1700000000 5[hello]\n");
        assert_contains(got.data, " 1700000000 0 -> ./d/f[]\n");
        assert_contains(got.data, " 1700000000 0 -> f[]\n");
        dmpi_autofree char *deep = dmpi_xasprintf("0 ./%0150d/%0150d 6", 0, 0);
        if (longs)
            assert_contains(got.data, deep);
    }
}

// --- what must be refused --------------------------------------------------------------------

// One member with a valid checksum after change() touched its header.
static void member(struct dmpi_buf *tar, char type, const char *data, size_t len,
                   void (*change)(struct dmpi_tar_header *h))
{
    struct dmpi_tar_header h = {.name = "name", .mode = "0000644", .typeflag = type};
    memcpy(h.magic, "ustar", 6);
    snprintf(h.size, sizeof(h.size), "%011o", (unsigned)len);
    if (change)
        change(&h);
    memset(h.chksum, ' ', sizeof(h.chksum));
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof(h); i++)
        sum += ((unsigned char *)&h)[i];
    snprintf(h.chksum, sizeof(h.chksum), "%06o", sum);
    dmpi_buf_add(tar, &h, sizeof(h));
    dmpi_buf_add(tar, data, len);
    while (tar->len % 512 != 0)
        dmpi_buf_addc(tar, '\0');
}

static void no_name(struct dmpi_tar_header *h)
{
    memset(h->name, 0, sizeof(h->name));
}

static void letters_as_size(struct dmpi_tar_header *h)
{
    memcpy(h->size, "12x45678901", 11);
}

static void negative_size(struct dmpi_tar_header *h)
{
    memset(h->size, 0xff, sizeof(h->size));
}

static void huge_size(struct dmpi_tar_header *h)
{
    memset(h->size, 0x7f, sizeof(h->size));
    h->size[0] = (char)0x80;
}

static void two_mib(struct dmpi_tar_header *h)
{
    memcpy(h->size, "00010000001", 12);
}

static void damaged_archives_are_refused(void **state)
{
    (void)state;
    static const struct {
        char type;
        const char *data;
        void (*change)(struct dmpi_tar_header *h);
        const char *part;
    } rows[] = {
        {'0', "", no_name, "no path"},
        {'0', "", letters_as_size, "bad number"},
        {'0', "", negative_size, "bad number"},
        {'0', "", huge_size, "bad number"},
        {'S', "", NULL, "sparse"},
        {'V', "", NULL, "unknown kind of entry 0x56"},
        {'x', "", two_mib, "larger than 1 MiB"},
        {'L', "", two_mib, "larger than 1 MiB"},
        {'x', "", negative_size, "bad number"},
        {'x', "12 path=ab\n", NULL, "bad pax"},
        {'x', "10 path=ab\n", NULL, "bad pax"},
        {'x', "99999999 path=ab\n", NULL, "bad pax"},
        {'x', "999999999999999999999 path=ab\n", NULL, "bad pax"},
        {'x', "3 \n", NULL, "bad pax"},
        {'x', "2 ", NULL, "bad pax"},
        {'x', "x", NULL, "bad pax"},
        {'x', "12 path-abc\n", NULL, "bad pax"},
        {'x', "9 size=x\n", NULL, "bad number"},
        {'x', "11 size=-1\n", NULL, "bad number"},
        {'x', "10 mtime=x\n", NULL, "bad pax"},
        {'x', "11 mtime=x\n", NULL, "bad time"},
        {'x', "22 GNU.sparse.major=1\n", NULL, "sparse"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        DMPI_AUTO(dmpi_buf_free) struct dmpi_buf tar = DMPI_BUF_INIT(1 << 20);
        DMPI_AUTO(dmpi_buf_free) struct dmpi_buf got = DMPI_BUF_INIT(1 << 20);
        struct dmpi_err err = DMPI_ERR_INIT;
        member(&tar, rows[i].type, rows[i].data, strlen(rows[i].data), rows[i].change);
        assert_int_equal(list(&got, tar.data, tar.len, 77, &err), -1);
        assert_int_equal(err.code, DMPI_EPARSE);
        assert_contains(err.msg, rows[i].part);
    }
}

static void a_changed_byte_breaks_the_checksum(void **state)
{
    (void)state;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf tar = DMPI_BUF_INIT(1 << 20);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf got = DMPI_BUF_INIT(1 << 20);
    struct dmpi_err err = DMPI_ERR_INIT;
    member(&tar, '0', "data", 4, NULL);
    tar.data[1] ^= 1;
    assert_int_equal(list(&got, tar.data, tar.len, 512, &err), -1);
    assert_contains(err.msg, "checksum");
}

static void an_end_inside_an_entry_is_noticed(void **state)
{
    (void)state;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf tar = DMPI_BUF_INIT(1 << 20);
    member(&tar, '0', "data", 4, NULL);
    for (size_t len = 1; len < tar.len; len += 101) {
        DMPI_AUTO(dmpi_buf_free) struct dmpi_buf got = DMPI_BUF_INIT(1 << 20);
        struct dmpi_err err = DMPI_ERR_INIT;
        assert_int_equal(list(&got, tar.data, len, 4096, &err), -1);
        assert_contains(err.msg, "ends in the middle");
    }
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf got = DMPI_BUF_INIT(1 << 20);
    struct dmpi_err err = DMPI_ERR_INIT;
    assert_int_equal(list(&got, tar.data, tar.len, 4096, &err), 0);
}

static void overrides_count_once_and_can_be_withdrawn(void **state)
{
    (void)state;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf tar = DMPI_BUF_INIT(1 << 20);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf got = DMPI_BUF_INIT(1 << 20);
    struct dmpi_err err = DMPI_ERR_INIT;
    static const char pax[] = "9 path=a\n14 mtime=-7.5\n14 comment=xy\n8 uid=9\n";
    static const char comment[] = "11 path=no\n"; // a global header is not ours
    member(&tar, 'g', comment, sizeof(comment) - 1, NULL);
    member(&tar, 'x', pax, sizeof(pax) - 1, NULL);
    member(&tar, '0', "1", 1, NULL);
    member(&tar, '0', "2", 1, NULL);
    member(&tar, 'L', "from-gnu", 9, NULL);
    member(&tar, 'x', "8 path=\n", 8, NULL);
    member(&tar, '7', "3", 1, NULL);
    if (list(&got, tar.data, tar.len, 600, &err) != 0)
        fail_msg("%s", err.msg);
    assert_string_equal(got.data, "0 a 644 9:0 -7 1[1]\n"
                                  "0 name 644 0:0 0 1[2]\n"
                                  "0 name 644 0:0 0 1[3]\n");
}

static void what_follows_the_end_is_ignored(void **state)
{
    (void)state;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf tar = DMPI_BUF_INIT(1 << 20);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf got = DMPI_BUF_INIT(1 << 20);
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_tar_writer w;
    dmpi_tar_writer_init(&w, dmpi_tar_write_buf, &tar);
    assert_int_equal(dmpi_tar_finish(&w, &err), 0);
    assert_int_equal(tar.len, 10240);
    dmpi_buf_adds(&tar, "this is no header");
    assert_int_equal(list(&got, tar.data, tar.len, 999, &err), 0);
    assert_int_equal(got.len, 0);
}

static void sizes_beyond_octal_survive(void **state)
{
    (void)state;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf tar = DMPI_BUF_INIT(1 << 20);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf got = DMPI_BUF_INIT(1 << 20);
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_tar_writer w;
    dmpi_tar_writer_init(&w, dmpi_tar_write_buf, &tar);
    struct dmpi_tar_entry e = {.path = "big", .type = '0', .mode = 0644, .size = 1ULL << 40};
    assert_int_equal(dmpi_tar_add(&w, &e, &err), 0);
    assert_int_equal(list(&got, tar.data, tar.len, 512, &err), -1); // its data is missing
    assert_string_equal(got.data, "0 big 644 0:0 0 1099511627776[");
}

// --- handlers, misuse, paths -----------------------------------------------------------------

static int refuse(const struct dmpi_tar_entry *e, void *arg, struct dmpi_err *err)
{
    (void)arg;
    return dmpi_err_set(err, DMPI_EDENIED, "no %s", e->path);
}

static int full(const void *data, size_t len, void *arg, struct dmpi_err *err)
{
    (void)data;
    (void)len;
    (void)arg;
    return dmpi_err_set(err, DMPI_ESYS, "disk full");
}

static void failures_of_handlers_come_through(void **state)
{
    (void)state;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf tar = DMPI_BUF_INIT(1 << 20);
    struct dmpi_err err = DMPI_ERR_INIT;
    member(&tar, '0', "data", 4, NULL);
    struct dmpi_tar_handler h = {.entry = refuse};
    struct dmpi_tar_reader r;
    dmpi_tar_reader_init(&r, &h);
    assert_int_equal(dmpi_tar_reader_feed(&r, tar.data, tar.len, &err), -1);
    assert_string_equal(err.msg, "no name");
    dmpi_tar_reader_free(&r);
    h = (struct dmpi_tar_handler){list_entry, full, NULL, &tar};
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf copy = DMPI_BUF_INIT(1 << 20);
    dmpi_buf_add(&copy, tar.data, tar.len);
    dmpi_tar_reader_init(&r, &h);
    assert_int_equal(dmpi_tar_reader_feed(&r, copy.data, copy.len, &err), -1);
    assert_int_equal(err.code, DMPI_ESYS);
    dmpi_tar_reader_free(&r);
    dmpi_tar_reader_free(NULL);
}

static void the_writer_refuses_misuse(void **state)
{
    (void)state;
    static const struct dmpi_tar_entry bad[] = {
        {.path = "", .type = '0'},
        {.path = NULL, .type = '0'},
        {.path = "a", .type = '3'},
        {.path = "a", .type = '\0'},
        {.path = "a", .type = '5', .size = 1},
    };
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf tar = DMPI_BUF_INIT(1 << 20);
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_tar_writer w;
    dmpi_tar_writer_init(&w, dmpi_tar_write_buf, &tar);
    for (size_t i = 0; i < DMPI_ARRAY_LEN(bad); i++)
        assert_int_equal(dmpi_tar_add(&w, &bad[i], &err), -1);
    assert_int_equal(tar.len, 0);
    struct dmpi_tar_entry e = {.path = "a", .type = '0', .size = 3};
    assert_int_equal(dmpi_tar_add(&w, &e, &err), 0);
    assert_int_equal(dmpi_tar_add(&w, &e, &err), -1);
    assert_int_equal(dmpi_tar_finish(&w, &err), -1);
    assert_int_equal(dmpi_tar_data(&w, "1234", 4, &err), -1);
    assert_int_equal(dmpi_tar_data(&w, "123", 3, &err), 0);
    assert_int_equal(dmpi_tar_finish(&w, &err), 0);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf small = DMPI_BUF_INIT(600);
    dmpi_tar_writer_init(&w, dmpi_tar_write_buf, &small);
    assert_int_equal(dmpi_tar_add_data(&w, &e, "123", &err), 0);
    assert_int_equal(dmpi_tar_finish(&w, &err), -1);
    assert_contains(err.msg, "too large");
}

static void paths_that_leave_are_unsafe(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "a/b", "./a", "a/", "..a/b..", "a/.../b", "."};
    static const char *const bad[] = {"",     "/",      "/a",      "..",  "../a",
                                      "a/..", "a/../b", "a//../b", "./.."};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(good); i++)
        assert_true(dmpi_tar_path_safe(good[i]));
    for (size_t i = 0; i < DMPI_ARRAY_LEN(bad); i++)
        assert_false(dmpi_tar_path_safe(bad[i]));
}

static void a_time_to_the_nanosecond(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_buf out DMPI_AUTO(dmpi_buf_free) = DMPI_BUF_INIT(1U << 20);
    struct dmpi_tar_writer w;
    dmpi_tar_writer_init(&w, dmpi_tar_write_buf, &out);
    struct dmpi_tar_entry entry = {.path = "a", .type = '0', .mode = 0644, .mtime = 1700000000};
    assert_int_equal(dmpi_tar_add(&w, &entry, &err), 0);
    assert_int_equal(out.len, 512); // without nanoseconds no extra header
    entry.mtime_ns = 120;
    assert_int_equal(dmpi_tar_add(&w, &entry, &err), 0);
    static const char record[] = "30 mtime=1700000000.000000120\n";
    assert_non_null(memmem(out.data, out.len, record, sizeof record - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_to_the_nanosecond),
        cmocka_unit_test(what_is_written_is_read_in_any_pieces),
        cmocka_unit_test(gnu_tar_reads_what_we_write),
        cmocka_unit_test(we_read_what_gnu_tar_writes),
        cmocka_unit_test(damaged_archives_are_refused),
        cmocka_unit_test(a_changed_byte_breaks_the_checksum),
        cmocka_unit_test(an_end_inside_an_entry_is_noticed),
        cmocka_unit_test(overrides_count_once_and_can_be_withdrawn),
        cmocka_unit_test(what_follows_the_end_is_ignored),
        cmocka_unit_test(sizes_beyond_octal_survive),
        cmocka_unit_test(failures_of_handlers_come_through),
        cmocka_unit_test(the_writer_refuses_misuse),
        cmocka_unit_test(paths_that_leave_are_unsafe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
