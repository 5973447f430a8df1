// SPDX-License-Identifier: MIT
// The range of TCP ports that a cluster keeps to, where a firewall lets only those through. Its upper
// quarter is for what is chosen before it listens (sshd of every worker, mpirun, the rendezvous of
// PyTorch); the rest is for the ranks, who take what they find free there.
#ifndef DMPI_SPEC_PORTS_H
#define DMPI_SPEC_PORTS_H

#include <stdbool.h>

#include "base/err.h"

// Both ends belong to it. 0, 0: no range was given.
struct dmpi_ports {
    int first, last;
};

// "30000-30199", within 1024..65535. DMPI_EINVAL otherwise.
int dmpi_ports_parse(struct dmpi_ports *out, const char *text, struct dmpi_err *err);

bool dmpi_ports_given(const struct dmpi_ports *ports);
int dmpi_ports_count(const struct dmpi_ports *ports);

// The two parts of a range; of one that is not given: not given, too.
struct dmpi_ports dmpi_ports_services(const struct dmpi_ports *ports);
struct dmpi_ports dmpi_ports_ranks(const struct dmpi_ports *ports);

// How many ports a range must have for a node with so many workers and ranks.
int dmpi_ports_needed(int workers, int ranks);

// DMPI_EINVAL when a range that is given is too small for that node: the message says what needs how
// many.
int dmpi_ports_check(const struct dmpi_ports *ports, const char *node, int workers, int ranks,
                     struct dmpi_err *err);

// "30000-30199", owned by the caller.
char *dmpi_ports_str(const struct dmpi_ports *ports);

#endif
