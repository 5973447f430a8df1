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
#include "base/io.h"
#include "base/mem.h"
#include "job/extract.h"
#include "job/pack.h"
#include "job/walk.h"

// A folder of its own for each test: base/in is extracted into, base/secret must stay as it is.
static char base[] = "/tmp/dockmpi-test-XXXXXX";

static int make_base(void **state)
{
    (void)state;
    strcpy(base + strlen(base) - 6, "XXXXXX");
    assert_non_null(mkdtemp(base));
    assert_int_equal(chdir(base), 0);
    assert_int_equal(mkdir("in", 0755), 0);
    assert_int_equal(mkdir("outside", 0755), 0);
    struct dmpi_err err;
    return dmpi_io_write_file_atomic("secret", "keep", 4, 0600, &err);
}

static int drop_base(void **state)
{
    (void)state;
    dmpi_autofree char *command = dmpi_xasprintf("chmod -R u+rwx %s; rm -rf %s", base, base);
    assert_int_equal(chdir("/"), 0);
    return system(command);
}

static char *slurp(const char *path)
{
    struct dmpi_buf out = DMPI_BUF_INIT(1 << 20);
    struct dmpi_err err;
    if (dmpi_io_read_file(&out, path, 1 << 20, &err) < 0)
        fail_msg("%s", err.msg);
    return dmpi_buf_steal(&out);
}

struct row {
    const char *title;
    struct dmpi_tar_entry entries[4];
    const char *want; // part of the error
};

static struct dmpi_buf archive_of(const struct dmpi_tar_entry *entries, size_t n)
{
    struct dmpi_buf out = DMPI_BUF_INIT(1 << 20);
    struct dmpi_tar_writer w;
    struct dmpi_err err;
    dmpi_tar_writer_init(&w, dmpi_tar_write_buf, &out);
    for (size_t i = 0; i < n && entries[i].path; i++) {
        assert_int_equal(dmpi_tar_add(&w, &entries[i], &err), 0);
        for (uint64_t left = entries[i].size; left > 0; left--)
            assert_int_equal(dmpi_tar_data(&w, "x", 1, &err), 0);
    }
    assert_int_equal(dmpi_tar_finish(&w, &err), 0);
    return out;
}

static int extract(const struct dmpi_buf *tar, const char *top, const char *as, size_t piece,
                   struct dmpi_err *err)
{
    struct dmpi_extract x;
    int rc = dmpi_extract_open(&x, "in", top, as, err);
    for (size_t at = 0; at < tar->len && rc == 0; at += piece)
        rc = dmpi_extract_feed(&x, tar->data + at, tar->len - at < piece ? tar->len - at : piece,
                               err);
    if (rc == 0)
        rc = dmpi_extract_finish(&x, err);
    dmpi_extract_free(&x);
    return rc;
}

#define FILE_ENTRY(name, bytes)                                                                    \
    {                                                                                              \
        .path = (name), .type = DMPI_TAR_FILE, .mode = 0644, .size = (bytes), .mtime = 1000        \
    }
#define DIR_ENTRY(name)                                                                            \
    {                                                                                              \
        .path = (name), .type = DMPI_TAR_DIR, .mode = 0755, .mtime = 1000                          \
    }
#define LINK_ENTRY(name, to)                                                                       \
    {                                                                                              \
        .path = (name), .type = DMPI_TAR_SYMLINK, .mode = 0777, .linkname = (to)                   \
    }
#define HARD_ENTRY(name, to)                                                                       \
    {                                                                                              \
        .path = (name), .type = DMPI_TAR_HARDLINK, .mode = 0644, .linkname = (to)                  \
    }

