// SPDX-License-Identifier: MIT
#include "opts.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"

/* A cursor over argv and what it fills. */
struct parse {
    char *base;
    const struct dmpi_opt *const *tables;
    size_t n_tables;
    char *const *arg;
    struct dmpi_err *err;
};

static const struct dmpi_opt *find_long(const struct parse *p, const char *name, size_t len)
{
    for (size_t t = 0; t < p->n_tables; t++)
        for (const struct dmpi_opt *o = p->tables[t]; o->name; o++)
            if (strlen(o->name) == len && strncmp(o->name, name, len) == 0)
                return o;
    return NULL;
}

static const struct dmpi_opt *find_short(const struct parse *p, char letter)
{
    for (size_t t = 0; t < p->n_tables; t++)
        for (const struct dmpi_opt *o = p->tables[t]; o->name; o++)
            if (o->letter == letter)
                return o;
    return NULL;
}

static int store_number(struct parse *p, const struct dmpi_opt *o, const char *value)
{
    long long number;
    if (dmpi_text_int(&number, value, o->min, o->max) == 0) {
        *(long long *)(void *)(p->base + o->offset) = number;
        return 0;
    }
    if (o->max >= INT32_MAX)
        return dmpi_err_set(p->err, DMPI_EINVAL,
                            "--%s %s: a whole number of at least %lld is wanted", o->name, value,
                            o->min);
    return dmpi_err_set(p->err, DMPI_EINVAL, "--%s %s: a whole number from %lld to %lld is wanted",
                        o->name, value, o->min, o->max);
}

/* `--` ends the options: taken for a value, it would be missed where it was meant. */
static bool is_end(const char *word)
{
    return strcmp(word, "--") == 0;
}

static int no_value(struct parse *p, const struct dmpi_opt *o)
{
    return dmpi_err_set(p->err, DMPI_EINVAL,
                        "--%s %s: the -- after it ends the options and is no value", o->name,
                        o->meta);
}

static int store(struct parse *p, const struct dmpi_opt *o, const char *value)
{
    void *at = p->base + o->offset;
    switch (o->kind) {
    case DMPI_OPT_FLAG:
        *(bool *)at = true;
        return 0;
    case DMPI_OPT_STR:
        *(const char **)at = value;
        return 0;
    case DMPI_OPT_INT:
        return store_number(p, o, value);
    case DMPI_OPT_LIST:
        dmpi_strv_add(at, value);
        return 0;
    case DMPI_OPT_PAIR:
        if (p->arg[1] && is_end(p->arg[1]))
            return no_value(p, o);
        if (!p->arg[1])
            return dmpi_err_set(p->err, DMPI_EINVAL, "--%s takes two values: %s", o->name, o->meta);
        dmpi_strv_add(at, value);
        dmpi_strv_add(at, *++p->arg);
        return 0;
    case DMPI_OPT_SIZE:
        if (dmpi_text_size(at, value, p->err) < 0)
            return dmpi_err_wrap(p->err, "--%s", o->name);
        return 0;
    case DMPI_OPT_DURATION:
        if (dmpi_text_duration(at, value, p->err) < 0)
            return dmpi_err_wrap(p->err, "--%s", o->name);
        return 0;
    }
    return 0;
}

/* Reads the value of `o`: `inline_value`, or the next word. */
static int take(struct parse *p, const struct dmpi_opt *o, const char *inline_value)
{
    if (o->kind == DMPI_OPT_FLAG) {
        if (inline_value)
            return dmpi_err_set(p->err, DMPI_EINVAL, "--%s takes no value", o->name);
        return store(p, o, NULL);
    }
    if (inline_value)
        return store(p, o, inline_value);
    if (!p->arg[1])
        return dmpi_err_set(p->err, DMPI_EINVAL, "--%s needs a value: %s", o->name, o->meta);
    if (is_end(p->arg[1]))
        return no_value(p, o);
    p->arg++;
    return store(p, o, *p->arg);
}

