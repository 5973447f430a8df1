// SPDX-License-Identifier: MIT
// The rules of .dockerignore.
#ifndef DMPI_CLUSTER_IGNORE_H
#define DMPI_CLUSTER_IGNORE_H

#include <stdbool.h>

#include "base/strv.h"

// The patterns of a .dockerignore text, in their order: comments and empty lines are left out, white
// space around a pattern, leading and trailing '/' are cut; an exception keeps its '!'. Owned by the
// caller.
struct dmpi_strv dmpi_ignore_parse(const char *text);

// Whether path (relative, '/' between its parts) is left out. * ? [] match within a part, ** any
// number of parts; a pattern that matches a folder covers everything below it; the last pattern that
// matches decides.
bool dmpi_ignore_match(const struct dmpi_strv *patterns, const char *path);

// Whether something below a folder that is left out may still be wanted: there are exceptions.
bool dmpi_ignore_has_exceptions(const struct dmpi_strv *patterns);

#endif
