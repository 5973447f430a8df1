// SPDX-License-Identifier: MIT
#include "mpi/tune.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

static const char *const nothing[] = {NULL};

// ob1 over whatever needs no special hardware. An exclusion, because the names of the shared memory
// component differ between Open MPI 4 and 5.
static const char *const tcp_mca[] = {"pml=ob1", "btl=^uct,ofi,openib,smcuda,usnic", NULL};

// Debian's configuration and UCX's own checks turn it off where there is only TCP, unless it is told
// twice.
#define UCX_MCA "pml=ucx", "pml_ucx_tls=any", "pml_ucx_devices=any"
static const char *const ucx_mca[] = {UCX_MCA, NULL};
static const char *const ucc_mca[] = {UCX_MCA, "coll_ucc_enable=1", "coll_ucc_priority=100", NULL};

// AMD cards without a large BAR must not be copied to and from by the host directly.
static const char *const rocm_mca[] = {UCX_MCA, "mpi_accelerator_rocm_memcpyD2H_limit=0",
                                       "mpi_accelerator_rocm_memcpyH2D_limit=0", NULL};
static const char *const rocm_env[] = {"UCX_ROCM_COPY_D2H_THRESH=0", "UCX_ROCM_COPY_H2D_THRESH=0",
                                       "UCC_EC_ROCM_REDUCE_HOST_LIMIT=0",
                                       "UCC_EC_ROCM_COPY_HOST_LIMIT=0", NULL};

static const struct dmpi_tune auto_set = {"auto", "what Open MPI finds on the calculated network",
                                          nothing, nothing};
static const struct dmpi_tune tcp_set = {"tcp", "plain TCP and shared memory", tcp_mca, nothing};
static const struct dmpi_tune ucx_set = {"ucx", "point-to-point by UCX", ucx_mca, nothing};
static const struct dmpi_tune ucc_set = {"ucc", "UCX, and collectives by UCC", ucc_mca, nothing};
static const struct dmpi_tune rocm_set = {"rocm", "UCX on AMD cards without a large BAR", rocm_mca,
                                          rocm_env};
static const struct dmpi_tune none_set = {"none", "no MCA parameter at all from dockmpi", nothing,
                                          nothing};

static const struct dmpi_tune *const sets[] = {&auto_set, &tcp_set,  &ucx_set, &ucc_set,
                                               &rocm_set, &none_set, NULL};

const struct dmpi_tune *const *dmpi_tune_all(void)
{
    return sets;
}

const struct dmpi_tune *dmpi_tune_find(const char *name, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf known = DMPI_BUF_INIT(1024);

    if (!name || !*name)
        return sets[0];
    for (size_t i = 0; sets[i]; i++) {
        if (strcmp(sets[i]->name, name) == 0)
            return sets[i];
        dmpi_buf_addf(&known, "%s%s", i ? ", " : "", sets[i]->name);
    }
    dmpi_err_set(err, DMPI_EINVAL, "no tuning set '%s': there are %s", name, dmpi_buf_str(&known));
    return NULL;
}
