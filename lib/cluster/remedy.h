// SPDX-License-Identifier: MIT
// What to do about the engine's more cryptic refusals.
#ifndef DMPI_CLUSTER_REMEDY_H
#define DMPI_CLUSTER_REMEDY_H

#include "base/err.h"

// The remedy for a message of the engine or of a container, NULL when none is known. Static.
const char *dmpi_remedy_find(const char *message);

// Appends the remedy to the error's message, if one is known.
void dmpi_remedy_add(struct dmpi_err *err);

#endif
