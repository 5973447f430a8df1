// SPDX-License-Identifier: MIT
#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"

// Memory for len bytes and the NUL. A secret may not stay behind in memory that realloc gave back.
static void resize(struct dmpi_buf *buf, size_t cap)
{
    if (!buf->secret) {
        buf->data = dmpi_xrealloc(buf->data, cap);
    } else {
        char *data = dmpi_xmalloc(cap);
        if (buf->len > 0)
            memcpy(data, buf->data, buf->len);
        dmpi_secret_free(buf->data, buf->cap);
        buf->data = data;
    }
    buf->data[buf->len] = '\0';
    buf->cap = cap;
}

char *dmpi_buf_reserve(struct dmpi_buf *buf, size_t n)
{
    if (buf->overflow || n > buf->max || buf->len > buf->max - n || buf->len + n == SIZE_MAX) {
        buf->overflow = true;
        return NULL;
    }
    size_t need = buf->len + n + 1;
    if (need > buf->cap) {
        size_t cap = buf->cap > 0 ? buf->cap : 64;
        while (cap < need)
            cap = cap > SIZE_MAX / 2 ? need : cap * 2;
        resize(buf, cap);
    }
    return buf->data + buf->len;
}

void dmpi_buf_advance(struct dmpi_buf *buf, size_t n)
{
    buf->len += n;
    buf->data[buf->len] = '\0';
}

void dmpi_buf_add(struct dmpi_buf *buf, const void *data, size_t len)
{
    char *room = dmpi_buf_reserve(buf, len);
    if (!room)
        return;
    if (len > 0)
        memcpy(room, data, len);
    dmpi_buf_advance(buf, len);
}

void dmpi_buf_adds(struct dmpi_buf *buf, const char *str)
{
    dmpi_buf_add(buf, str, strlen(str));
}

void dmpi_buf_addc(struct dmpi_buf *buf, char c)
{
    dmpi_buf_add(buf, &c, 1);
}

void dmpi_buf_vaddf(struct dmpi_buf *buf, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (n < 0) {
        buf->overflow = true;
        return;
    }
    char *room = dmpi_buf_reserve(buf, (size_t)n);
    if (!room)
        return;
    vsnprintf(room, (size_t)n + 1, fmt, ap);
    dmpi_buf_advance(buf, (size_t)n);
}

void dmpi_buf_addf(struct dmpi_buf *buf, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    dmpi_buf_vaddf(buf, fmt, ap);
    va_end(ap);
}

const char *dmpi_buf_str(const struct dmpi_buf *buf)
{
    return buf->data ? buf->data : "";
}

void dmpi_buf_consume(struct dmpi_buf *buf, size_t n)
{
    if (n == 0)
        return;
    memmove(buf->data, buf->data + n, buf->len - n + 1);
    buf->len -= n;
}

void dmpi_buf_clear(struct dmpi_buf *buf)
{
    buf->len = 0;
    buf->overflow = false;
    if (buf->data)
        buf->data[0] = '\0';
}

char *dmpi_buf_steal(struct dmpi_buf *buf)
{
    char *data = buf->data ? buf->data : dmpi_xstrdup("");
    buf->data = NULL;
    buf->len = 0;
    buf->cap = 0;
    buf->overflow = false;
    return data;
}

void dmpi_buf_free(struct dmpi_buf *buf)
{
    if (!buf)
        return;
    if (buf->secret)
        dmpi_secret_wipe(buf->data, buf->cap);
    dmpi_autofree char *data = dmpi_buf_steal(buf); // keeps errno
    (void)data;
}
