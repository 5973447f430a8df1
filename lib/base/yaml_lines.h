// SPDX-License-Identifier: MIT
// The tree of keys and lines beside a YAML document. Part of base/yaml.h.
// (Not a table of paths: their lengths would multiply in a hostile document.)
#ifndef DMPI_BASE_YAML_LINES_H
#define DMPI_BASE_YAML_LINES_H

#include <stddef.h>

struct dmpi_yaml_lines {
    char *key; // NULL for the root and for items of a sequence
    int line;
    struct dmpi_yaml_lines *kids;
    size_t n_kids;
};

// Moves *kid, which is empty afterwards, to the end of the children of lines.
void dmpi_yaml_lines_add(struct dmpi_yaml_lines *lines, struct dmpi_yaml_lines *kid);

// Frees what lines holds, not lines itself. NULL is allowed.
void dmpi_yaml_lines_free(struct dmpi_yaml_lines *lines);

#endif
