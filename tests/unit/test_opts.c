// SPDX-License-Identifier: MIT
/* Option tables: what is accepted, what is refused and with which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../cmd/dockmpi/opts.h"
#include "base/mem.h"

struct sample {
    bool flag, other;
    const char *text;
    long long number;
    struct dmpi_strv list, pairs;
    int64_t size, time;
};

static const struct dmpi_opt table[] = {
    {"flag", 'x', DMPI_OPT_FLAG, offsetof(struct sample, flag), NULL, "a flag", 0, 0},
    {"other", 'y', DMPI_OPT_FLAG, offsetof(struct sample, other), NULL, "another", 0, 0},
    {"text", 't', DMPI_OPT_STR, offsetof(struct sample, text), "TEXT", "some text", 0, 0},
    {"number", 'n', DMPI_OPT_INT, offsetof(struct sample, number), "N", "a number", 1, 10},
    {"list", 0, DMPI_OPT_LIST, offsetof(struct sample, list), "ITEM", "items", 0, 0},
    {"pair", 0, DMPI_OPT_PAIR, offsetof(struct sample, pairs), "K V", "pairs", 0, 0},
    {"size", 0, DMPI_OPT_SIZE, offsetof(struct sample, size), "SIZE", "bytes", 0, 0},
    {"time", 0, DMPI_OPT_DURATION, offsetof(struct sample, time), "TIME", "how long", 0, 0},
    {0},
};
static const struct dmpi_opt *const tables[] = {table};

static int parse(struct sample *s, struct dmpi_strv *operands, enum dmpi_operands how,
                 const char *const *words, struct dmpi_err *err)
{
    *s = (struct sample){0};
    *operands = (struct dmpi_strv){0};
    return dmpi_opts_parse(s, operands, tables, 1, how, (char *const *)words, err);
}

static void release(struct sample *s, struct dmpi_strv *operands)
{
    dmpi_opts_free(s, tables, 1);
    dmpi_strv_free(operands);
}

static void every_kind(void **state)
{
    (void)state;
    const char *words[] = {"-x",       "--text=a=b", "-n7", "--list", "1",      "op",
                           "--list=2", "--pair",     "k",   "v",      "--size", "64k",
                           "--time",   "2m",         "--",  "-y",     NULL};
    struct sample s;
    struct dmpi_strv operands;
    struct dmpi_err err = DMPI_ERR_INIT;
    assert_int_equal(parse(&s, &operands, DMPI_MIXED, words, &err), 0);
    assert_true(s.flag);
    assert_false(s.other);
    assert_string_equal(s.text, "a=b");
    assert_int_equal(s.number, 7);
    assert_int_equal(s.list.n, 2);
    assert_string_equal(s.list.v[1], "2");
    assert_int_equal(s.pairs.n, 2);
    assert_string_equal(s.pairs.v[1], "v");
    assert_int_equal(s.size, 64 * 1024);
    assert_int_equal(s.time, 120 * 1000);
    assert_int_equal(operands.n, 2);
    assert_string_equal(operands.v[0], "op");
    assert_string_equal(operands.v[1], "-y");
    release(&s, &operands);
}

static void dashes_are_no_value(void **state)
{
    (void)state;
    static const char *const rows[][5] = {{"--text", "--", "a"},
                                          {"-t", "--"},
                                          {"-xt", "--"},
                                          {"--pair", "k", "--", "a"},
                                          {"--pair", "--", "k", "a"}};
    struct sample s;
    struct dmpi_strv operands;
    struct dmpi_err err = DMPI_ERR_INIT;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        if (parse(&s, &operands, DMPI_MIXED, rows[i], &err) != -1 || err.code != DMPI_EINVAL ||
            !strstr(err.msg, ": the -- after it ends the options and is no value"))
            fail_msg("row %zu: %s", i, err.msg);
        release(&s, &operands);
    }
    const char *meant[] = {"--text=--", NULL};
    assert_int_equal(parse(&s, &operands, DMPI_MIXED, meant, &err), 0);
    assert_string_equal(s.text, "--");
    release(&s, &operands);
}

static void short_cluster(void **state)
{
    (void)state;
    const char *words[] = {"-xyt", "word", NULL};
    struct sample s;
    struct dmpi_strv operands;
    struct dmpi_err err = DMPI_ERR_INIT;
    assert_int_equal(parse(&s, &operands, DMPI_MIXED, words, &err), 0);
    assert_true(s.flag && s.other);
    assert_string_equal(s.text, "word");
    release(&s, &operands);
}

/* The program's own options belong to the program. */
static void first_operand_stops(void **state)
{
    (void)state;
    static const struct {
        const char *words[6];
        const char *operands[5];
        int dashes_first;
    } rows[] = {
        {{"-x", "job", "-y", "--unknown", NULL}, {"job", "-y", "--unknown", NULL}, 0},
        {{"-x", "job", "--", "3", "1", NULL}, {"job", "--", "3", "1", NULL}, 0},
        {{"-x", "--", "prog", "-y", NULL}, {"prog", "-y", NULL}, 1},
        {{"-x", "--", "prog", "--", "a", NULL}, {"prog", "--", "a", NULL}, 1},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct sample s;
        struct dmpi_strv operands;
        struct dmpi_err err = DMPI_ERR_INIT;
        assert_int_equal(parse(&s, &operands, DMPI_FIRST_STOPS, rows[i].words, &err),
                         rows[i].dashes_first);
        assert_true(s.flag);
        assert_false(s.other);
        size_t n = 0;
        for (; rows[i].operands[n]; n++)
            assert_string_equal(operands.v[n], rows[i].operands[n]);
        assert_int_equal(operands.n, n);
        release(&s, &operands);
    }
}

static void refusals(void **state)
{
    (void)state;
    static const struct {
        const char *words[3];
        const char *text;
    } rows[] = {
        {{"--flagg", NULL}, "did you mean --flag?"},
        {{"--zzzzzzzz", NULL}, "unknown option --zzzzzzzz"},
        {{"-q", NULL}, "unknown option -q"},
        {{"--flag=1", NULL}, "takes no value"},
        {{"--text", NULL}, "--text needs a value: TEXT"},
        {{"-t", NULL}, "--text needs a value"},
        {{"--number", "0", NULL}, "from 1 to 10"},
        {{"--number", "7x", NULL}, "from 1 to 10"},
        {{"--number", "99999999999999999999", NULL}, "from 1 to 10"},
        {{"--pair", "k", NULL}, "takes two values"},
        {{"--size", "much", NULL}, "--size"},
        {{"--time", "soon", NULL}, "--time"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct sample s;
        struct dmpi_strv operands;
        struct dmpi_err err = DMPI_ERR_INIT;
        assert_int_equal(parse(&s, &operands, DMPI_MIXED, rows[i].words, &err), -1);
        assert_int_equal(err.code, DMPI_EINVAL);
        if (!strstr(err.msg, rows[i].text))
            fail_msg("%s: '%s' is not in '%s'", rows[i].words[0], rows[i].text, err.msg);
        release(&s, &operands);
    }
}

static void help_is_aligned(void **state)
{
    (void)state;
    dmpi_autofree char *help = dmpi_opts_help(table);
    assert_non_null(strstr(help, "  -x, --flag                    a flag\n"));
    assert_non_null(strstr(help, "      --list ITEM               items\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind),    cmocka_unit_test(dashes_are_no_value),
        cmocka_unit_test(short_cluster), cmocka_unit_test(first_operand_stops),
        cmocka_unit_test(refusals),      cmocka_unit_test(help_is_aligned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
