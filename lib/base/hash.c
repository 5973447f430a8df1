// SPDX-License-Identifier: MIT
#include "base/hash.h"

#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/mem.h"

static void *crypto_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return n > 0 ? dmpi_xmalloc(n) : NULL;
}

static void *crypto_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    if (n > 0)
        return dmpi_xrealloc(p, n);
    free(p);
    return NULL;
}

static void crypto_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

// libcrypto crashes where memory ends during its own start.
__attribute__((constructor)) static void never_fail(void)
{
    CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free);
}

static void to_hex(char *out, const unsigned char *data, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[data[i] >> 4];
        out[2 * i + 1] = digits[data[i] & 15];
    }
    out[2 * n] = '\0';
}

void dmpi_sha256_init(struct dmpi_sha256 *h)
{
    h->ctx = EVP_MD_CTX_new();
    if (!h->ctx || EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) != 1)
        dmpi_oom();
}

void dmpi_sha256_update(struct dmpi_sha256 *h, const void *data, size_t len)
{
    if (EVP_DigestUpdate(h->ctx, data, len) != 1)
        dmpi_oom();
}

void dmpi_sha256_final_hex(struct dmpi_sha256 *h, char out[DMPI_SHA256_HEX])
{
    unsigned char digest[32];
    if (EVP_DigestFinal_ex(h->ctx, digest, NULL) != 1)
        dmpi_oom();
    to_hex(out, digest, sizeof(digest));
    dmpi_sha256_free(h);
}

void dmpi_sha256_free(struct dmpi_sha256 *h)
{
    EVP_MD_CTX_free(h->ctx);
    h->ctx = NULL;
}

void dmpi_sha256_hex(const void *data, size_t len, char out[DMPI_SHA256_HEX])
{
    struct dmpi_sha256 h;
    dmpi_sha256_init(&h);
    dmpi_sha256_update(&h, data, len);
    dmpi_sha256_final_hex(&h, out);
}

// No key may be made.
static void no_random(void)
{
    static const char text[] = "dockmpi: the kernel gives no random numbers\n";
    ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)ignored;
    abort();
}

void dmpi_random_bytes(void *out, size_t n)
{
    unsigned char *p = out;
    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0 && errno != EINTR)
            no_random();
        if (got > 0) {
            p += got;
            n -= (size_t)got;
        }
    }
}

void dmpi_random_hex(char *out, size_t n)
{
    // The raw bytes lie in the second half of out; hex digits never overtake them.
    unsigned char *raw = (unsigned char *)out + n;
    dmpi_random_bytes(raw, n);
    to_hex(out, raw, n);
}

char *dmpi_base64_encode(const void *data, size_t len)
{
    if (len > INT_MAX / 2)
        dmpi_oom();
    char *out = dmpi_xmalloc((len + 2) / 3 * 4 + 1);
    EVP_EncodeBlock((unsigned char *)out, data, (int)len);
    return out;
}

// Length of text that is proper base64 as far as its alphabet and padding go, decoded; -1 if not.
static long decoded_len(const char *text, size_t len)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t pad = 0;
    while (pad < 2 && pad < len && text[len - 1 - pad] == '=')
        pad++;
    if (len % 4 != 0 || len > INT_MAX / 2)
        return -1;
    for (size_t i = 0; i < len - pad; i++)
        if (text[i] == '\0' || !strchr(alphabet, text[i]))
            return -1;
    return (long)(len / 4 * 3 - pad);
}

int dmpi_base64_decode(struct dmpi_buf *out, const char *text, size_t len, struct dmpi_err *err)
{
    long n = decoded_len(text, len);
    if (n < 0)
        return dmpi_err_set(err, DMPI_EPARSE, "not base64");
    // EVP_DecodeBlock also writes the bytes that the padding stands for.
    char *room = dmpi_buf_reserve(out, len / 4 * 3);
    if (!room)
        return dmpi_err_set(err, DMPI_EPARSE, "base64 text is too long");
    if (len > 0 &&
        EVP_DecodeBlock((unsigned char *)room, (const unsigned char *)text, (int)len) < 0)
        return dmpi_err_set(err, DMPI_EPARSE, "not base64");
    dmpi_buf_advance(out, (size_t)n);
    return 0;
}
