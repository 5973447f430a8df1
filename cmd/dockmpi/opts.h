// SPDX-License-Identifier: MIT
/* Declarative command-line options: one table a verb, from which parsing, usage and help are made. */
#ifndef DMPI_CMD_OPTS_H
#define DMPI_CMD_OPTS_H

#include <stddef.h>

#include "base/err.h"
#include "base/strv.h"

/* What an option's value becomes in the verb's struct. */
enum dmpi_opt_kind {
    DMPI_OPT_FLAG,     /* bool, set to true */
    DMPI_OPT_STR,      /* const char *, borrowed from argv */
    DMPI_OPT_INT,      /* long long within min..max */
    DMPI_OPT_LIST,     /* struct dmpi_strv, one entry an occurrence */
    DMPI_OPT_PAIR,     /* struct dmpi_strv, two entries an occurrence: `--mca KEY VALUE` */
    DMPI_OPT_SIZE,     /* int64_t, bytes: 64m, 8G */
    DMPI_OPT_DURATION, /* int64_t, milliseconds: 90, 10m, 1h30m */
};

/* One option. `letter` 0 means no short form; `offset` is that of the member in the verb's struct. */
struct dmpi_opt {
    const char *name;
    char letter;
    enum dmpi_opt_kind kind;
    size_t offset;
    const char *meta; /* what the value is called in help, NULL for flags */
    const char *help;
    long long min, max; /* DMPI_OPT_INT only */
};

/* How operands are read. */
enum dmpi_operands {
    DMPI_MIXED,       /* options and operands in any order */
    DMPI_FIRST_STOPS, /* the first operand ends the options: the rest belongs to a program */
};

/**
 * Parses argv (without the program's and the verb's name) into `into`.
 *
 * `tables` are `n` option tables, each ended by an entry without name; options of all of them are
 * accepted. Operands are copied to `operands` (freed by the caller also on error); a `--` ends the
 * options and is dropped. Returns 1 when such a `--` came before the first operand, else 0; errors
 * are DMPI_EINVAL with a text that names the option and what it takes.
 */
int dmpi_opts_parse(void *into, struct dmpi_strv *operands, const struct dmpi_opt *const *tables,
                    size_t n, enum dmpi_operands how, char *const *argv, struct dmpi_err *err);

/** Frees the lists that parsing put into `into`; strings are borrowed and stay. */
void dmpi_opts_free(void *into, const struct dmpi_opt *const *tables, size_t n);

/** A new string: the help lines of one table, aligned. The caller frees it. */
char *dmpi_opts_help(const struct dmpi_opt *table);

#endif
