// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/shquote.h"

static void plain_words_stay_readable(void **state)
{
    (void)state;
    static const struct {
        const char *arg, *want;
    } rows[] = {
        {"abc", "abc"},       {"a/b-c_d.e:f,g@h%i+j=k", "a/b-c_d.e:f,g@h%i+j=k"},
        {"", "''"},           {"a b", "'a b'"},
        {"$HOME", "'$HOME'"}, {"it's", "'it'\\''s'"},
        {"*", "'*'"},         {"~", "'~'"},
        {"a\nb", "'a\nb'"},   {"'", "''\\'''"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        dmpi_autofree char *got = dmpi_shquote(rows[i].arg);
        assert_string_equal(got, rows[i].want);
    }
}

// What the shell makes of line, each word ended by a newline and a bar.
static void shell_words(const char *line, struct dmpi_buf *out)
{
    dmpi_autofree char *cmd = dmpi_xasprintf("printf '%%s\\n|' %s", line);
    FILE *f = popen(cmd, "r");
    assert_non_null(f);
    char piece[512];
    for (size_t n; (n = fread(piece, 1, sizeof(piece), f)) > 0;)
        dmpi_buf_add(out, piece, n);
    assert_int_equal(pclose(f), 0);
}

static void check_round_trip(const struct dmpi_strv *argv)
{
    dmpi_autofree char *line = dmpi_shquote_argv(argv);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf got = DMPI_BUF_INIT(1 << 20);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf want = DMPI_BUF_INIT(1 << 20);
    for (size_t i = 0; i < argv->n; i++)
        dmpi_buf_addf(&want, "%s\n|", argv->v[i]);
    shell_words(line, &got);
    assert_int_equal(got.len, want.len);
    assert_memory_equal(got.data, want.data, want.len);
}

static void the_shell_gives_back_every_byte(void **state)
{
    (void)state;
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv argv = DMPI_STRV_INIT;
    for (int c = 1; c < 256; c++) {
        dmpi_strv_addf(&argv, "%c", c);
        dmpi_strv_addf(&argv, "a%c", c);
        dmpi_strv_addf(&argv, "%c%c'", c, c);
    }
    dmpi_strv_add(&argv, "");
    dmpi_strv_add(&argv, "$(exit 3) `exit 4` ${HOME} \\ \" ' ! # ; & | < > ( ) { } [ ] * ? ~ \n\t");
    check_round_trip(&argv);
}

static void the_shell_gives_back_random_words(void **state)
{
    (void)state;
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv argv = DMPI_STRV_INIT;
    for (int i = 0; i < 300; i++) {
        unsigned char word[20];
        dmpi_random_bytes(word, sizeof(word));
        for (size_t k = 0; k < sizeof(word); k++)
            word[k] = word[k] % 3 == 0 ? (unsigned char)"'\\$\"` \n"[word[k] % 7] : word[k] | 1;
        word[word[0] % sizeof(word)] = '\0';
        dmpi_strv_add(&argv, (const char *)word);
    }
    check_round_trip(&argv);
}

static void first_word_cannot_become_an_assignment(void **state)
{
    (void)state;
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv argv = DMPI_STRV_INIT;
    dmpi_strv_add(&argv, "PATH=/evil");
    dmpi_strv_add(&argv, "a=b");
    dmpi_autofree char *line = dmpi_shquote_argv(&argv);
    assert_string_equal(line, "'PATH=/evil' a=b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_words_stay_readable),
        cmocka_unit_test(the_shell_gives_back_every_byte),
        cmocka_unit_test(the_shell_gives_back_random_words),
        cmocka_unit_test(first_word_cannot_become_an_assignment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
