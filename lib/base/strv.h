// SPDX-License-Identifier: MIT
// A vector of owned strings.
#ifndef DMPI_BASE_STRV_H
#define DMPI_BASE_STRV_H

#include <stdbool.h>
#include <stddef.h>

struct dmpi_strv {
    char **v; // NULL while n is 0 and nothing was ever added; otherwise v[n] is NULL
    size_t n;
};

#define DMPI_STRV_INIT                                                                             \
    {                                                                                              \
        NULL, 0                                                                                    \
    }

// Adds a copy of s.
void dmpi_strv_add(struct dmpi_strv *sv, const char *s);
// Adds s itself, which belongs to sv from now on.
void dmpi_strv_take(struct dmpi_strv *sv, char *s);
void dmpi_strv_addf(struct dmpi_strv *sv, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
// Adds copies of all strings of other (which must not be sv).
void dmpi_strv_add_all(struct dmpi_strv *sv, const struct dmpi_strv *other);
// Adds copies of the n strings at v.
void dmpi_strv_add_array(struct dmpi_strv *sv, const char *const *v, size_t n);

// Frees everything; sv is empty afterwards and may be used again. NULL is allowed.
void dmpi_strv_free(struct dmpi_strv *sv);

// A deep copy, owned by the caller.
struct dmpi_strv dmpi_strv_copy(const struct dmpi_strv *sv);

// All strings with sep between them; "" when there are none. Owned by the caller.
char *dmpi_strv_join(const struct dmpi_strv *sv, const char *sep);

// Index of the first string equal to s, or -1.
long dmpi_strv_find(const struct dmpi_strv *sv, const char *s);
bool dmpi_strv_has(const struct dmpi_strv *sv, const char *s);
bool dmpi_strv_equal(const struct dmpi_strv *a, const struct dmpi_strv *b);

// The parts of str between the characters sep, empty parts included; "" gives no parts.
struct dmpi_strv dmpi_strv_split(const char *str, char sep);

// Sorts by byte value.
void dmpi_strv_sort(struct dmpi_strv *sv);

// KEY=VALUE lists (environments). Sets KEY, replacing the entry it has.
void dmpi_strv_env_set(struct dmpi_strv *sv, const char *key, const char *value);
// The value of the last KEY=VALUE with that key, borrowed; NULL when there is none.
const char *dmpi_strv_env_get(const struct dmpi_strv *sv, const char *key);
// Adds every KEY=VALUE of other, replacing entries with the same key.
void dmpi_strv_env_merge(struct dmpi_strv *sv, const struct dmpi_strv *other);

#endif
