// SPDX-License-Identifier: MIT
#include "jsonw.h"

#include <math.h>
#include <string.h>

void fab_json_init(struct fab_json *json, FILE *out)
{
    *json = (struct fab_json){.out = out};
}

// Length of the UTF-8 sequence at s, 0 when it is malformed, overlong, or a surrogate.
static size_t utf8_length(const unsigned char *s)
{
    static const struct {
        unsigned char mask, lead;
        size_t len;
        unsigned least;
    } forms[] = {{0xe0, 0xc0, 2, 0x80}, {0xf0, 0xe0, 3, 0x800}, {0xf8, 0xf0, 4, 0x10000}};
    if (*s < 0x80)
        return 1;
    for (size_t f = 0; f < sizeof forms / sizeof forms[0]; f++) {
        if ((*s & forms[f].mask) != forms[f].lead)
            continue;
        unsigned code = *s & (unsigned char)~forms[f].mask;
        for (size_t i = 1; i < forms[f].len; i++) {
            if ((s[i] & 0xc0) != 0x80)
                return 0;
            code = code << 6 | (s[i] & 0x3fU);
        }
        bool fine = code >= forms[f].least && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
        return fine ? forms[f].len : 0;
    }
    return 0;
}

static void quoted(FILE *out, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    putc('"', out);
    while (*s) {
        size_t n = utf8_length(s);
        if (*s == '"' || *s == '\\')
            fprintf(out, "\\%c", *s);
        else if (*s < 0x20 || *s == 0x7f)
            fprintf(out, "\\u%04x", *s);
        else if (n)
            fwrite(s, 1, n, out);
        else
            fputs("\\ufffd", out);
        s += n ? n : 1;
    }
    putc('"', out);
}

// What stands before a value: the comma and the key.
static void lead(struct fab_json *json, const char *key)
{
    if (json->some[json->depth])
        fputs(", ", json->out);
    json->some[json->depth] = true;
    if (key) {
        quoted(json->out, key);
        fputs(": ", json->out);
    }
}

static void begin(struct fab_json *json, const char *key, char bracket)
{
    lead(json, key);
    putc(bracket, json->out);
    if (json->depth + 1 < FAB_JSON_DEPTH)
        json->depth++;
    json->some[json->depth] = false;
}

void fab_json_obj(struct fab_json *json, const char *key)
{
    begin(json, key, '{');
}

void fab_json_arr(struct fab_json *json, const char *key)
{
    begin(json, key, '[');
}

void fab_json_end(struct fab_json *json, char bracket)
{
    putc(bracket, json->out);
    if (json->depth > 0 && --json->depth == 0) {
        putc('\n', json->out);
        json->some[0] = false;
    }
}

void fab_json_str(struct fab_json *json, const char *key, const char *value)
{
    lead(json, key);
    if (value)
        quoted(json->out, value);
    else
        fputs("null", json->out);
}

void fab_json_int(struct fab_json *json, const char *key, long long value)
{
    lead(json, key);
    fprintf(json->out, "%lld", value);
}

void fab_json_num(struct fab_json *json, const char *key, double value)
{
    lead(json, key);
    if (isfinite(value))
        fprintf(json->out, "%.6g", value);
    else
        fputs("null", json->out);
}

void fab_json_bool(struct fab_json *json, const char *key, bool value)
{
    lead(json, key);
    fputs(value ? "true" : "false", json->out);
}
