// SPDX-License-Identifier: MIT
// A build context: the files of a folder as one tar, read in bounded memory.
#ifndef DMPI_CLUSTER_CONTEXT_H
#define DMPI_CLUSTER_CONTEXT_H

#include "base/err.h"
#include "base/strv.h"
#include "engine/stream.h"

struct dmpi_context;

// Lists the folder. What .dockerignore says is left out (see cluster/ignore.h), except the files
// Dockerfile and .dockerignore. Symbolic links stay links; devices, sockets and FIFOs are
// DMPI_EINVAL. The same content always gives the same bytes: entries are sorted, belong to root,
// carry one fixed time and the modes 0644 or 0755. *out is owned by the caller; NULL after an error.
// more: folders from elsewhere that are put beside the files under their last names; NULL or none;
// borrowed until dmpi_context_free. A name that dir has, too, is DMPI_ECONFLICT.
int dmpi_context_open(struct dmpi_context **out, const char *dir, const struct dmpi_strv *more,
                      struct dmpi_err *err);

// The tar, once from its beginning. A file that became shorter meanwhile is an error. Borrows context.
struct dmpi_source dmpi_context_source(struct dmpi_context *context);

void dmpi_context_free(struct dmpi_context *context); // NULL is allowed

#endif
