// SPDX-License-Identifier: MIT
// Which rank runs where: the layout, and the two texts made of it.
#ifndef DMPI_MPI_HOSTFILE_H
#define DMPI_MPI_HOSTFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "mesh/mesh.h"

// The ranks of one worker. Rank numbers follow the order of the places.
struct dmpi_place {
    const struct dmpi_mesh_worker *worker; // borrowed from the mesh
    int slots, ranks;                      // 1 <= ranks <= slots
};

struct dmpi_layout {
    struct dmpi_place *places; // only workers that get ranks
    size_t n;
    int np;              // ranks in all
    bool oversubscribed; // some node has more ranks than processors
};

// Fills the workers' slots one after the other with np ranks (0: all slots). slots > 0 replaces the
// workers' own number. DMPI_EINVAL: no workers, negative numbers, more ranks than slots.
int dmpi_layout_make(struct dmpi_layout *out, const struct dmpi_mesh *mesh, int np, int slots,
                     struct dmpi_err *err);
void dmpi_layout_free(struct dmpi_layout *layout); // NULL is allowed

// A node on which several ranks of GPU images would share a GPU: its name, NULL when there is none. Workers
// on one node see the same GPUs. *ranks and *gpus are what it has. Borrowed.
const char *dmpi_layout_crowded(const struct dmpi_layout *layout, int *ranks, int *gpus);

// "worker-0 slots=2\n" for each place. Owned by the caller.
char *dmpi_layout_hostfile(const struct dmpi_layout *layout);

// DOCKMPI_PLAN: "0-3:2,4:1", runs of neighbouring workers with the same number of ranks. Owned by the
// caller.
char *dmpi_layout_plan(const struct dmpi_layout *layout);

#endif
