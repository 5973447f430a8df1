// SPDX-License-Identifier: MIT
// What an unquoted YAML scalar means (core schema). Part of base/yaml.h.
#ifndef DMPI_BASE_YAML_SCALAR_H
#define DMPI_BASE_YAML_SCALAR_H

#include <jansson.h>

// A new value for the plain scalar text, or NULL with *fault set to a constant complaint (a number
// that no int64 or double holds).
json_t *dmpi_yaml_plain(const char *text, const char **fault);

#endif
