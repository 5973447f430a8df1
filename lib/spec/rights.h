// SPDX-License-Identifier: MIT
// What a container may do: as little as sshd and mpirun need, and what a profile or the user adds to that.
#ifndef DMPI_SPEC_RIGHTS_H
#define DMPI_SPEC_RIGHTS_H

#include <jansson.h>
#include <stdbool.h>

#include "spec/plan.h"

// Completes a HostConfig whose CapAdd, CapDrop, SecurityOpt and the like are what profile and user asked for: all
// capabilities are dropped but those that the role needs and those asked for, and no program gains any by being
// started (no-new-privileges; "no-new-privileges:false" among the SecurityOpt says otherwise). Privileged
// containers stay what they are. unprivileged: nothing in it runs as root, and so nothing needs any.
void dmpi_rights_limit(json_t *host_config, enum dmpi_role role, bool unprivileged);

// What a completed HostConfig has beyond that, for people: "capability SYS_PTRACE; device /dev/kfd". NULL when it
// has nothing. Owned by the caller.
char *dmpi_rights_text(const json_t *host_config, enum dmpi_role role);

#endif
