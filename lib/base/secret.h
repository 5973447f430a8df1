// SPDX-License-Identifier: MIT
// Memory that held keys is wiped before it goes back, and shown to nobody meanwhile; values that look like secrets
// are not printed.
#ifndef DMPI_BASE_SECRET_H
#define DMPI_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

// Overwrites len bytes in a way that the compiler keeps. p may be NULL when len is 0.
void dmpi_secret_wipe(void *p, size_t len);

// Wipes len bytes and frees p. NULL is allowed.
void dmpi_secret_free(char *p, size_t len);

// Wipes all of the buffer's memory and frees it. NULL is allowed. Use DMPI_BUF_INIT_SECRET for
// buffers that grow, so that outgrown memory is wiped too.
void dmpi_secret_buf_free(struct dmpi_buf *buf);

// Keeps the memory of this process out of core dumps and away from other programs of the same user (not from root's).
// Programs that it starts are not concerned. Builds with sanitizers, which look into themselves, stay as they are.
void dmpi_secret_process(void);

// Whether the name of "NAME=VALUE" says that the value is a secret: TOKEN, SECRET, PASSWORD, KEY and the like.
bool dmpi_secret_named(const char *entry);

// "NAME=VALUE" to be shown: a copy, with "(hidden)" for a value that is a secret. Owned by the caller.
char *dmpi_secret_shown(const char *entry);

#endif
