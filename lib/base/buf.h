// SPDX-License-Identifier: MIT
// A growable byte buffer with a mandatory maximum. Append freely, check `overflow` once.
#ifndef DMPI_BASE_BUF_H
#define DMPI_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct dmpi_buf {
    char *data;    // NULL until something was added; then always NUL-terminated at data[len]
    size_t len;    // bytes held, without the NUL
    size_t cap;    // bytes allocated
    size_t max;    // most bytes that len may reach
    bool overflow; // sticky: an addition did not fit and was left out as a whole
    bool secret;   // wiped when it grows and when it is freed
};

// max is in bytes. As initialiser only:  struct dmpi_buf b = DMPI_BUF_INIT(1 << 20);
#define DMPI_BUF_INIT(maximum)                                                                     \
    {                                                                                              \
        .max = (maximum)                                                                           \
    }
#define DMPI_BUF_INIT_SECRET(maximum)                                                              \
    {                                                                                              \
        .max = (maximum), .secret = true                                                           \
    }

// Appending. After an overflow every further addition is dropped too. data must not lie in buf.
void dmpi_buf_add(struct dmpi_buf *buf, const void *data, size_t len);
void dmpi_buf_adds(struct dmpi_buf *buf, const char *str);
void dmpi_buf_addc(struct dmpi_buf *buf, char c);
void dmpi_buf_addf(struct dmpi_buf *buf, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void dmpi_buf_vaddf(struct dmpi_buf *buf, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

// Room for n more bytes at data + len, or NULL on overflow. Fill it, then dmpi_buf_advance.
char *dmpi_buf_reserve(struct dmpi_buf *buf, size_t n);
void dmpi_buf_advance(struct dmpi_buf *buf, size_t n);

// The text; "" for an empty buffer. Borrowed until the next change of buf.
const char *dmpi_buf_str(const struct dmpi_buf *buf);

// Removes the first n bytes (n <= len).
void dmpi_buf_consume(struct dmpi_buf *buf, size_t n);

// Empty again, overflow cleared, memory and maximum kept.
void dmpi_buf_clear(struct dmpi_buf *buf);

// The content, never NULL, owned by the caller; buf is empty afterwards and may be used again.
char *dmpi_buf_steal(struct dmpi_buf *buf);

// Frees the memory; buf is empty afterwards and may be used again. NULL is allowed.
void dmpi_buf_free(struct dmpi_buf *buf);

#endif
