// SPDX-License-Identifier: MIT
// Writes JSON as it comes, without keeping anything: the images have no JSON library.
#ifndef FABRIC_JSONW_H
#define FABRIC_JSONW_H

#include <stdbool.h>
#include <stdio.h>

#define FAB_JSON_DEPTH 16

struct fab_json {
    FILE *out;
    int depth;
    bool some[FAB_JSON_DEPTH]; // whether the object or array at that depth has a member
};

// Everything goes to out, on one line.
void fab_json_init(struct fab_json *json, FILE *out);

// Begins an object or an array. key is NULL at the top and within arrays, in all functions here.
void fab_json_obj(struct fab_json *json, const char *key);
void fab_json_arr(struct fab_json *json, const char *key);
// Ends what was begun last with '}' or ']'; after the outermost a newline follows.
void fab_json_end(struct fab_json *json, char bracket);

// NULL writes null. Bytes that are not UTF-8 become U+FFFD each.
void fab_json_str(struct fab_json *json, const char *key, const char *value);
void fab_json_int(struct fab_json *json, const char *key, long long value);
// Not a number and infinite become null.
void fab_json_num(struct fab_json *json, const char *key, double value);
void fab_json_bool(struct fab_json *json, const char *key, bool value);

#endif
