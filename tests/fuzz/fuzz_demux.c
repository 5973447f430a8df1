// SPDX-License-Identifier: MIT
// The log demultiplexer: cut anywhere, the result must be the same as in one piece.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/demux.h"

#define MAX (1u << 20)

static int run(struct dmpi_buf *out, const char *data, size_t n, size_t step, struct dmpi_err *err)
{
    struct dmpi_demux d;
    struct dmpi_streams streams = {dmpi_sink_to_buf(&out[0]), dmpi_sink_to_buf(&out[1])};
    dmpi_demux_init(&d, &streams);
    for (size_t i = 0; i < n; i += step) {
        if (dmpi_demux_feed(&d, data + i, n - i < step ? n - i : step, err) != 0)
            return -1;
    }
    return dmpi_demux_finish(&d, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte says how the rest is cut. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dmpi_buf whole[2] = {DMPI_BUF_INIT(MAX), DMPI_BUF_INIT(MAX)};
    struct dmpi_buf cut[2] = {DMPI_BUF_INIT(MAX), DMPI_BUF_INIT(MAX)};
    struct dmpi_err err1 = DMPI_ERR_INIT, err2 = DMPI_ERR_INIT;
    if (size < 2 || size > MAX)
        return 0;
    const char *text = (const char *)data + 1;
    int result1 = run(whole, text, size - 1, size, &err1);
    int result2 = run(cut, text, size - 1, 1u + data[0], &err2);
    if (result1 != result2 || err1.code != err2.code)
        abort();
    for (int i = 0; i < 2; i++) {
        if (strcmp(dmpi_buf_str(&whole[i]), dmpi_buf_str(&cut[i])) != 0 ||
            whole[i].len != cut[i].len || whole[i].len >= size)
            abort();
        dmpi_buf_free(&whole[i]);
        dmpi_buf_free(&cut[i]);
    }
    return 0;
}
