// SPDX-License-Identifier: MIT
#include "sizes.h"

#include <ctype.h>
#include <stdlib.h>

static int by_size(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

static int add(struct fab_sizes *out, size_t size)
{
    for (size_t i = 0; i < out->n; i++)
        if (out->v[i] == size)
            return 0;
    if (out->n == FAB_SIZES_MAX)
        return -1;
    out->v[out->n++] = size;
    return 0;
}

// One number with its unit; *text is moved behind it.
static int number(size_t *out, const char **text)
{
    static const char units[] = "KMG";
    char *end;
    if (!isdigit((unsigned char)**text))
        return -1;
    unsigned long long value = strtoull(*text, &end, 10);
    for (int i = 0; units[i]; i++) {
        if (toupper((unsigned char)*end) != units[i])
            continue;
        for (int k = 0; k <= i && value <= FAB_SIZE_MOST; k++)
            value *= 1024;
        end++;
        break;
    }
    *text = end;
    *out = (size_t)value;
    return value == 0 || value > FAB_SIZE_MOST ? -1 : 0;
}

static int range(struct fab_sizes *out, size_t from, size_t to)
{
    if (from > to)
        return -1;
    for (size_t size = from; size < to; size *= 2)
        if (add(out, size))
            return -1;
    return add(out, to);
}

int fab_sizes_parse(struct fab_sizes *out, const char *text)
{
    *out = (struct fab_sizes){.n = 0};
    for (;;) {
        size_t from, to;
        if (number(&from, &text))
            return -1;
        to = from;
        if (*text == ':' && (text++, number(&to, &text)))
            return -1;
        if (range(out, from, to))
            return -1;
        if (*text == '\0')
            break;
        if (*text++ != ',')
            return -1;
    }
    qsort(out->v, out->n, sizeof out->v[0], by_size);
    return 0;
}
