// SPDX-License-Identifier: MIT
// The one place where jansson's ownership rules are handled: setters here never leak and never
// fail (exhausted memory ends the process, invalid UTF-8 becomes U+FFFD).
#ifndef DMPI_BASE_JSON_H
#define DMPI_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strv.h"

// dmpi_json_auto json_t *j = NULL;   -> json_decref(j) at the end of the scope.
void dmpi_json_auto_fn(json_t **j);
#define dmpi_json_auto __attribute__((cleanup(dmpi_json_auto_fn)))

// Parses one JSON value (any type) that fills the whole text, except for white space around it.
// *out is owned by the caller. Errors: DMPI_EPARSE "line 3: ...". Nesting is bounded by jansson.
int dmpi_json_parse(json_t **out, const char *text, size_t len, struct dmpi_err *err);

// Getters: what is absent, null or of another type counts as not there. obj may be NULL or not an
// object. Results are borrowed from obj. (Not for user input: see the _need_ forms.)
const char *dmpi_json_str(const json_t *obj, const char *key); // NULL when not there
json_int_t dmpi_json_int(const json_t *obj, const char *key, json_int_t def);
bool dmpi_json_bool(const json_t *obj, const char *key, bool def);
json_t *dmpi_json_obj(const json_t *obj, const char *key); // NULL when not there
json_t *dmpi_json_arr(const json_t *obj, const char *key); // NULL when not there

// Strict getters for input that people or peers write. path names obj in messages ("nodes[0]", or
// "" for the root): "nodes[0].addr: expected a string, not a number" (DMPI_EPARSE). An absent key
// leaves *out as it is and returns 0, unless required is true ("nodes[0].addr: missing").
int dmpi_json_need_str(const char **out, const json_t *obj, const char *path, const char *key,
                       bool required, struct dmpi_err *err);
int dmpi_json_need_int(json_int_t *out, const json_t *obj, const char *path, const char *key,
                       bool required, struct dmpi_err *err);
int dmpi_json_need_bool(bool *out, const json_t *obj, const char *path, const char *key,
                        bool required, struct dmpi_err *err);
int dmpi_json_need_obj(json_t **out, const json_t *obj, const char *path, const char *key,
                       bool required, struct dmpi_err *err);
int dmpi_json_need_arr(json_t **out, const json_t *obj, const char *path, const char *key,
                       bool required, struct dmpi_err *err);
// An array of strings, appended to out.
int dmpi_json_need_strv(struct dmpi_strv *out, const json_t *obj, const char *path, const char *key,
                        bool required, struct dmpi_err *err);
// "an object", "a string", "null" ... for messages.
const char *dmpi_json_type_name(const json_t *j);

// Setters. val is stolen in every case; NULL is stored as null.
void dmpi_json_set(json_t *obj, const char *key, json_t *val);
void dmpi_json_set_str(json_t *obj, const char *key, const char *val); // NULL stores null
void dmpi_json_set_int(json_t *obj, const char *key, json_int_t val);
void dmpi_json_set_bool(json_t *obj, const char *key, bool val);
void dmpi_json_add(json_t *arr, json_t *val); // stolen; NULL is stored as null
void dmpi_json_add_str(json_t *arr, const char *val);

// New values, never NULL, owned by the caller.
json_t *dmpi_json_new_obj(void);
json_t *dmpi_json_new_arr(void);
json_t *dmpi_json_new_str(const char *val); // val must not be NULL
json_t *dmpi_json_strv(const struct dmpi_strv *sv);

// Recursively: objects of from are merged into objects of into, anything else replaces.
// Values are shared, so change neither side afterwards where both are kept.
void dmpi_json_merge(json_t *into, json_t *from);

// Compact text with sorted keys (equal values give equal text). Owned by the caller, never NULL.
char *dmpi_json_dump(const json_t *j);
// Indented text for people, ends without newline. Keys in the order in which they were set.
char *dmpi_json_dump_pretty(const json_t *j);

#endif
