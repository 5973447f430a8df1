// SPDX-License-Identifier: MIT
// Cluster files: whatever is accepted is within the limits that the rest relies on.
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/text.h"
#include "spec/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_flags flags = {.file = "cluster.yaml"};
    struct dmpi_endpoint local;
    struct dmpi_spec spec;
    if (dmpi_endpoint_parse(&local, "unix:///local.sock", &err))
        abort();
    if (dmpi_spec_make_text(&spec, &flags, size ? (const char *)data : "", size, &local, &err) ==
        0) {
        int workers = dmpi_spec_workers(&spec);
        if (workers < 1 || workers > DMPI_WORKERS_MAX || spec.launcher_node >= spec.n_nodes)
            abort();
        if (!dmpi_text_name_ok(spec.name) || spec.workdir[0] != '/' || !spec.origin)
            abort();
        for (size_t i = 0; i < spec.n_nodes; i++) {
            if (!dmpi_text_name_ok(spec.nodes[i].name) || spec.nodes[i].slots < 1 ||
                spec.nodes[i].n_groups < 1)
                abort();
        }
    }
    dmpi_spec_free(&spec);
    dmpi_endpoint_free(&local);
    return 0;
}
