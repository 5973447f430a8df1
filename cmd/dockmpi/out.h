// SPDX-License-Identifier: MIT
/* What a person or a script sees: tables and JSON on stdout, notes and live progress on stderr. */
#ifndef DMPI_CMD_OUT_H
#define DMPI_CMD_OUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strv.h"
#include "engine/stream.h"

/**
 * One line on stderr, "dockmpi: ...", with terminal control bytes neutralised and hints completed (hint.h).
 * Thread-safe.
 */
void dmpi_out_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** One line on stdout with control bytes neutralised: what engines and containers call things is theirs. */
void dmpi_out_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/**
 * A text of several lines on stdout that a person reads or a program: control bytes other than newline and
 * tab are neutralised on a terminal, elsewhere the text stays what it is, such as a script that runs.
 */
void dmpi_out_text(const char *text);

/** Whether standard output is a pipe or socket whose reader has left, as `head` does. */
bool dmpi_out_reader_left(void);

/**
 * Writes all of it to fd. Where its reader does not read, a signal to us ends the wait a moment later
 * with DMPI_ECANCELED: a full pipe must not keep Ctrl-C from its work.
 */
int dmpi_out_write(int fd, const void *data, size_t len, struct dmpi_err *err);

/** The same as a sink. *fd is borrowed. */
struct dmpi_sink dmpi_out_sink(const int *fd);

/** Prints `value` (consumed) on stdout, indented, keys in their order, with a newline. */
void dmpi_out_json(json_t *value);

/* A table of strings whose columns are aligned when it is printed. */
struct dmpi_table {
    struct dmpi_strv cells;
    size_t columns;
};

/** Starts a table with these headings (NULL ends them). */
void dmpi_table_start(struct dmpi_table *out, const char *heading, ...) __attribute__((sentinel));

/** Adds one row; as many cells as headings, NULL ends them early and leaves the rest empty. */
void dmpi_table_row(struct dmpi_table *table, const char *cell, ...) __attribute__((sentinel));

/** Prints the table on stdout and frees it. Cells are made safe for a terminal. */
void dmpi_table_print(struct dmpi_table *table);

/*
 * Live progress: one line a thing (a container, an image), overwritten on a terminal; elsewhere
 * each line that says something final is printed once. All functions are thread-safe.
 */

/** Starts the display; does nothing more than plain lines when stderr is no terminal. */
void dmpi_progress_start(void);

/** Sets the line of `what`. `final` lines are those that plain output keeps. */
void dmpi_progress_set(const char *what, bool final, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** Ends the display and takes its lines away. */
void dmpi_progress_clear(void);

/** Ends the display: the lines stay where they are. */
void dmpi_progress_end(void);

/** Age or duration for a table: "12 s", "5 min", "3 h", "2 d". */
const char *dmpi_out_age(long long seconds, char buf[16]);

#endif
