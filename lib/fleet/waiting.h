// SPDX-License-Identifier: MIT
// Tells the user which nodes are being waited for, when they have not answered for some seconds: patience with an
// engine that hangs is much longer than that of a person who sees nothing.
#ifndef DMPI_FLEET_WAITING_H
#define DMPI_FLEET_WAITING_H

#include <stddef.h>
#include <stdint.h>

struct dmpi_node;
struct dmpi_waiting;

// For n nodes, borrowed until dmpi_waiting_free. One that has not answered after_ms after it was asked is told by
// dmpi_warn, once; several at once share a line. Never fails.
struct dmpi_waiting *dmpi_waiting_new(const struct dmpi_node *nodes, size_t n, int64_t after_ms);

// Nothing is told any more. NULL is fine.
void dmpi_waiting_free(struct dmpi_waiting *w);

// A node was asked for what should come at once, and has answered or was given up. From any thread; several may ask a
// node at once, and each answer is a sign of life.
void dmpi_waiting_asked(struct dmpi_waiting *w, size_t node);
void dmpi_waiting_answered(struct dmpi_waiting *w, size_t node);

#endif