static int unknown_long(const struct parse *p, const char *word)
{
    struct dmpi_strv names = {0};
    for (size_t t = 0; t < p->n_tables; t++)
        for (const struct dmpi_opt *o = p->tables[t]; o->name; o++)
            dmpi_strv_add(&names, o->name);
    const char *near = dmpi_text_suggest(word, (const char *const *)names.v);
    if (near)
        dmpi_err_set(p->err, DMPI_EINVAL, "unknown option --%s; did you mean --%s?", word, near);
    else
        dmpi_err_set(p->err, DMPI_EINVAL, "unknown option --%s", word);
    dmpi_strv_free(&names);
    return -1;
}

static int parse_long(struct parse *p, const char *word)
{
    const char *equals = strchr(word, '=');
    size_t len = equals ? (size_t)(equals - word) : strlen(word);
    const struct dmpi_opt *o = find_long(p, word, len);
    if (!o) {
        dmpi_autofree char *name = dmpi_xstrndup(word, len);
        return unknown_long(p, name);
    }
    return take(p, o, equals ? equals + 1 : NULL);
}

/* A cluster of short options, the last of which may have its value attached: -dv, -fFILE. */
static int parse_short(struct parse *p, const char *letters)
{
    for (; *letters; letters++) {
        const struct dmpi_opt *o = find_short(p, *letters);
        if (!o)
            return dmpi_err_set(p->err, DMPI_EINVAL, "unknown option -%c", *letters);
        if (o->kind == DMPI_OPT_FLAG) {
            store(p, o, NULL);
            continue;
        }
        return take(p, o, letters[1] ? letters + 1 : NULL);
    }
    return 0;
}

int dmpi_opts_parse(void *into, struct dmpi_strv *operands, const struct dmpi_opt *const *tables,
                    size_t n, enum dmpi_operands how, char *const *argv, struct dmpi_err *err)
{
    struct parse p = {into, tables, n, argv, err};
    bool options = true, dashes_first = false;
    for (; *p.arg; p.arg++) {
        const char *word = *p.arg;
        int rc = 0;
        if (options && strcmp(word, "--") == 0) {
            options = false;
            dashes_first = operands->n == 0;
        } else if (options && strncmp(word, "--", 2) == 0) {
            rc = parse_long(&p, word + 2);
        } else if (options && word[0] == '-' && word[1]) {
            rc = parse_short(&p, word + 1);
        } else {
            dmpi_strv_add(operands, word);
            if (how == DMPI_FIRST_STOPS)
                break;
        }
        if (rc < 0)
            return -1;
    }
    if (*p.arg)
        while (*++p.arg)
            dmpi_strv_add(operands, *p.arg);
    return dashes_first;
}

void dmpi_opts_free(void *into, const struct dmpi_opt *const *tables, size_t n)
{
    for (size_t t = 0; t < n; t++)
        for (const struct dmpi_opt *o = tables[t]; o->name; o++)
            if (o->kind == DMPI_OPT_LIST || o->kind == DMPI_OPT_PAIR)
                dmpi_strv_free((void *)((char *)into + o->offset));
}

static char *left_column(const struct dmpi_opt *o)
{
    dmpi_autofree char *letter =
        o->letter ? dmpi_xasprintf("-%c, ", o->letter) : dmpi_xstrdup("    ");
    return dmpi_xasprintf("  %s--%s%s%s", letter, o->name, o->meta ? " " : "",
                          o->meta ? o->meta : "");
}

char *dmpi_opts_help(const struct dmpi_opt *table)
{
    struct dmpi_buf text = DMPI_BUF_INIT(64 * 1024);
    for (const struct dmpi_opt *o = table; o->name; o++) {
        dmpi_autofree char *left = left_column(o);
        dmpi_buf_addf(&text, strlen(left) > 30 ? "%s\n%32s%s\n" : "%-32s%s%s\n", left, "", o->help);
    }
    return dmpi_buf_steal(&text);
}