static void refuses_hostile_archives(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"absolute", {FILE_ENTRY("/x/evil", 1)}, "leads outside"},
        {"dot dot", {FILE_ENTRY("x/../../evil", 1)}, "leads outside"},
        {"other name", {FILE_ENTRY("y/evil", 1)}, "something else than 'x'"},
        {"name with the same beginning", {FILE_ENTRY("xx/evil", 1)}, "something else than 'x'"},
        {"link, then through it",
         {DIR_ENTRY("x"), LINK_ENTRY("x/l", "../../outside"), FILE_ENTRY("x/l/evil", 1)},
         "links are not followed"},
        {"link in the place of the top",
         {LINK_ENTRY("x", "../outside"), FILE_ENTRY("x/evil", 1)},
         "links are not followed"},
        {"folder over a link",
         {DIR_ENTRY("x"), LINK_ENTRY("x/l", "../../outside"), DIR_ENTRY("x/l")},
         "no folder"},
        {"hard link to the outside",
         {DIR_ENTRY("x"), HARD_ENTRY("x/h", "x/../../secret")},
         "leads outside"},
        {"hard link to an absolute path",
         {DIR_ENTRY("x"), HARD_ENTRY("x/h", "/etc/passwd")},
         "leads outside"},
        {"hard link through a link",
         {DIR_ENTRY("x"), LINK_ENTRY("x/l", "../.."), HARD_ENTRY("x/h", "x/l/secret")},
         "links are not followed"},
        {"hard link to a link",
         {DIR_ENTRY("x"), LINK_ENTRY("x/l", "../../secret"), HARD_ENTRY("x/h", "x/l")},
         "which is no file"},
        {"file over a folder",
         {DIR_ENTRY("x"), DIR_ENTRY("x/d"), FILE_ENTRY("x/d", 1)},
         "is a folder"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        struct dmpi_buf tar DMPI_AUTO(dmpi_buf_free) = archive_of(rows[i].entries, 4);
        assert_int_equal(system("rm -rf in && mkdir in"), 0);
        if (extract(&tar, "x", "x", 1000, &err) == 0)
            fail_msg("%s: not refused", rows[i].title);
        if (!strstr(err.msg, rows[i].want))
            fail_msg("%s: %s", rows[i].title, err.msg);
        dmpi_autofree char *secret = slurp("secret");
        assert_string_equal(secret, "keep");
        assert_int_equal(system("test -z \"$(ls -A outside)\""), 0);
    }
}

static void refuses_devices(void **state)
{
    (void)state;
    // The writer makes none: the type of an empty file is changed, and its checksum.
    static const char types[] = "346";
    for (const char *t = types; *t; t++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        const struct dmpi_tar_entry entry = FILE_ENTRY("x", 0);
        struct dmpi_buf tar DMPI_AUTO(dmpi_buf_free) = archive_of(&entry, 1);
        unsigned sum = (unsigned)strtoul(tar.data + 148, NULL, 8) + (unsigned)(*t - '0');
        tar.data[156] = *t;
        snprintf(tar.data + 148, 7, "%06o", sum);
        assert_int_equal(extract(&tar, "x", "x", 512, &err), -1);
        assert_non_null(strstr(err.msg, "device or named pipe"));
    }
}

static void replaces_what_is_there(void **state)
{
    (void)state;
    static const struct dmpi_tar_entry entries[] = {DIR_ENTRY("x"), FILE_ENTRY("x/f", 3),
                                                    FILE_ENTRY("x/l", 2), HARD_ENTRY("x/h", "x/f")};
    struct dmpi_err err = DMPI_ERR_INIT;
    assert_int_equal(system("mkdir in/x && echo old >in/x/f && ln -s ../../secret in/x/l && "
                            "ln in/x/f in/keeps"),
                     0);
    struct dmpi_buf tar DMPI_AUTO(dmpi_buf_free) = archive_of(entries, 4);
    if (extract(&tar, "x", "x", 7, &err) < 0 || extract(&tar, "x", "x", 7, &err) < 0)
        fail_msg("%s", err.msg);
    dmpi_autofree char *f = slurp("in/x/f"), *l = slurp("in/x/l"), *h = slurp("in/x/h");
    dmpi_autofree char *old = slurp("in/keeps"), *secret = slurp("secret");
    assert_string_equal(f, "xxx");
    assert_string_equal(l, "xx");
    assert_string_equal(h, "xxx");
    assert_string_equal(old, "old\n"); // replaced by a new file, not written into
    assert_string_equal(secret, "keep");
    assert_int_equal(system("test $(ls -A in/x | wc -l) = 3"), 0); // nothing temporary
}

