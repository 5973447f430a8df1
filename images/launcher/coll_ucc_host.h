// SPDX-License-Identifier: MIT
// Included before the sources of Open MPI's component for UCC. It changes three things:
//
// Collectives whose buffers lie on a GPU are refused, and so go to Open MPI's own, which know what to do with
// them. Debian's UCC is built for buffers in memory alone; it would take any address for one and end the program.
//
// Barriers are refused likewise. They have no buffer, and the number by which UCC tells UCX "kind of memory
// unknown" is that of the UCX that UCC was built with: an older one calls it invalid, prints three lines for
// each barrier and fails it.
//
// Ranks count as processes of one host only where they also share their process numbers. UCC goes by the
// kernel's boot id alone; ranks of two containers with the same number then were one rank to it ("proc info
// collision"), and the job went on without UCC.
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <ucc/api/ucc.h>

#include "ompi_config.h"

#include "mpi.h"
#include "opal/mca/accelerator/accelerator.h"

static inline int dockmpi_on_gpu(const void *buffer)
{
    uint64_t flags = 0;
    int device = 0;

    return buffer != NULL && buffer != MPI_IN_PLACE &&
           opal_accelerator.check_addr(buffer, &device, &flags) > 0;
}

// The buffer comes first in all forms of src and dst.
static inline ucc_status_t dockmpi_collective_init(ucc_coll_args_t *args, ucc_coll_req_h *request,
                                                   ucc_team_h team)
{
    if (args->coll_type == UCC_COLL_TYPE_BARRIER || dockmpi_on_gpu(args->src.info.buffer) ||
        dockmpi_on_gpu(args->dst.info.buffer))
        return UCC_ERR_NOT_SUPPORTED;
    return ucc_collective_init(args, request, team);
}

#define ucc_collective_init dockmpi_collective_init

// The number of the first namespace of processes, which is the host's own (include/linux/proc_ns.h).
#define DOCKMPI_HOST_PIDS 0xEFFFFFFCU

// UCC keeps what it says about this process in a variable that begins with the host's number. It is changed
// only where that number is found there.
static inline void dockmpi_mend_host(void)
{
    uint64_t *local = (uint64_t *)dlsym(RTLD_DEFAULT, "ucc_local_proc");
    uint64_t (*system_id)(void) = NULL;
    struct stat pids;

    *(void **)&system_id = dlsym(RTLD_DEFAULT, "ucs_get_system_id");
    if (local && system_id && *local == system_id() && stat("/proc/self/ns/pid", &pids) == 0 &&
        pids.st_ino != DOCKMPI_HOST_PIDS)
        *local ^= (uint64_t)pids.st_ino * 0x9E3779B97F4A7C15U;
}

static inline ucc_status_t dockmpi_init(const ucc_lib_params_t *params,
                                        const ucc_lib_config_h config, ucc_lib_h *lib)
{
    ucc_status_t status = ucc_init(params, config, lib);

    if (status == UCC_OK)
        dockmpi_mend_host();
    return status;
}

#define ucc_init dockmpi_init
