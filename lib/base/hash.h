// SPDX-License-Identifier: MIT
// SHA-256, random numbers and base64.
#ifndef DMPI_BASE_HASH_H
#define DMPI_BASE_HASH_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

#define DMPI_SHA256_HEX 65 // 64 lower-case digits and the NUL

void dmpi_sha256_hex(const void *data, size_t len, char out[DMPI_SHA256_HEX]);

// Streaming:  struct dmpi_sha256 h; init, update..., hex (which also ends and frees).
struct dmpi_sha256 {
    void *ctx;
};
void dmpi_sha256_init(struct dmpi_sha256 *h);
void dmpi_sha256_update(struct dmpi_sha256 *h, const void *data, size_t len);
void dmpi_sha256_final_hex(struct dmpi_sha256 *h, char out[DMPI_SHA256_HEX]);
// For the case that no result is wanted any more; harmless after final.
void dmpi_sha256_free(struct dmpi_sha256 *h);

// Random bytes of the kernel, fit for keys.
void dmpi_random_bytes(void *out, size_t n);
// n random bytes as 2 n hex digits: out has room for 2 * n + 1.
void dmpi_random_hex(char *out, size_t n);

// Standard alphabet with padding, no line breaks. Owned by the caller.
char *dmpi_base64_encode(const void *data, size_t len);
// Appends the decoded bytes to out. Strict: no white space, padding needed. DMPI_EPARSE otherwise,
// and when out overflows.
int dmpi_base64_decode(struct dmpi_buf *out, const char *text, size_t len, struct dmpi_err *err);

#endif
