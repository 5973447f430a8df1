// SPDX-License-Identifier: MIT
// .dockerignore: a text of patterns, then a NUL, then a path. An exception for the path itself, added at
// the end, always brings it back.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cluster/ignore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    dmpi_autofree char *text = dmpi_xstrndup((const char *)data, size);
    size_t patterns = strlen(text) + 1;
    dmpi_autofree char *path = patterns < size
                                   ? dmpi_xstrndup((const char *)data + patterns, size - patterns)
                                   : dmpi_xstrdup("a/b");
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv list = dmpi_ignore_parse(text);
    dmpi_ignore_match(&list, path);
    if (!*path || strpbrk(path, "*?[]\\/"))
        return 0;
    dmpi_strv_addf(&list, "!%s", path);
    if (dmpi_ignore_match(&list, path))
        abort();
    return 0;
}
