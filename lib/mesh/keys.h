// SPDX-License-Identifier: MIT
// ed25519 keys in memory, and the two texts that OpenSSH knows them by.
#ifndef DMPI_MESH_KEYS_H
#define DMPI_MESH_KEYS_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

#define DMPI_KEY_BYTES 32

struct dmpi_key {
    unsigned char seed[DMPI_KEY_BYTES]; // secret
    unsigned char pub[DMPI_KEY_BYTES];
};

// A new random key. DMPI_ESYS when the library has no ed25519.
int dmpi_key_make(struct dmpi_key *out, struct dmpi_err *err);

// The key that belongs to a secret seed (public half computed).
int dmpi_key_from_seed(struct dmpi_key *out, const unsigned char seed[DMPI_KEY_BYTES],
                       struct dmpi_err *err);

// Appends the unencrypted OpenSSH private key file (PROTOCOL.key) with its armour. Equal keys and
// comments give equal text. out should be a secret buffer with room for 600 bytes and the comment.
void dmpi_key_openssh_private(struct dmpi_buf *out, const struct dmpi_key *key,
                              const char *comment);

// Reads such a file back: ed25519, unencrypted. DMPI_EPARSE for anything else.
int dmpi_key_parse_private(struct dmpi_key *out, const char *text, size_t len,
                           struct dmpi_err *err);

// "ssh-ed25519 AAAA... COMMENT" without newline; without comment when that is NULL or "".
// Owned by the caller.
char *dmpi_key_public_line(const struct dmpi_key *key, const char *comment);

// Wipes the key. NULL is allowed; for DMPI_AUTO.
void dmpi_key_wipe(struct dmpi_key *key);

#endif