// As root, cp to /dev/null would otherwise take it away from the whole machine.
static void keeps_what_is_no_file(void **state)
{
    (void)state;
    static const struct dmpi_tar_entry entries[] = {FILE_ENTRY("x", 3)};
    static const char *const made[] = {"mkfifo in/x", "ln -s /dev/null in/x",
                                       "ln -s /proc/self/fd/1 in/x"};
    struct dmpi_buf tar DMPI_AUTO(dmpi_buf_free) = archive_of(entries, 1);
    for (size_t i = 0; i < DMPI_ARRAY_LEN(made); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        struct stat before, after;
        assert_int_equal(system(made[i]), 0);
        assert_int_equal(lstat("in/x", &before), 0);
        assert_int_equal(extract(&tar, "x", "x", 7, &err), -1);
        assert_non_null(strstr(err.msg, "device, pipe or socket"));
        assert_int_equal(lstat("in/x", &after), 0);
        assert_int_equal(after.st_ino, before.st_ino);
        assert_int_equal(system("test $(ls -A in | wc -l) = 1 && rm in/x"), 0);
    }
}

static void drops_set_user_id(void **state)
{
    (void)state;
    struct dmpi_tar_entry entry = FILE_ENTRY("x", 1);
    entry.mode = 07755;
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_buf tar DMPI_AUTO(dmpi_buf_free) = archive_of(&entry, 1);
    assert_int_equal(extract(&tar, "x", "y", 512, &err), 0);
    struct stat st;
    assert_int_equal(stat("in/y", &st), 0);
    assert_int_equal(st.st_mode & 07777, 01755);
    assert_int_equal(st.st_mtime, 1000);
}

