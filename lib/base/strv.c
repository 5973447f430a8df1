// SPDX-License-Identifier: MIT
#include "base/strv.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void dmpi_strv_take(struct dmpi_strv *sv, char *s)
{
    // Grown when n + 1 (the NULL) reaches a power of two: no capacity needs to be kept.
    size_t used = sv->v ? sv->n + 1 : 0;
    if ((used & (used - 1)) == 0)
        sv->v = dmpi_xreallocarray(sv->v, used > 0 ? used * 2 : 2, sizeof(char *));
    sv->v[sv->n++] = s;
    sv->v[sv->n] = NULL;
}

void dmpi_strv_add(struct dmpi_strv *sv, const char *s)
{
    dmpi_strv_take(sv, dmpi_xstrdup(s));
}

void dmpi_strv_addf(struct dmpi_strv *sv, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    dmpi_strv_take(sv, dmpi_xvasprintf(fmt, ap));
    va_end(ap);
}

void dmpi_strv_add_array(struct dmpi_strv *sv, const char *const *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dmpi_strv_add(sv, v[i]);
}

void dmpi_strv_add_all(struct dmpi_strv *sv, const struct dmpi_strv *other)
{
    for (size_t i = 0; i < other->n; i++)
        dmpi_strv_add(sv, other->v[i]);
}

void dmpi_strv_free(struct dmpi_strv *sv)
{
    if (!sv)
        return;
    for (size_t i = 0; i < sv->n; i++)
        free(sv->v[i]);
    free(sv->v);
    sv->v = NULL;
    sv->n = 0;
}

struct dmpi_strv dmpi_strv_copy(const struct dmpi_strv *sv)
{
    struct dmpi_strv copy = DMPI_STRV_INIT;
    dmpi_strv_add_all(&copy, sv);
    return copy;
}

char *dmpi_strv_join(const struct dmpi_strv *sv, const char *sep)
{
    size_t sep_len = strlen(sep);
    size_t len = 0;
    for (size_t i = 0; i < sv->n; i++)
        len += strlen(sv->v[i]) + sep_len;
    char *out = dmpi_xmalloc(len + 1);
    size_t at = 0;
    for (size_t i = 0; i < sv->n; i++) {
        size_t n = strlen(sv->v[i]);
        memcpy(out + at, sep, i > 0 ? sep_len : 0);
        at += i > 0 ? sep_len : 0;
        memcpy(out + at, sv->v[i], n);
        at += n;
    }
    out[at] = '\0';
    return out;
}

long dmpi_strv_find(const struct dmpi_strv *sv, const char *s)
{
    for (size_t i = 0; i < sv->n; i++)
        if (strcmp(sv->v[i], s) == 0)
            return (long)i;
    return -1;
}

bool dmpi_strv_has(const struct dmpi_strv *sv, const char *s)
{
    return dmpi_strv_find(sv, s) >= 0;
}

bool dmpi_strv_equal(const struct dmpi_strv *a, const struct dmpi_strv *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->v[i], b->v[i]) != 0)
            return false;
    return true;
}

struct dmpi_strv dmpi_strv_split(const char *str, char sep)
{
    struct dmpi_strv out = DMPI_STRV_INIT;
    if (*str == '\0')
        return out;
    for (const char *end; (end = strchr(str, sep)); str = end + 1)
        dmpi_strv_take(&out, dmpi_xstrndup(str, (size_t)(end - str)));
    dmpi_strv_add(&out, str);
    return out;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void dmpi_strv_sort(struct dmpi_strv *sv)
{
    if (sv->n > 1)
        qsort(sv->v, sv->n, sizeof(char *), compare);
}

// Index of the last entry "key=...", or -1.
static long env_find(const struct dmpi_strv *sv, const char *key, size_t key_len)
{
    for (size_t i = sv->n; i > 0; i--)
        if (strncmp(sv->v[i - 1], key, key_len) == 0 && sv->v[i - 1][key_len] == '=')
            return (long)i - 1;
    return -1;
}

static void env_put(struct dmpi_strv *sv, char *entry, size_t key_len)
{
    long i = env_find(sv, entry, key_len);
    if (i < 0) {
        dmpi_strv_take(sv, entry);
        return;
    }
    free(sv->v[i]);
    sv->v[i] = entry;
}

void dmpi_strv_env_set(struct dmpi_strv *sv, const char *key, const char *value)
{
    env_put(sv, dmpi_xasprintf("%s=%s", key, value), strlen(key));
}

const char *dmpi_strv_env_get(const struct dmpi_strv *sv, const char *key)
{
    size_t key_len = strlen(key);
    long i = env_find(sv, key, key_len);
    return i < 0 ? NULL : sv->v[i] + key_len + 1;
}

void dmpi_strv_env_merge(struct dmpi_strv *sv, const struct dmpi_strv *other)
{
    for (size_t i = 0; i < other->n; i++)
        env_put(sv, dmpi_xstrdup(other->v[i]), strcspn(other->v[i], "="));
}
