// SPDX-License-Identifier: MIT
// image.yaml and job.yaml.
#include <stdint.h>
#include <stdlib.h>

#include "spec/jobspec.h"
#include "spec/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_profile profile;
    struct dmpi_jobspec job;
    const char *text = size ? (const char *)data : "";
    if (dmpi_profile_parse(&profile, text, size, "x", "image.yaml", &err) == 0 &&
        (!profile.image || !profile.shell || profile.shm_size < 0))
        abort();
    if (dmpi_jobspec_parse(&job, text, size, "x", "job.yaml", &err) == 0 && !job.program)
        abort();
    dmpi_profile_free(&profile);
    dmpi_jobspec_free(&job);
    return 0;
}
