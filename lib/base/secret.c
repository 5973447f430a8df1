// SPDX-License-Identifier: MIT
#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

void dmpi_secret_wipe(void *p, size_t len)
{
    if (p && len > 0)
        explicit_bzero(p, len);
}

void dmpi_secret_free(char *p, size_t len)
{
    dmpi_secret_wipe(p, len);
    free(p);
}

void dmpi_secret_buf_free(struct dmpi_buf *buf)
{
    if (!buf)
        return;
    dmpi_secret_wipe(buf->data, buf->cap);
    dmpi_buf_free(buf);
}
