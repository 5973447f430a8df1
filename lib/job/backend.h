// SPDX-License-Identifier: MIT
// The backend of a PyTorch job: which libraries can talk to each other on the GPUs that it gets.
#ifndef DMPI_JOB_BACKEND_H
#define DMPI_JOB_BACKEND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "spec/profile.h"

// One image of the job with ranks. Borrowed.
struct dmpi_backend_image {
    const struct dmpi_profile *profile; // without image: not known on this machine
    const char *name;
};

// NCCL (NVIDIA) and RCCL (AMD) serve the GPUs of one vendor, MPI those of several and processes
// without, gloo those without. wanted is --backend, NULL when the user said nothing. *out is static or
// borrowed; NULL leaves the choice to the job. DMPI_EINVAL: a word that is no backend; nccl where a
// rank has no GPU or where the vendors differ.
int dmpi_job_backend(const char **out, const char *wanted, const struct dmpi_backend_image *images,
                     size_t n, struct dmpi_err *err);

#endif
