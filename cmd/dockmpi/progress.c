// SPDX-License-Identifier: MIT
/* Notes and live progress on stderr. Both share one lock, so that lines never cut each other. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "hint.h"
#include "out.h"

enum { MAX_LIVE = 200 };

struct line {
    char *what, *text;
    bool final;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct line *lines;
static size_t n_lines, n_drawn;
static bool started, live;

static int columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 20)
        return 80;
    return size.ws_col;
}

static void erase(void)
{
    if (n_drawn)
        fprintf(stderr, "\033[%zuA\033[J", n_drawn);
    n_drawn = 0;
}

static void draw(void)
{
    int room = columns() - 1;
    for (size_t i = 0; i < n_lines && i < MAX_LIVE; i++) {
        dmpi_autofree char *whole = dmpi_xasprintf("%s: %s", lines[i].what, lines[i].text);
        fprintf(stderr, "%.*s\n", room, whole);
        n_drawn++;
    }
    fflush(stderr);
}

void dmpi_out_note(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    dmpi_autofree char *text = dmpi_xvasprintf(fmt, args);
    va_end(args);
    dmpi_autofree char *whole = dmpi_hint(text);
    dmpi_autofree char *safe = dmpi_text_print_safe(whole);
    pthread_mutex_lock(&lock);
    if (live)
        erase();
    fprintf(stderr, "dockmpi: %s\n", safe);
    if (live)
        draw();
    pthread_mutex_unlock(&lock);
}

void dmpi_progress_start(void)
{
    pthread_mutex_lock(&lock);
    started = true;
    const char *term = getenv("TERM");
    live = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
    pthread_mutex_unlock(&lock);
}

static struct line *find_line(const char *what)
{
    for (size_t i = 0; i < n_lines; i++)
        if (strcmp(lines[i].what, what) == 0)
            return &lines[i];
    lines = dmpi_xrealloc(lines, (n_lines + 1) * sizeof *lines);
    lines[n_lines] = (struct line){.what = dmpi_xstrdup(what)};
    return &lines[n_lines++];
}

void dmpi_progress_set(const char *what, bool final, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    dmpi_autofree char *raw = dmpi_xvasprintf(fmt, args);
    va_end(args);
    dmpi_autofree char *whole = dmpi_hint(raw);
    dmpi_autofree char *text = dmpi_text_print_safe(whole);
    dmpi_autofree char *name = dmpi_text_print_safe(what);
    pthread_mutex_lock(&lock);
    if (live) {
        struct line *line = find_line(name);
        free(line->text);
        line->text = DMPI_STEAL(text);
        line->final = final;
        erase();
        draw();
    } else if (started && final) {
        fprintf(stderr, "%s: %s\n", name, text);
    }
    pthread_mutex_unlock(&lock);
}

void dmpi_progress_clear(void)
{
    pthread_mutex_lock(&lock);
    if (live)
        erase();
    fflush(stderr);
    pthread_mutex_unlock(&lock);
    dmpi_progress_end();
}

void dmpi_progress_end(void)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < n_lines; i++) {
        free(lines[i].what);
        free(lines[i].text);
    }
    free(lines);
    lines = NULL;
    n_lines = n_drawn = 0;
    started = live = false;
    pthread_mutex_unlock(&lock);
}
