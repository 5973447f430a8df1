// SPDX-License-Identifier: MIT
// The head and the error body of an engine's answer, and its version.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    long status = 0;
    long long length = 0;
    dmpi_autofree char *text = dmpi_xmemdup(data, size);
    long head = dmpi_answer_head(text, size, &status, &length);
    if (head > (long)size || (head > 0 && (status < 100 || status > 999 || length < -1)))
        abort();
    if (dmpi_answer_error(404, text, size, &err) != -1 || strchr(err.msg, '\x1b') ||
        strchr(err.msg, '\n'))
        abort();
    dmpi_answer_choose_api(text);
    return 0;
}
