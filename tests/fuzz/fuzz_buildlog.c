// SPDX-License-Identifier: MIT
// What an engine says during a build, cut anywhere: the same lines, whatever the cuts, and an error of
// one line after it.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "cluster/buildlog.h"

static void add(void *arg, const char *image, enum dmpi_build_event event, const char *text)
{
    (void)image;
    if (strchr(text, '\n'))
        abort();
    dmpi_sha256_update(arg, text, strlen(text) + 1);
    dmpi_sha256_update(arg, &event, sizeof event);
}

static void run(const char *text, size_t n, size_t step, char out[DMPI_SHA256_HEX])
{
    struct dmpi_sha256 told;
    struct dmpi_buildlog log;
    struct dmpi_err err;
    const struct dmpi_build_opts opts = {.tell = add, .arg = &told};
    dmpi_sha256_init(&told);
    dmpi_buildlog_init(&log, "image", &opts);
    for (size_t i = 0; i < n; i += step) {
        dmpi_json_auto json_t *object = dmpi_json_new_obj();
        dmpi_autofree char *piece = dmpi_xstrndup(text + i, n - i < step ? n - i : step);
        dmpi_json_set_str(object, "stream", piece);
        dmpi_buildlog_object(&log, object, &err);
    }
    dmpi_err_set(&err, DMPI_EENGINE, "The command '%.100s' returned a non-zero code: 1", text);
    dmpi_buildlog_error(&log, &err);
    dmpi_sha256_update(&told, err.msg, strlen(err.msg));
    dmpi_sha256_final_hex(&told, out);
    dmpi_buildlog_free(&log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// The first byte says how the rest is cut. Only ASCII: a cut inside a character would be another text.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char whole[DMPI_SHA256_HEX], cut[DMPI_SHA256_HEX];
    if (size < 2)
        return 0;
    dmpi_autofree char *text = dmpi_xmalloc(size);
    for (size_t i = 1; i < size; i++)
        text[i - 1] = (char)(data[i] & 0x7f ? data[i] & 0x7f : '\n');
    text[size - 1] = '\0';
    run(text, size - 1, size, whole);
    run(text, size - 1, 1U + data[0], cut);
    if (strcmp(whole, cut) != 0)
        abort();
    return 0;
}
