// SPDX-License-Identifier: MIT
// Reading of checked values from a YAML document, private to lib/spec. Errors are "FILE:LINE: ...".
// path names the object `obj` ("nodes[0]", "" for the root). An absent or null key leaves *out as it
// is and succeeds. All return 0 or -1.
#ifndef DMPI_SPEC_READ_H
#define DMPI_SPEC_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"
#include "base/yaml.h"

// Where values are read from.
struct dmpi_read {
    const struct dmpi_yaml *y;
    const json_t *obj;
    const char *path;
};

// Sets err to "FILE:LINE: PATH.KEY: TEXT"; -1.
int dmpi_read_fail(const struct dmpi_read *r, const char *key, struct dmpi_err *err,
                   const char *fmt, ...) __attribute__((format(printf, 4, 5)));

// Puts "FILE:LINE: PATH.KEY: " before what err holds; -1.
int dmpi_read_wrap(const struct dmpi_read *r, const char *key, struct dmpi_err *err);

// Whether the value is an object, which `what` describes in the error.
int dmpi_read_object(const struct dmpi_read *r, const char *what, struct dmpi_err *err);

// Non-empty text without control characters; *out is freed and replaced.
int dmpi_read_str(char **out, const struct dmpi_read *r, const char *key, struct dmpi_err *err);
// The same, "~" expanded and relative to the folder of the document.
int dmpi_read_path(char **out, const struct dmpi_read *r, const char *key, struct dmpi_err *err);
int dmpi_read_int(int *out, const struct dmpi_read *r, const char *key, int min, int max,
                  struct dmpi_err *err);
int dmpi_read_bool(bool *out, const struct dmpi_read *r, const char *key, struct dmpi_err *err);
// List of texts, appended.
int dmpi_read_strv(struct dmpi_strv *out, const struct dmpi_read *r, const char *key,
                   struct dmpi_err *err);
// Mapping KEY: scalar, or list of KEY=VALUE, merged into out.
int dmpi_read_env(struct dmpi_strv *out, const struct dmpi_read *r, const char *key,
                  struct dmpi_err *err);
// Bytes: a number, or text such as "8G".
int dmpi_read_size(int64_t *out, const struct dmpi_read *r, const char *key, struct dmpi_err *err);

// Whether s is a name for an environment variable.
bool dmpi_env_name_ok(const char *s, size_t len);

#endif
