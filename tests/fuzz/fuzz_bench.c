// SPDX-License-Identifier: MIT
// What a job prints for `bench`, in two pieces: read, compared with itself, made into gnuplot's script.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "job/bench.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_bench_reader reader = {.row = NULL};
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf script = DMPI_BUF_INIT(1U << 20);
    size_t first = size > 0 ? data[0] % size : 0;
    dmpi_bench_begin(&reader);
    struct dmpi_sink sink = dmpi_bench_sink(&reader);
    dmpi_sink_write(&sink, data, first, &err);
    dmpi_sink_write(&sink, data + first, size - first, &err);
    json_t *runs = dmpi_json_new_arr();
    dmpi_json_add(runs, dmpi_bench_end(&reader, NULL));
    dmpi_json_auto json_t *result = dmpi_json_new_obj();
    dmpi_json_set(result, "runs", runs);
    dmpi_json_auto json_t *before = json_deep_copy(result);
    dmpi_bench_compare(result, before, &err);
    dmpi_bench_wrong(result);
    dmpi_bench_script(&script, result, before, dmpi_bench_line_rate(result), false);
    // A line of the script that begins with a command must be one of ours.
    if (!script.overflow &&
        (strstr(dmpi_buf_str(&script), "\nsystem") || strstr(dmpi_buf_str(&script), "\n!")))
        abort();
    return 0;
}
