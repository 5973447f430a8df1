// SPDX-License-Identifier: MIT
// Choosing a TCP port that nobody uses.
#ifndef DMPI_MESH_PORTS_H
#define DMPI_MESH_PORTS_H

#include "base/err.h"
#include "mesh/facts.h"
#include "spec/ports.h"

#define DMPI_PORT_FIRST 20000
#define DMPI_PORT_LAST 29999

// A port of `within` that is neither in facts->listening nor in taken. within NULL or not given: of
// DMPI_PORT_FIRST..DMPI_PORT_LAST, outside the node's ephemeral range unless that covers nearly all of it.
// The search starts at a place that depends on seed only, so that the same worker gets the same port
// again. facts and taken may be NULL. DMPI_ECONFLICT when every port is in use.
int dmpi_port_choose(int *out, const struct dmpi_ports *within, const struct dmpi_facts *facts,
                     const struct dmpi_port_set *taken, const char *seed, struct dmpi_err *err);

// The same from the at-th port on (counted from the first, and around the end).
int dmpi_port_choose_from(int *out, const struct dmpi_ports *within, const struct dmpi_facts *facts,
                          const struct dmpi_port_set *taken, unsigned at, struct dmpi_err *err);

#endif
