// SPDX-License-Identifier: MIT
#include "mesh/keys.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/secret.h"

#define KEY_TYPE "ssh-ed25519"
#define MAGIC "openssh-key-v1" // with its NUL
#define ARMOUR_BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----"
#define ARMOUR_END "-----END OPENSSH PRIVATE KEY-----"
#define ARMOUR_COLUMNS 70
#define BINARY_MAX 65536
#define CIPHER_BLOCK 8 // padding unit of the private section for cipher "none"

static void key_free(EVP_PKEY **pkey)
{
    EVP_PKEY_free(*pkey);
}

static int export_key(struct dmpi_key *out, const EVP_PKEY *pkey, struct dmpi_err *err)
{
    size_t seed_len = DMPI_KEY_BYTES;
    size_t pub_len = DMPI_KEY_BYTES;

    if (!pkey || EVP_PKEY_get_raw_private_key(pkey, out->seed, &seed_len) != 1 ||
        EVP_PKEY_get_raw_public_key(pkey, out->pub, &pub_len) != 1)
        return dmpi_err_set(err, DMPI_ESYS, "the crypto library cannot make an ed25519 key");
    return 0;
}

int dmpi_key_make(struct dmpi_key *out, struct dmpi_err *err)
{
    DMPI_AUTO(key_free) EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

    return export_key(out, pkey, err);
}

int dmpi_key_from_seed(struct dmpi_key *out, const unsigned char seed[DMPI_KEY_BYTES],
                       struct dmpi_err *err)
{
    DMPI_AUTO(key_free)
    EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, DMPI_KEY_BYTES);

    return export_key(out, pkey, err);
}

static void put_u32(struct dmpi_buf *out, size_t n)
{
    unsigned char be[4] = {(unsigned char)(n >> 24), (unsigned char)(n >> 16),
                           (unsigned char)(n >> 8), (unsigned char)n};

    dmpi_buf_add(out, be, sizeof(be));
}

static void put_string(struct dmpi_buf *out, const void *data, size_t len)
{
    put_u32(out, len);
    dmpi_buf_add(out, data, len);
}

static void put_public(struct dmpi_buf *out, const struct dmpi_key *key)
{
    put_string(out, KEY_TYPE, strlen(KEY_TYPE));
    put_string(out, key->pub, DMPI_KEY_BYTES);
}

// The section that a passphrase would encrypt. Its two equal check numbers only tell a wrong
// passphrase; they come from the public key here, so that equal keys give equal files.
static void put_private_section(struct dmpi_buf *out, const struct dmpi_key *key,
                                const char *comment)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf section = DMPI_BUF_INIT_SECRET(BINARY_MAX);

    dmpi_buf_add(&section, key->pub, 4);
    dmpi_buf_add(&section, key->pub, 4);
    put_public(&section, key);
    put_u32(&section, 2 * DMPI_KEY_BYTES);
    dmpi_buf_add(&section, key->seed, DMPI_KEY_BYTES);
    dmpi_buf_add(&section, key->pub, DMPI_KEY_BYTES);
    put_string(&section, comment, strlen(comment));
    for (char pad = 1; section.len % CIPHER_BLOCK != 0 && !section.overflow; pad++)
        dmpi_buf_addc(&section, pad);
    put_string(out, section.data, section.len);
}

void dmpi_key_openssh_private(struct dmpi_buf *out, const struct dmpi_key *key, const char *comment)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf binary = DMPI_BUF_INIT_SECRET(BINARY_MAX);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf public_blob = DMPI_BUF_INIT(BINARY_MAX);

    dmpi_buf_add(&binary, MAGIC, sizeof(MAGIC));
    put_string(&binary, "none", 4); // cipher
    put_string(&binary, "none", 4); // key derivation
    put_string(&binary, "", 0);     // its options
    put_u32(&binary, 1);            // number of keys
    put_public(&public_blob, key);
    put_string(&binary, public_blob.data, public_blob.len);
    put_private_section(&binary, key, comment ? comment : "");

    char *text = dmpi_base64_encode(binary.data, binary.len);
    size_t len = strlen(text);
    dmpi_buf_adds(out, ARMOUR_BEGIN "\n");
    for (size_t at = 0; at < len; at += ARMOUR_COLUMNS) {
        dmpi_buf_add(out, text + at, len - at < ARMOUR_COLUMNS ? len - at : ARMOUR_COLUMNS);
        dmpi_buf_addc(out, '\n');
    }
    dmpi_buf_adds(out, ARMOUR_END "\n");
    dmpi_secret_free(text, len);
}

