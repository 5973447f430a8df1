// SPDX-License-Identifier: MIT
// Memory: an allocation that fails ends the process, so that callers never check for it.
// (Input is bounded elsewhere: a hostile peer cannot make us ask for unbounded memory.) The libraries
// that take an allocator get these, so that none of their failures can be passed over.
#ifndef DMPI_BASE_MEM_H
#define DMPI_BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

// Results are owned by the caller, to be freed with free(). A size of 0 gives a valid pointer.
void *dmpi_xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *dmpi_xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull)); // zeroed
void *dmpi_xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
// n elements of the given size, with the multiplication checked.
void *dmpi_xreallocarray(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
// NULL gives NULL.
char *dmpi_xstrdup(const char *s);
// At most n bytes of s, NUL-terminated; s must not be NULL.
char *dmpi_xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
// A copy of n bytes with a NUL after them; p may be NULL when n is 0.
void *dmpi_xmemdup(const void *p, size_t n) __attribute__((malloc, returns_nonnull));
char *dmpi_xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), returns_nonnull));
char *dmpi_xvasprintf(const char *fmt, va_list ap)
    __attribute__((format(printf, 1, 0), returns_nonnull));

// Says on stderr that memory is exhausted and aborts. For wrappers of libraries that return NULL.
void dmpi_oom(void) __attribute__((noreturn));

// dmpi_autofree char *p = NULL;   -> free(p) at the end of the scope; errno is kept.
void dmpi_autofree_fn(void *pp);
#define dmpi_autofree __attribute__((cleanup(dmpi_autofree_fn)))

// DMPI_AUTO(dmpi_buf_free) struct dmpi_buf b = ...;  -> dmpi_buf_free(&b) at the end of the scope.
#define DMPI_AUTO(fn) __attribute__((cleanup(fn)))

// The value of pointer variable p, which becomes NULL: ownership leaves this scope.
#define DMPI_STEAL(p)                                                                              \
    __extension__({                                                                                \
        __typeof__(p) dmpi_stolen_ = (p);                                                          \
        (p) = NULL;                                                                                \
        dmpi_stolen_;                                                                              \
    })

#define DMPI_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
