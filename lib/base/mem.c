// SPDX-License-Identifier: MIT
#include "base/mem.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void dmpi_oom(void)
{
    static const char text[] = "dockmpi: out of memory\n";
    // stdio may need memory itself
    ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)ignored;
    abort();
}

void *dmpi_xmalloc(size_t size)
{
    void *p = malloc(size > 0 ? size : 1);
    if (!p)
        dmpi_oom();
    return p;
}

void *dmpi_xcalloc(size_t n, size_t size)
{
    void *p = n > 0 && size > 0 ? calloc(n, size) : calloc(1, 1);
    if (!p)
        dmpi_oom();
    return p;
}

void *dmpi_xrealloc(void *p, size_t size)
{
    void *q = realloc(p, size > 0 ? size : 1);
    if (!q)
        dmpi_oom();
    return q;
}

void *dmpi_xreallocarray(void *p, size_t n, size_t size)
{
    if (size > 0 && n > SIZE_MAX / size)
        dmpi_oom();
    return dmpi_xrealloc(p, n * size);
}

void *dmpi_xmemdup(const void *p, size_t n)
{
    if (n == SIZE_MAX)
        dmpi_oom();
    char *copy = dmpi_xmalloc(n + 1);
    if (n > 0)
        memcpy(copy, p, n);
    copy[n] = '\0';
    return copy;
}

char *dmpi_xstrdup(const char *s)
{
    return s ? dmpi_xmemdup(s, strlen(s)) : NULL;
}

char *dmpi_xstrndup(const char *s, size_t n)
{
    return dmpi_xmemdup(s, strnlen(s, n));
}

char *dmpi_xvasprintf(const char *fmt, va_list ap)
{
    char *out = NULL;
    if (vasprintf(&out, fmt, ap) < 0)
        dmpi_oom();
    return out;
}

char *dmpi_xasprintf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *out = dmpi_xvasprintf(fmt, ap);
    va_end(ap);
    return out;
}

void dmpi_autofree_fn(void *pp)
{
    int saved = errno;
    void *p;
    memcpy(&p, pp, sizeof(p)); // pp points to a pointer of any type
    free(p);
    errno = saved;
}
