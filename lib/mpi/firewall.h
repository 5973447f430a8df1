// SPDX-License-Identifier: MIT
// A job's listeners within the cluster's range of ports (spec/ports.h), spelt for Open MPI 4 and 5, UCX
// and our own library. Without a range nothing here does anything. Pure.
#ifndef DMPI_MPI_FIREWALL_H
#define DMPI_MPI_FIREWALL_H

#include "base/err.h"
#include "base/strv.h"
#include "mesh/facts.h"
#include "mesh/mesh.h"
#include "mpi/hostfile.h"
#include "spec/ports.h"

// DMPI_EINVAL when the range is too small for the ranks that one of the nodes gets.
int dmpi_firewall_check(const struct dmpi_layout *layout, const struct dmpi_ports *ports,
                        struct dmpi_err *err);

// The port of a job's rendezvous; facts: of the first worker's node, or NULL. job: its number.
int dmpi_firewall_master_port(int *out, const struct dmpi_ports *ports,
                              const struct dmpi_facts *facts, const char *cluster, int job,
                              struct dmpi_err *err);

// For mpirun and its daemons. master_port: the job's, which they leave alone.
int dmpi_firewall_daemon_env(struct dmpi_strv *env, const struct dmpi_mesh *mesh, int master_port,
                             struct dmpi_err *err);

// For the ranks: MCA parameters of Open MPI's own TCP, and variables of all others.
void dmpi_firewall_rank_mca(struct dmpi_strv *mca, const struct dmpi_ports *ports);
void dmpi_firewall_rank_env(struct dmpi_strv *env, const struct dmpi_ports *ports);

#endif
