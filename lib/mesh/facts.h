// SPDX-License-Identifier: MIT
// What a container can see of its node, read from the text that the shell functions of
// spec/facts.sh print. The text is not trusted: sizes are bounded, odd lines are errors or ignored.
#ifndef DMPI_MESH_FACTS_H
#define DMPI_MESH_FACTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strv.h"

#define DMPI_FACTS_MAX (4U << 20) // bytes of text that the parser accepts
#define DMPI_IFACE_MAX 32         // room for an interface name
#define DMPI_ADDR_MAX 46          // room for an address as text (INET6_ADDRSTRLEN)

// A set of TCP ports.
struct dmpi_port_set {
    unsigned char bits[65536 / 8];
};
void dmpi_port_set_add(struct dmpi_port_set *set, int port); // outside 0..65535: ignored
bool dmpi_port_set_has(const struct dmpi_port_set *set, int port);

// One address of one interface.
struct dmpi_iface {
    char name[DMPI_IFACE_MAX];
    char addr[DMPI_ADDR_MAX];
    char network[DMPI_ADDR_MAX]; // its first address
    int prefix;                  // bits
    int mtu;                     // bytes, 0 when unknown
};

struct dmpi_facts {
    char *hostname;                     // never NULL after a successful parse ("" when not told)
    char *sshd;                         // path, NULL when the image has none
    char *mpirun;                       // path, NULL when the image has none
    int uid;                            // of the container's process
    int cpus;                           // usable processors, 0 when unknown
    int local_port_min, local_port_max; // the kernel's ephemeral ports; 0, 0 when unknown
    bool remapped;                      // root there is another user of the node
    bool root_locked;                   // root's password field is locked ("!")
    bool sshd_penalties;                // its sshd knows PerSourcePenalties
    bool pdeathsig;                     // it has a setpriv that can set a parent death signal
    bool guard; // its mpirun and launch daemons can be guarded (images/launcher/guard.c)
    struct dmpi_iface *ifaces;
    size_t n_ifaces;
    int ompi;                       // generation of Open MPI: 4, 5; 0 when unknown
    int nvidia, amd;                // GPUs that the container sees
    struct dmpi_strv groups;        // numbers of the groups that own its devices, no doubles
    struct dmpi_strv rdma;          // "IFACE DEVICE" for RDMA devices of an interface
    struct dmpi_port_set listening; // ports with a TCP listener on any address
    struct dmpi_strv env;           // the container's environment, KEY=VALUE
};

// Reads the lines between "dockmpi: facts 1" and "dockmpi: facts end"; what is before and after is
// ignored. *out is to be freed by dmpi_facts_free, also after an error. DMPI_EPARSE when a marker is
// missing or a line is malformed.
int dmpi_facts_parse(struct dmpi_facts *out, const char *text, size_t len, struct dmpi_err *err);

// Length of the text up to and including the end marker's line, 0 while that has not arrived.
size_t dmpi_facts_complete(const char *text, size_t len);

void dmpi_facts_free(struct dmpi_facts *facts); // NULL is allowed

// The interface that carries an address (text, IPv4 or IPv6), NULL when none does. Every 127.x.y.z
// belongs to the loopback interface. Borrowed.
const struct dmpi_iface *dmpi_facts_iface(const struct dmpi_facts *facts, const char *addr);

// The first address of the node inside a subnet such as "172.31.0.0/16", NULL when there is none.
// Borrowed. A malformed subnet matches nothing.
const char *dmpi_facts_addr_in(const struct dmpi_facts *facts, const char *subnet);

// An address of another IPv4 network on the interface that carries `addr`, NULL when there is none.
// Open MPI asks an interface for its address, and so knows only the first. Borrowed.
const char *dmpi_facts_rival(const struct dmpi_facts *facts, const char *addr);

// "10.0.0.0/24" of an interface. Owned by the caller.
char *dmpi_iface_cidr(const struct dmpi_iface *iface);

// True when the node has no address outside loopback. The launch daemon of Open MPI 5 crashes
// without a word on such a node as soon as it has to reach a second worker.
bool dmpi_facts_only_loopback(const struct dmpi_facts *facts);

// Whether text is a loopback address.
bool dmpi_addr_is_loopback(const char *addr);

#endif
