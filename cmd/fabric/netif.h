// SPDX-License-Identifier: MIT
// Network interfaces as this container sees them.
#ifndef FABRIC_NETIF_H
#define FABRIC_NETIF_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "jsonw.h"

// The same for processes that share a kernel and its network, as containers with host networking do.
uint64_t fab_machine(void);

// The interface that the job was told to use ("" when it was not told).
void fab_netif_of_job(char *out, size_t room);

// Speed in Mbit/s, as the driver says under sys ("/sys"); 0 when it does not say.
long long fab_netif_speed(const char *sys, const char *name);

// "10.0.0.0/24" for an address and its mask, "fd00::/64" likewise; "" for another family. A mask with
// holes counts up to its first hole.
void fab_network(char *out, size_t room, const struct sockaddr *addr, const struct sockaddr *mask);

// Appends an array "interfaces" of objects: name, address, network, mtu, mbit_s, driver, up.
void fab_netif_json(struct fab_json *json, const char *sys);

#endif
