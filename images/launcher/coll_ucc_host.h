// SPDX-License-Identifier: MIT
// Included before the sources of Open MPI's component for UCC: collectives whose buffers lie on a GPU are
// refused by it, and so go to Open MPI's own, which know what to do with them. Debian's UCC is built for
// buffers in memory alone; it would take any address for one and end the program.
#include <stddef.h>
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

// The buffer comes first in all forms of src and dst. Without either (a barrier) they are NULL.
static inline ucc_status_t dockmpi_collective_init(ucc_coll_args_t *args, ucc_coll_req_h *request,
                                                   ucc_team_h team)
{
    if (dockmpi_on_gpu(args->src.info.buffer) || dockmpi_on_gpu(args->dst.info.buffer))
        return UCC_ERR_NOT_SUPPORTED;
    return ucc_collective_init(args, request, team);
}

#define ucc_collective_init dockmpi_collective_init
