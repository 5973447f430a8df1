// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "job/backend.h"

static char image[] = "i", nccl[] = "nccl", gloo[] = "gloo", dev_kfd[] = "/dev/kfd";
static char *kfd[] = {dev_kfd, NULL};
static const struct dmpi_profile nvidia = {.image = image, .gpu = DMPI_GPU_NVIDIA, .backend = nccl};
static const struct dmpi_profile amd = {.image = image, .gpu = DMPI_GPU_AMD, .backend = nccl};
static const struct dmpi_profile cpu = {.image = image};
static const struct dmpi_profile cpu_gloo = {.image = image, .backend = gloo};
static const struct dmpi_profile by_device = {.image = image, .devices = {kfd, 1}};
static const struct dmpi_profile unknown = {0};

static void backends(void **state)
{
    static const struct {
        const struct dmpi_profile *profiles[3];
        const char *wanted;
        const char *want; // the backend, or a part of the error
    } rows[] = {
        {{&nvidia, &nvidia}, NULL, "nccl"},
        {{&amd}, NULL, "nccl"},
        {{&nvidia, &amd}, NULL, "mpi"},
        {{&nvidia, &cpu}, NULL, "mpi"},
        {{&cpu}, NULL, "the job's own"},
        {{&cpu_gloo}, NULL, "gloo"},
        {{&cpu, &cpu_gloo}, NULL, "mpi"},
        {{&nvidia, &amd, &cpu}, "mpi", "mpi"},
        {{&nvidia}, "gloo", "gloo"},
        {{&nvidia}, "rccl", "nccl"},
        {{&nvidia, &unknown}, "nccl", "nccl"},
        {{&by_device}, "nccl", "nccl"},
        {{&nvidia}, "smoke", "--backend smoke: there are mpi, gloo, nccl (rccl)"},
        {{&cpu}, "nccl", "every rank needs a GPU, and image a has none"},
        {{&nvidia, &cpu}, "nccl", "every rank needs a GPU, and image b has none"},
        {{&nvidia, &amd},
         "nccl",
         "image a has NVIDIA GPUs and image b AMD GPUs, and NCCL and RCCL cannot talk to each "
         "other: use --backend mpi"},
    };
    static const char *const names[] = {"a", "b", "c"};

    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_backend_image images[3];
        struct dmpi_err err = DMPI_ERR_INIT;
        const char *got = NULL;
        size_t n = 0;

        for (; n < 3 && rows[i].profiles[n]; n++)
            images[n] = (struct dmpi_backend_image){rows[i].profiles[n], names[n]};
        bool failed = dmpi_job_backend(&got, rows[i].wanted, images, n, &err) != 0;
        const char *text = failed ? err.msg : got ? got : "the job's own";
        if (failed ? !strstr(text, rows[i].want) : strcmp(text, rows[i].want) != 0)
            fail_msg("row %zu: got \"%s\", wanted \"%s\"", i, text, rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(backends)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
