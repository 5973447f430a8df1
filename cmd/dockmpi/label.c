// SPDX-License-Identifier: MIT
#include "label.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "out.h"

/* A line longer than this goes out in pieces, so that one without end costs no memory. */
enum { LINE_MAX_BYTES = 64 * 1024 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void dmpi_label_init(struct dmpi_label *out, const char *name, int fd)
{
    *out = (struct dmpi_label){.name = name ? dmpi_text_print_safe(name) : NULL,
                               .fd = fd,
                               .partial = DMPI_BUF_INIT(2 * LINE_MAX_BYTES)};
}

static int emit(const struct dmpi_label *l, const char *text, size_t len, struct dmpi_err *err)
{
    struct dmpi_buf line = DMPI_BUF_INIT(4 * LINE_MAX_BYTES);
    if (l->name)
        dmpi_buf_addf(&line, "%s: ", l->name);
    dmpi_buf_add(&line, text, len);
    if (!len || text[len - 1] != '\n')
        dmpi_buf_addc(&line, '\n');
    pthread_mutex_lock(&lock);
    int rc = dmpi_out_write(l->fd, line.data, line.len, err);
    pthread_mutex_unlock(&lock);
    dmpi_buf_free(&line);
    return rc;
}

static int add(void *arg, const void *data, size_t n, struct dmpi_err *err)
{
    struct dmpi_label *l = arg;
    for (const char *p = data, *end = p + n; p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        size_t len = newline ? (size_t)(newline - p) + 1 : (size_t)(end - p);
        size_t room = LINE_MAX_BYTES - l->partial.len;
        if (len > room)
            len = room;
        dmpi_buf_add(&l->partial, p, len);
        p += len;
        bool whole = l->partial.data[l->partial.len - 1] == '\n';
        if (!whole && l->partial.len < LINE_MAX_BYTES)
            continue;
        if (emit(l, l->partial.data, l->partial.len, err) < 0)
            return -1;
        dmpi_buf_clear(&l->partial);
    }
    return 0;
}

struct dmpi_sink dmpi_label_sink(struct dmpi_label *label)
{
    return (struct dmpi_sink){.write = add, .arg = label};
}

void dmpi_label_finish(struct dmpi_label *label)
{
    struct dmpi_err ignored = DMPI_ERR_INIT;
    if (label->partial.len)
        emit(label, label->partial.data, label->partial.len, &ignored);
    dmpi_buf_free(&label->partial);
    free(label->name);
}