// A cursor over the binary form; `bad` is sticky.
struct cursor {
    const unsigned char *at;
    size_t left;
    bool bad;
};

static const unsigned char *take(struct cursor *c, size_t n)
{
    const unsigned char *start = c->at;

    if (c->bad || n > c->left) {
        c->bad = true;
        return NULL;
    }
    c->at += n;
    c->left -= n;
    return start;
}

static uint32_t take_u32(struct cursor *c)
{
    const unsigned char *p = take(c, 4);

    return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

static struct cursor take_string(struct cursor *c)
{
    uint32_t len = take_u32(c);
    const unsigned char *p = take(c, len);

    return (struct cursor){.at = p, .left = p ? len : 0, .bad = c->bad};
}

static void expect(struct cursor *c, const void *data, size_t len)
{
    struct cursor s = take_string(c);

    if (s.bad || s.left != len || (len > 0 && memcmp(s.at, data, len) != 0))
        c->bad = true;
}

static const unsigned char *take_private(struct cursor *c)
{
    struct cursor section = take_string(c);
    uint32_t check = take_u32(&section);

    if (take_u32(&section) != check)
        return NULL;
    expect(&section, KEY_TYPE, strlen(KEY_TYPE));
    take_string(&section); // public half, computed again below
    struct cursor pair = take_string(&section);
    return section.bad || pair.left != 2 * DMPI_KEY_BYTES ? NULL : pair.at;
}

static int parse_binary(struct dmpi_key *out, const struct dmpi_buf *binary, struct dmpi_err *err)
{
    struct cursor c = {.at = (const unsigned char *)binary->data, .left = binary->len};
    const unsigned char *magic = take(&c, sizeof(MAGIC));

    if (!magic || memcmp(magic, MAGIC, sizeof(MAGIC)) != 0)
        return dmpi_err_set(err, DMPI_EPARSE, "not an OpenSSH private key");
    expect(&c, "none", 4);
    if (c.bad)
        return dmpi_err_set(err, DMPI_EPARSE, "the private key is encrypted or damaged");
    expect(&c, "none", 4);
    expect(&c, "", 0);
    if (take_u32(&c) != 1)
        c.bad = true;
    take_string(&c); // public half
    const unsigned char *pair = c.bad ? NULL : take_private(&c);
    if (!pair)
        return dmpi_err_set(err, DMPI_EPARSE, "the private key is damaged or not ed25519");
    if (dmpi_key_from_seed(out, pair, err) != 0)
        return -1;
    if (memcmp(out->pub, pair + DMPI_KEY_BYTES, DMPI_KEY_BYTES) != 0)
        return dmpi_err_set(err, DMPI_EPARSE, "the private key's two halves do not match");
    return 0;
}

int dmpi_key_parse_private(struct dmpi_key *out, const char *text, size_t len, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf body = DMPI_BUF_INIT_SECRET(BINARY_MAX);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf binary = DMPI_BUF_INIT_SECRET(BINARY_MAX);
    const char *begin = memmem(text, len, ARMOUR_BEGIN, strlen(ARMOUR_BEGIN));

    if (!begin)
        return dmpi_err_set(err, DMPI_EPARSE, "not an OpenSSH private key");
    begin += strlen(ARMOUR_BEGIN);
    const char *end = memmem(begin, len - (size_t)(begin - text), ARMOUR_END, strlen(ARMOUR_END));
    if (!end)
        return dmpi_err_set(err, DMPI_EPARSE, "the private key is cut off");
    for (const char *p = begin; p < end; p++) {
        if (*p != '\n' && *p != '\r')
            dmpi_buf_addc(&body, *p);
    }
    if (body.overflow)
        return dmpi_err_set(err, DMPI_EPARSE, "the private key is too long");
    if (dmpi_base64_decode(&binary, dmpi_buf_str(&body), body.len, err) != 0)
        return dmpi_err_wrap(err, "private key");
    return parse_binary(out, &binary, err);
}

char *dmpi_key_public_line(const struct dmpi_key *key, const char *comment)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf blob = DMPI_BUF_INIT(256);

    put_public(&blob, key);
    dmpi_autofree char *text = dmpi_base64_encode(blob.data, blob.len);
    if (!comment || !*comment)
        return dmpi_xasprintf(KEY_TYPE " %s", text);
    return dmpi_xasprintf(KEY_TYPE " %s %s", text, comment);
}

void dmpi_key_wipe(struct dmpi_key *key)
{
    if (key)
        dmpi_secret_wipe(key, sizeof(*key));
}
