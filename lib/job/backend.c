// SPDX-License-Identifier: MIT
#include "job/backend.h"

#include <string.h>

#include "base/mem.h"

static const char *vendor(enum dmpi_gpu gpu)
{
    return gpu == DMPI_GPU_AMD ? "AMD" : "NVIDIA";
}

// PyTorch calls RCCL by NCCL's name.
static int canonical(const char **out, const char *wanted, struct dmpi_err *err)
{
    static const char *const names[] = {"mpi", "gloo", "nccl"};

    *out = strcmp(wanted, "rccl") == 0 ? "nccl" : wanted;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(names); i++) {
        if (strcmp(*out, names[i]) == 0)
            return 0;
    }
    return dmpi_err_set(err, DMPI_EINVAL, "--backend %.80s: there are mpi, gloo, nccl (rccl)",
                        wanted);
}

// The first image that has other GPUs than the first one, or NULL. One that is not known differs from
// none.
static const struct dmpi_backend_image *other(const struct dmpi_backend_image *images, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (images[i].profile->image && images[0].profile->image &&
            images[i].profile->gpu != images[0].profile->gpu)
            return &images[i];
    }
    return NULL;
}

static int check_nccl(const struct dmpi_backend_image *images, size_t n, struct dmpi_err *err)
{
    const struct dmpi_backend_image *differs = other(images, n);

    for (size_t i = 0; i < n; i++) {
        const struct dmpi_profile *p = images[i].profile;
        // A profile that only lists devices may mean GPUs by them.
        if (p->image && p->gpu == DMPI_GPU_NONE && p->devices.n == 0)
            return dmpi_err_set(err, DMPI_EINVAL,
                                "--backend nccl: every rank needs a GPU, and image %s has none "
                                "(gpu: in its image.yaml): use --backend mpi or gloo",
                                images[i].name);
    }
    if (!differs)
        return 0;
    return dmpi_err_set(err, DMPI_EINVAL,
                        "--backend nccl: image %s has %s GPUs and image %s %s GPUs, and NCCL and "
                        "RCCL cannot talk to each other: use --backend mpi",
                        images[0].name, vendor(images[0].profile->gpu), differs->name,
                        vendor(differs->profile->gpu));
}

static const char *choose(const struct dmpi_backend_image *images, size_t n)
{
    const char *first = n ? images[0].profile->backend : NULL;

    if (other(images, n))
        return "mpi";
    for (size_t i = 1; i < n; i++) {
        const char *next = images[i].profile->backend;

        if ((first == NULL) != (next == NULL) || (first && strcmp(first, next) != 0))
            return "mpi";
    }
    return first;
}

int dmpi_job_backend(const char **out, const char *wanted, const struct dmpi_backend_image *images,
                     size_t n, struct dmpi_err *err)
{
    *out = NULL;
    if (!wanted) {
        *out = choose(images, n);
        return 0;
    }
    if (canonical(out, wanted, err) != 0)
        return -1;
    return strcmp(*out, "nccl") == 0 ? check_nccl(images, n, err) : 0;
}
