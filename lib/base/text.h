// SPDX-License-Identifier: MIT
// Small conversions between text and values, each strict about what it accepts.
#ifndef DMPI_BASE_TEXT_H
#define DMPI_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

// A decimal number with optional sign and nothing else, min <= *out <= max. 0, or -1 (*out kept).
int dmpi_text_int(long long *out, const char *s, long long min, long long max);

// Bytes: "8G", "512m", "1.5g", "64kb", "100" (powers of 1024, any case, "b" or "ib" after the
// unit allowed). Not negative. DMPI_EINVAL otherwise.
int dmpi_text_size(int64_t *out, const char *s, struct dmpi_err *err);

// Milliseconds: "10m", "1h30m", "1.5s", "250ms", "2d"; a bare number is in seconds. Not negative.
int dmpi_text_duration(int64_t *out_ms, const char *s, struct dmpi_err *err);

// Nanoseconds since the epoch: "2026-11-21T10:11:12.123456789Z", with any number of digits after the
// second and "+01:00" for the zone as well. 0, or -1 (*out kept) for what is none, also before 1970.
int dmpi_text_time(int64_t *out_ns, const char *s);

// Whether s is a name for clusters, nodes and the like: [a-z0-9][a-z0-9_.-]{0,62}.
bool dmpi_text_name_ok(const char *s);
// The same with the reason: "cluster name 'Lab': upper-case letters are not allowed". what is the
// kind of thing ("cluster name").
int dmpi_text_name_check(const char *what, const char *s, struct dmpi_err *err);

// Appends text with everything that could drive a terminal made harmless: control and escape bytes
// (also the C1 range), bidirectional overrides and invalid UTF-8 become \xNN of their bytes.
// Newline and tab are kept.
void dmpi_text_safe(struct dmpi_buf *out, const void *data, size_t len);
// The same for one line: newline and tab are shown as \n and \t. Owned by the caller; NULL gives "".
char *dmpi_text_print_safe(const char *s);

// Whether the bytes are valid UTF-8 (no surrogates, no overlong forms).
bool dmpi_text_utf8_ok(const void *data, size_t len);

// "0B", "999B", "1.5KiB", "12MiB", "3.2GiB". out receives at most 16 bytes and is returned.
char *dmpi_text_human_bytes(char out[16], int64_t bytes);

// "850ms", "12s", "3m05s", "2h15m", "4d03h". out receives at most 16 bytes and is returned.
char *dmpi_text_human_ms(char out[16], int64_t ms);

bool dmpi_text_starts_with(const char *s, const char *prefix);
bool dmpi_text_ends_with(const char *s, const char *suffix);

// Of the NULL-terminated list, the word nearest to word, if it is near enough to ask "did you
// mean ...?"; otherwise NULL. Borrowed from the list.
const char *dmpi_text_suggest(const char *word, const char *const *list);

#endif
