// SPDX-License-Identifier: MIT
// Memory that held keys is wiped before it goes back.
#ifndef DMPI_BASE_SECRET_H
#define DMPI_BASE_SECRET_H

#include <stddef.h>

#include "base/buf.h"

// Overwrites len bytes in a way that the compiler keeps. p may be NULL when len is 0.
void dmpi_secret_wipe(void *p, size_t len);

// Wipes len bytes and frees p. NULL is allowed.
void dmpi_secret_free(char *p, size_t len);

// Wipes all of the buffer's memory and frees it. NULL is allowed. Use DMPI_BUF_INIT_SECRET for
// buffers that grow, so that outgrown memory is wiped too.
void dmpi_secret_buf_free(struct dmpi_buf *buf);

#endif
