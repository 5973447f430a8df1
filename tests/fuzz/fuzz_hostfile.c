// SPDX-License-Identifier: MIT
// Hostfiles: every host that is accepted is fit for an ssh URL.
#include <stdint.h>
#include <stdlib.h>

#include "spec/endpoint.h"
#include "spec/hostfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_hostfile hf;
    if (dmpi_hostfile_parse(&hf, (const char *)data, size, "hosts", &err))
        return 0;
    for (size_t i = 0; i < hf.n; i++) {
        if (!dmpi_host_ok(hf.hosts[i].host) || hf.hosts[i].slots < 0 || hf.hosts[i].slots > 4096)
            abort();
    }
    dmpi_hostfile_free(&hf);
    return 0;
}
