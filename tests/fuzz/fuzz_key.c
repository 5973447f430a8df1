// SPDX-License-Identifier: MIT
// Private key files: whatever is accepted is written back as the same key.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mesh/keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT_SECRET(4096);
    struct dmpi_key key;
    struct dmpi_key back;
    struct dmpi_err err = DMPI_ERR_INIT;

    if (dmpi_key_parse_private(&key, (const char *)data, size, &err) != 0)
        return 0;
    dmpi_key_openssh_private(&text, &key, "c");
    if (dmpi_key_parse_private(&back, text.data, text.len, &err) != 0 ||
        memcmp(&key, &back, sizeof(key)) != 0)
        abort();
    return 0;
}