static void honours_umask(void **state)
{
    (void)state;
    struct dmpi_tar_entry entry = FILE_ENTRY("x", 1);
    entry.mode = 0777;
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_buf tar DMPI_AUTO(dmpi_buf_free) = archive_of(&entry, 1);
    mode_t before = umask(027);
    int rc = extract(&tar, "x", "masked", 512, &err);
    umask(before);
    assert_int_equal(rc, 0);
    struct stat st;
    assert_int_equal(stat("in/masked", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0750);
    assert_int_equal(unlink("in/masked"), 0);
}

static void leaves_nothing_incomplete(void **state)
{
    (void)state;
    static const struct dmpi_tar_entry entry = FILE_ENTRY("x", 5000);
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_buf tar DMPI_AUTO(dmpi_buf_free) = archive_of(&entry, 1);
    tar.len = 2000;
    assert_int_equal(extract(&tar, "x", "x", 512, &err), -1);
    assert_int_not_equal(access("in/x", F_OK), 0);
    assert_int_equal(system("echo old >in/x"), 0);
    assert_int_equal(extract(&tar, "x", "x", 512, &err), -1);
    dmpi_autofree char *old = slurp("in/x");
    assert_string_equal(old, "old\n");
    assert_int_equal(system("test $(ls -A in | wc -l) = 1"), 0);
}

static int next_walked(void *arg, struct dmpi_pack_item *item, struct dmpi_err *err)
{
    struct dmpi_walk *w = arg;
    int rc = dmpi_walk_next(w, err);
    if (rc > 0)
        *item = (struct dmpi_pack_item){.path = dmpi_buf_str(&w->path),
                                        .dirfd = w->dirfd,
                                        .name = w->name,
                                        .st = w->st,
                                        .follow = w->depth == 0 && w->follow};
    return rc;
}

// Packs local as "x" into out, read in odd pieces.
static int pack(struct dmpi_buf *out, const char *local, struct dmpi_err *err)
{
    struct dmpi_walk w;
    struct dmpi_pack p;
    dmpi_walk_init(&w, local, "x", true, false);
    dmpi_pack_init(&p, next_walked, &w);
    struct dmpi_source source = dmpi_pack_source(&p);
    char piece[997];
    ssize_t n;
    while ((n = source.read(source.arg, piece, sizeof(piece), err)) > 0)
        dmpi_buf_add(out, piece, (size_t)n);
    dmpi_pack_free(&p);
    dmpi_walk_free(&w);
    return (int)n;
}

static const char make_tree[] =
    "set -e; n=$(printf '%0200d' 0); mkdir -p src/empty src/sub src/$n/$n; cd src\n"
    "echo long >$n/$n/$n; : >zero; head -c 300000 /dev/urandom >sub/data\n"
    "truncate -s 1000000 sparse; echo x >'a b\n\"$c'; echo y >-dash; ln -s sub/data link\n"
    "ln -s /nowhere dangling; chmod 711 sub; chmod 400 zero; chmod 500 empty\n"
    "touch -d @1000000000 empty zero sub\n";

static const char compare_tree[] =
    "diff -r --no-dereference src in/new && cd src && find . -printf '%p %y %m %l %Ts\\n' | sort "
    ">../one && cd ../in/new && find . -printf '%p %y %m %l %Ts\\n' | sort | diff ../../one -";

static void round_trip(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_buf tar DMPI_AUTO(dmpi_buf_free) = DMPI_BUF_INIT(8 << 20);
    assert_int_equal(system(make_tree), 0);
    if (pack(&tar, "src", &err) < 0 || extract(&tar, "x", "new", 1013, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(system(compare_tree), 0);
}

static void content_goes_into_the_folder(void **state)
{
    (void)state;
    static const struct dmpi_tar_entry entries[] = {DIR_ENTRY("./"), FILE_ENTRY("./f", 3)};
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_buf tar DMPI_AUTO(dmpi_buf_free) = archive_of(entries, 2);
    if (extract(&tar, ".", "", 512, &err) < 0 || extract(&tar, ".", "as", 512, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(access("in/f", F_OK), 0);
    assert_int_equal(access("in/as/f", F_OK), 0);
    struct stat st;
    assert_int_equal(stat("in", &st), 0);
    assert_int_not_equal(st.st_mtime, 1000); // the user's folder stays as it is
}

static void walk_refuses_what_is_no_file(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_buf tar DMPI_AUTO(dmpi_buf_free) = DMPI_BUF_INIT(1 << 20);
    assert_int_equal(system("mkdir src && mkfifo src/pipe"), 0);
    assert_int_equal(pack(&tar, "src", &err), -1);
    assert_non_null(strstr(err.msg, "x/pipe is a named pipe"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(refuses_hostile_archives, make_base, drop_base),
        cmocka_unit_test_setup_teardown(refuses_devices, make_base, drop_base),
        cmocka_unit_test_setup_teardown(replaces_what_is_there, make_base, drop_base),
        cmocka_unit_test_setup_teardown(keeps_what_is_no_file, make_base, drop_base),
        cmocka_unit_test_setup_teardown(drops_set_user_id, make_base, drop_base),
        cmocka_unit_test_setup_teardown(honours_umask, make_base, drop_base),
        cmocka_unit_test_setup_teardown(leaves_nothing_incomplete, make_base, drop_base),
        cmocka_unit_test_setup_teardown(round_trip, make_base, drop_base),
        cmocka_unit_test_setup_teardown(content_goes_into_the_folder, make_base, drop_base),
        cmocka_unit_test_setup_teardown(walk_refuses_what_is_no_file, make_base, drop_base),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
