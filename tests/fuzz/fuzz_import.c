// SPDX-License-Identifier: MIT
// Whatever is imported becomes a cluster file that `up` accepts.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "spec/import.h"
#include "spec/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_import_opts opts = {.name = "lab", .user = "ubuntu"};
    struct dmpi_flags flags = {.file = "made.yaml"};
    DMPI_AUTO(dmpi_import_free) struct dmpi_import import;
    DMPI_AUTO(dmpi_spec_free) struct dmpi_spec spec;
    dmpi_autofree char *yaml = NULL;
    if (dmpi_import_parse(&import, (const char *)data, size, "in", &err)) {
        spec = (struct dmpi_spec){.name = NULL};
        return 0;
    }
    if (dmpi_import_yaml(&yaml, &import, &opts, &err) ||
        dmpi_spec_make_text(&spec, &flags, yaml, strlen(yaml), NULL, &err) ||
        spec.n_nodes != import.n)
        abort();
    return 0;
}
