// SPDX-License-Identifier: MIT
// The stream of JSON objects that build, load, pull and events answer with.
#include <stdint.h>
#include <stdlib.h>

#include "engine/jsonstream.h"

static int count(void *arg, json_t *object, struct dmpi_err *err)
{
    (void)object;
    (void)err;
    ++*(size_t *)arg;
    return 0;
}

static int run(const char *data, size_t n, size_t step, size_t *objects)
{
    struct dmpi_err err;
    struct dmpi_jsonstream js;
    struct dmpi_progress progress = {.cb = count, .arg = objects};
    int result = 0;
    dmpi_jsonstream_init(&js, dmpi_progress_object, &progress);
    for (size_t i = 0; i < n && result == 0; i += step)
        result = dmpi_jsonstream_feed(&js, data + i, n - i < step ? n - i : step, &err);
    if (result == 0)
        result = dmpi_jsonstream_finish(&js, &err);
    dmpi_jsonstream_free(&js);
    free(progress.id);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte says how the rest is cut. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t whole = 0, cut = 0;
    if (size < 2)
        return 0;
    const char *text = (const char *)data + 1;
    int result1 = run(text, size - 1, size, &whole);
    int result2 = run(text, size - 1, 1u + data[0], &cut);
    if (result1 != result2 || whole != cut)
        abort();
    return 0;
}
