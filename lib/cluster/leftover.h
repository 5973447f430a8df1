// SPDX-License-Identifier: MIT
// What could outlive a container that was removed, looked for: volumes, networks, processes.
#ifndef DMPI_CLUSTER_LEFTOVER_H
#define DMPI_CLUSTER_LEFTOVER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/ctl.h"
#include "base/err.h"
#include "cluster/state.h"

struct dmpi_engine;

// The containers of one node. The members are borrowed.
struct dmpi_leftover {
    const char *cluster; // NULL: of every cluster
    const struct dmpi_member *const *members;
    size_t n;
    bool visible; // their processes can be seen from here, see dmpi_leftover_see
};

// Whether the processes of the node's running containers are in our own /proc, under the control group
// that carries their container's id. Only a look that finds them beforehand proves anything by finding
// none afterwards: the engine may be on another machine, or its containers in another one's kernel.
// Call it while they run.
bool dmpi_leftover_see(const struct dmpi_leftover *of);

// Looks once the containers are removed. -1 names the first thing that is still there, or the call that
// failed: a volume or a network with the cluster's label, an anonymous volume of one of the members, or
// (where `visible`) a process of one of them, for which it has ten seconds' patience.
int dmpi_leftover_look(const struct dmpi_leftover *of, struct dmpi_engine *engine,
                       const struct dmpi_ctl *ctl, struct dmpi_err *err);

// Pure: whether the text of a /proc/PID/cgroup is that of a process in the container `id`. Podman's own
// helpers, which stay minutes after an exec, are in groups of their own and do not count.
bool dmpi_leftover_in_cgroup(const char *text, const char *id);

#endif
