// SPDX-License-Identifier: MIT
/* Keys: made, written, read back, and understood by the real ssh-keygen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/mem.h"
#include "mesh/keys.h"

// RFC 8032, test 1.
static const unsigned char seed1[DMPI_KEY_BYTES] = {
    0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
    0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60};
static const unsigned char pub1[DMPI_KEY_BYTES] = {
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
    0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a};

static void test_from_seed(void **state)
{
    struct dmpi_key key;
    struct dmpi_err err;

    (void)state;
    assert_int_equal(dmpi_key_from_seed(&key, seed1, &err), 0);
    assert_memory_equal(key.pub, pub1, sizeof(pub1));
    dmpi_autofree char *line = dmpi_key_public_line(&key, "someone");
    assert_string_equal(line, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYj"
                              "Ja8CGmj3B1Ea someone");
}

static void test_make_differs(void **state)
{
    struct dmpi_key a;
    struct dmpi_key b;
    struct dmpi_err err;
    static const struct dmpi_key zero;

    (void)state;
    assert_int_equal(dmpi_key_make(&a, &err), 0);
    assert_int_equal(dmpi_key_make(&b, &err), 0);
    assert_memory_not_equal(&a, &b, sizeof(a));
    dmpi_key_wipe(&a);
    assert_memory_equal(&a, &zero, sizeof(a));
}

// Comments of every length, so that every amount of padding occurs.
static void test_round_trip(void **state)
{
    struct dmpi_err err;
    char comment[40] = "";

    (void)state;
    for (size_t n = 0; n < sizeof(comment) - 1; n++) {
        DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT_SECRET(4096);
        struct dmpi_key key;
        struct dmpi_key back;

        assert_int_equal(dmpi_key_make(&key, &err), 0);
        dmpi_key_openssh_private(&text, &key, comment);
        assert_false(text.overflow);
        assert_int_equal(dmpi_key_parse_private(&back, text.data, text.len, &err), 0);
        assert_memory_equal(&key, &back, sizeof(key));
        comment[n] = 'c';
    }
}

static void test_parse_refuses(void **state)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT_SECRET(4096);
    struct dmpi_key key;
    struct dmpi_err err;

    (void)state;
    assert_int_equal(dmpi_key_from_seed(&key, seed1, &err), 0);
    dmpi_key_openssh_private(&text, &key, "x");
    for (size_t cut = 0; cut + 1 < text.len; cut++) // cut off anywhere
        assert_int_equal(dmpi_key_parse_private(&key, text.data, cut, &err), -1);
    for (size_t at = 40; at < text.len - 40; at++) { // any character changed
        char old = text.data[at];

        if (old == '\n')
            continue;
        text.data[at] = old == 'A' ? 'B' : 'A';
        if (dmpi_key_parse_private(&key, text.data, text.len, &err) == 0)
            assert_memory_equal(key.pub, pub1,
                                sizeof(pub1)); // the comment or the first public half
        text.data[at] = old;
    }
    assert_int_equal(dmpi_key_parse_private(&key, "", 0, &err), -1);
    assert_int_equal(err.code, DMPI_EPARSE);
}

static char *output_of(const char *command)
{
    char line[1024] = "";
    FILE *f = popen(command, "r");

    assert_non_null(f);
    if (!fgets(line, sizeof(line), f))
        line[0] = '\0';
    assert_int_equal(pclose(f), 0);
    line[strcspn(line, "\n")] = '\0';
    return dmpi_xstrdup(line);
}

static void check_with_ssh_keygen(const char *path, const char *comment)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT_SECRET(4096);
    struct dmpi_key key;
    struct dmpi_err err;

    dmpi_autofree char *show = dmpi_xasprintf("ssh-keygen -y -P '' -f %s", path);
    assert_int_equal(dmpi_key_make(&key, &err), 0);
    dmpi_key_openssh_private(&text, &key, comment);
    assert_int_equal(dmpi_io_write_file_atomic(path, text.data, text.len, 0600, &err), 0);
    dmpi_autofree char *shown = output_of(show);
    dmpi_autofree char *line = dmpi_key_public_line(&key, comment);
    assert_string_equal(shown, line);
}

/* Other keys, and comments of every length of the padding that follows them. */
static void test_ssh_keygen_reads_ours(void **state)
{
    char dir[] = "/tmp/dockmpi-test-XXXXXX";

    (void)state;
    if (access("/usr/bin/ssh-keygen", X_OK) != 0)
        skip();
    assert_non_null(mkdtemp(dir));
    dmpi_autofree char *path = dmpi_xasprintf("%s/key", dir);
    for (size_t len = 0; len <= 9; len++) {
        dmpi_autofree char *comment = dmpi_xstrndup("a comment", len);
        if (len != 2) /* not one that ends in a space */
            check_with_ssh_keygen(path, comment);
    }
    unlink(path);
    rmdir(dir);
}

static void test_we_read_ssh_keygens(void **state)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT_SECRET(4096);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf public_text = DMPI_BUF_INIT(4096);
    char dir[] = "/tmp/dockmpi-test-XXXXXX";
    struct dmpi_key key;
    struct dmpi_err err;

    (void)state;
    if (access("/usr/bin/ssh-keygen", X_OK) != 0)
        skip();
    assert_non_null(mkdtemp(dir));
    dmpi_autofree char *path = dmpi_xasprintf("%s/key", dir);
    dmpi_autofree char *public_path = dmpi_xasprintf("%s.pub", path);
    dmpi_autofree char *make =
        dmpi_xasprintf("ssh-keygen -q -t ed25519 -N '' -C theirs -f %s", path);
    free(output_of(make));
    assert_int_equal(dmpi_io_read_file(&text, path, 4096, &err), 0);
    assert_int_equal(dmpi_io_read_file(&public_text, public_path, 4096, &err), 0);
    unlink(path);
    unlink(public_path);
    rmdir(dir);
    assert_int_equal(dmpi_key_parse_private(&key, text.data, text.len, &err), 0);
    dmpi_autofree char *line = dmpi_key_public_line(&key, "theirs");
    public_text.data[strcspn(public_text.data, "\n")] = '\0';
    assert_string_equal(public_text.data, line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_seed),
        cmocka_unit_test(test_make_differs),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_ssh_keygen_reads_ours),
        cmocka_unit_test(test_we_read_ssh_keygens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
