// SPDX-License-Identifier: MIT
// YAML (core schema) read into jansson values, with the line of every value kept, so that later
// checks can still say "cluster.yaml:12: unknown key 'wokers'".
//
// Accepted: one document; mappings with string keys, sequences, scalars in every style. Plain
// scalars become null (empty, ~, null), booleans (true, false), integers (decimal, 0x, 0o) and
// reals; everything else, and everything quoted or a block, is a string. Refused, each with its
// line: anchors and aliases, tags, duplicate keys, more than one document, nesting beyond 64,
// more than 1 MiB of text, invalid UTF-8.
#ifndef DMPI_BASE_YAML_H
#define DMPI_BASE_YAML_H

#include <jansson.h>
#include <stddef.h>

#include "base/err.h"

struct dmpi_yaml_lines; // private: a tree of keys and lines

struct dmpi_yaml {
    json_t *root; // never NULL after success; null for an empty document
    struct dmpi_yaml_lines *lines;
    char *name; // as given, for messages
};

#define DMPI_YAML_INIT                                                                             \
    {                                                                                              \
        NULL, NULL, NULL                                                                           \
    }

// name is what messages call the text ("cluster.yaml"). *out is owned by the caller
// (dmpi_yaml_free), and empty after an error: DMPI_EPARSE "NAME:LINE: ...".
int dmpi_yaml_load(struct dmpi_yaml *out, const char *text, size_t len, const char *name,
                   struct dmpi_err *err);

// The same from a file; path is also the name.
int dmpi_yaml_load_file(struct dmpi_yaml *out, const char *path, struct dmpi_err *err);

// The line (from 1) on which the value at path was written; for a mapping entry, the line of its
// key. path is as in messages: "nodes[0].docker", "" for the root. 0 when there is no such value.
int dmpi_yaml_line(const struct dmpi_yaml *y, const char *path);

// Sets err to "NAME:LINE: TEXT" (or "NAME: TEXT" when the path is unknown), code DMPI_EINVAL.
// Returns -1.
int dmpi_yaml_err(struct dmpi_err *err, const struct dmpi_yaml *y, const char *path,
                  const char *fmt, ...) __attribute__((format(printf, 4, 5)));

// Checks that the object obj at path has no key outside the NULL-terminated list; the error names
// line, key and the nearest known key. Returns 0 when obj is NULL or not an object.
int dmpi_yaml_known_keys(const struct dmpi_yaml *y, const json_t *obj, const char *path,
                         const char *const *known, struct dmpi_err *err);

// Wraps the strict getters of base/json.h: when err holds "PATH: TEXT" about a value of y, puts
// "NAME:LINE: " before it, the line being that of path.key (or of path when key is absent).
int dmpi_yaml_err_at(struct dmpi_err *err, const struct dmpi_yaml *y, const char *path,
                     const char *key);

// The value alone, without line table. Owned by the caller.
int dmpi_yaml_parse(json_t **out, const char *text, size_t len, const char *name,
                    struct dmpi_err *err);

void dmpi_yaml_free(struct dmpi_yaml *y); // y is empty afterwards; NULL is allowed

#endif
