// SPDX-License-Identifier: MIT
#include "out.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app.h"
#include "base/buf.h"
#include "base/ctl.h"
#include "base/mem.h"
#include "base/text.h"

enum { SPACING = 2, LAST_CHANCE_MS = 500 };

/* stdio forgets why a write failed, so the pipe itself is asked. */
bool dmpi_out_reader_left(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR);
}

/* DEL is ASCII, so jansson passes it on; it can only stand inside a string. */
static int dump_escaped(const char *data, size_t len, void *unused)
{
    (void)unused;
    for (size_t i = 0; i < len; i++) {
        if (data[i] == 0x7f)
            fputs("\\u007f", stdout);
        else
            putchar(data[i]);
    }
    return ferror(stdout) ? -1 : 0;
}

void dmpi_out_json(json_t *value)
{
    json_dump_callback(value, dump_escaped, NULL, JSON_INDENT(2) | JSON_ENSURE_ASCII);
    putchar('\n');
    json_decref(value);
}

void dmpi_out_line(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    dmpi_autofree char *text = dmpi_xvasprintf(fmt, args);
    va_end(args);
    dmpi_autofree char *safe = dmpi_text_print_safe(text);
    puts(safe);
}

void dmpi_out_text(const char *text)
{
    struct dmpi_buf safe DMPI_AUTO(dmpi_buf_free) = DMPI_BUF_INIT(SIZE_MAX / 2);
    if (isatty(STDOUT_FILENO)) {
        dmpi_text_safe(&safe, text, strlen(text));
        text = dmpi_buf_str(&safe);
    }
    fputs(text, stdout);
}

/* How much goes out without blocking once poll() says that some does. */
static size_t piece_size(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? SIZE_MAX : PIPE_BUF;
}

static int wait_writable(int fd, struct dmpi_err *err)
{
    struct pollfd out = {.fd = fd, .events = POLLOUT};
    if (poll(&out, 1, 0) > 0 || dmpi_ctl_poll(dmpi_app_ctl(), &out, 1, err) > 0)
        return 0;
    return err->code == DMPI_ECANCELED && poll(&out, 1, LAST_CHANCE_MS) > 0 ? 0 : -1;
}

int dmpi_out_write(int fd, const void *data, size_t len, struct dmpi_err *err)
{
    size_t piece = piece_size(fd);
    for (const char *p = data; len > 0;) {
        if (wait_writable(fd, err) < 0)
            return -1;
        ssize_t n = write(fd, p, len < piece ? len : piece);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return dmpi_err_sys(err, errno, "write");
        p += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int sink_write(void *arg, const void *data, size_t n, struct dmpi_err *err)
{
    return dmpi_out_write(*(const int *)arg, data, n, err);
}

struct dmpi_sink dmpi_out_sink(const int *fd)
{
    return (struct dmpi_sink){.write = sink_write, .arg = (void *)(intptr_t)fd};
}

static void add_cells(struct dmpi_table *table, const char *first, va_list rest)
{
    for (const char *cell = first; cell; cell = va_arg(rest, const char *)) {
        dmpi_autofree char *safe = dmpi_text_print_safe(cell);
        dmpi_strv_add(&table->cells, safe);
    }
}

void dmpi_table_start(struct dmpi_table *out, const char *heading, ...)
{
    *out = (struct dmpi_table){0};
    va_list rest;
    va_start(rest, heading);
    add_cells(out, heading, rest);
    va_end(rest);
    out->columns = out->cells.n;
}

void dmpi_table_row(struct dmpi_table *table, const char *cell, ...)
{
    va_list rest;
    va_start(rest, cell);
    add_cells(table, cell, rest);
    va_end(rest);
    while (table->cells.n % table->columns)
        dmpi_strv_add(&table->cells, "");
}

/* Width on the terminal: continuation bytes of UTF-8 take no column. */
static size_t width(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static void print_row(const struct dmpi_table *t, size_t row, const size_t *widths)
{
    for (size_t c = 0; c < t->columns; c++) {
        const char *cell = t->cells.v[row * t->columns + c];
        fputs(cell, stdout);
        if (c + 1 < t->columns)
            for (size_t pad = width(cell); pad < widths[c] + SPACING; pad++)
                putchar(' ');
    }
    putchar('\n');
}

void dmpi_table_print(struct dmpi_table *table)
{
    dmpi_autofree size_t *widths = dmpi_xcalloc(table->columns, sizeof *widths);
    for (size_t i = 0; i < table->cells.n; i++) {
        size_t w = width(table->cells.v[i]);
        if (w > widths[i % table->columns])
            widths[i % table->columns] = w;
    }
    for (size_t row = 0; row < table->cells.n / table->columns; row++)
        print_row(table, row, widths);
    dmpi_strv_free(&table->cells);
}

const char *dmpi_out_age(long long seconds, char buf[16])
{
    static const struct {
        long long unit;
        const char *name;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
    size_t i = 0;
    while (i < DMPI_ARRAY_LEN(units) - 1 && seconds < 2 * units[i].unit)
        i++;
    long long count = seconds < 0 ? 0 : seconds / units[i].unit;
    snprintf(buf, 16, "%d %s", count > 99999 ? 99999 : (int)count, units[i].name);
    return buf;
}
