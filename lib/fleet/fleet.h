// SPDX-License-Identifier: MIT
// Many engines as easily as one: a sequential function is run on every node at once, within a
// bounded window, with one result and one error a node.
#ifndef DMPI_FLEET_FLEET_H
#define DMPI_FLEET_FLEET_H

#include <stddef.h>
#include <stdint.h>

#include "base/ctl.h"
#include "base/err.h"

struct dmpi_endpoint;
struct dmpi_engine;
struct dmpi_node;
struct dmpi_fleet;

// How many nodes are worked on at once when a caller has no opinion.
#define DMPI_FLEET_WINDOW 128

// How many containers of one node are worked on at once.
#define DMPI_NODE_WINDOW 16

// Makes a fleet of `nodes`, which it borrows until dmpi_fleet_free. Connects to nothing: a node's
// engine is opened when it is first asked for. `connect_ms` is the patience for opening one engine
// (0: 20 seconds). Never fails.
struct dmpi_fleet *dmpi_fleet_new(const struct dmpi_node *nodes, size_t n_nodes,
                                  int64_t connect_ms);

// Closes every engine that was opened. NULL is fine.
void dmpi_fleet_free(struct dmpi_fleet *fleet);

size_t dmpi_fleet_size(const struct dmpi_fleet *fleet);

// The name of a node, borrowed from the fleet's nodes.
const char *dmpi_fleet_name(const struct dmpi_fleet *fleet, size_t node);

// How a node's engine is reached, borrowed from the fleet's nodes.
const struct dmpi_endpoint *dmpi_fleet_endpoint(const struct dmpi_fleet *fleet, size_t node);

// Gives the engine of a node, borrowed until dmpi_fleet_free, and opens it on first use. Callers on
// several threads wait for the one that opens. A failure is remembered, so that a dead node costs
// its patience once and not once a phase; a cancelled attempt is not. The error begins with
// "node NAME: ".
int dmpi_fleet_engine(struct dmpi_engine **out, struct dmpi_fleet *fleet, size_t node,
                      const struct dmpi_ctl *ctl, struct dmpi_err *err);

// Between these two a node's engine is asked for what should come at once. Where it does not come for some seconds,
// as when the engine is opened, the user is told which node is waited for (fleet/waiting.h).
void dmpi_fleet_asked(struct dmpi_fleet *fleet, size_t node);
void dmpi_fleet_answered(struct dmpi_fleet *fleet, size_t node);

// Forgets a remembered failure to open a node's engine, so that the next use tries again.
void dmpi_fleet_retry(struct dmpi_fleet *fleet, size_t node);

// Closes the connections of a node that wait for another call where not all nodes can be worked on at once: so memory
// and descriptors grow with the window and not with the nodes. The next call makes a new one.
void dmpi_fleet_rest(struct dmpi_fleet *fleet, size_t node);

// What runs on each node. An error needs no node name: dmpi_fleet_each puts it in front.
typedef int dmpi_fleet_fn(struct dmpi_engine *engine, size_t node, void *arg, struct dmpi_err *err);

// Runs `fn` for every node at once, at most `window` of them at a time (0: DMPI_FLEET_WINDOW), and
// returns when all have ended. `errs` has one entry a node and is overwritten: DMPI_OK where fn
// returned 0. A node whose engine cannot be opened fails without fn. A node that has not begun when
// `ctl` is cancelled or out of time fails with that. Where nodes have to wait for others, those that are done keep no
// connection open: memory and descriptors grow with the window. Returns the number of nodes that failed.
size_t dmpi_fleet_each(struct dmpi_fleet *fleet, const struct dmpi_ctl *ctl, size_t window,
                       dmpi_fleet_fn *fn, void *arg, struct dmpi_err *errs);

// Sums up what dmpi_fleet_each reported in `errs`. Returns 0 when no node failed. Otherwise sets
// `err` to the first failure, preceded by how many nodes failed when they are several, and returns
// -1; the code is that of the failure, or DMPI_EPARTIAL when some nodes succeeded.
int dmpi_fleet_sum(const struct dmpi_fleet *fleet, const struct dmpi_err *errs,
                   struct dmpi_err *err);

#endif
