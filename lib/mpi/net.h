// SPDX-License-Identifier: MIT
// Which networks the ranks use, calculated from the workers' data addresses, so that no bridge or VPN
// interface is ever picked by accident.
#ifndef DMPI_MPI_NET_H
#define DMPI_MPI_NET_H

#include <stdbool.h>

#include "base/strv.h"
#include "mesh/mesh.h"

struct dmpi_net {
    struct dmpi_strv cidrs; // exact networks of all workers, no doubles, in order of the workers
    bool loopback;          // every worker has a loopback address: one machine
    bool mixed;             // some workers have a loopback address and some do not: cannot work
    char *iface;            // the interface's name where it is the same for launcher and workers
};

// Pure. *out is to be freed by dmpi_net_free.
void dmpi_net_choose(struct dmpi_net *out, const struct dmpi_mesh *mesh);
void dmpi_net_free(struct dmpi_net *net); // NULL is allowed

#endif
