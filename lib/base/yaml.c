// SPDX-License-Identifier: MIT
#include "base/yaml.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/yaml_lines.h"
#include "base/yaml_scalar.h"

enum { MAX_DEPTH = 64, MAX_TEXT = 1 << 20 };

struct loader {
    yaml_parser_t parser;
    const char *name;
    const char *text;
    size_t len;
    struct dmpi_err *err;
};

static int line_of(const yaml_event_t *event)
{
    return (int)event->start_mark.line + 1;
}

static int fail(struct loader *l, int line, const char *what)
{
    return dmpi_err_set(l->err, DMPI_EPARSE, "%s:%d: %s", l->name, line, what);
}

static int parser_failure(struct loader *l)
{
    const yaml_parser_t *p = &l->parser;
    if (p->error == YAML_MEMORY_ERROR)
        dmpi_oom();
    if (p->error == YAML_READER_ERROR) {
        int line = 1;
        for (size_t i = 0; i < p->problem_offset && i < l->len; i++)
            line += l->text[i] == '\n';
        return fail(l, line, p->problem ? p->problem : "unreadable text");
    }
    size_t at = p->problem_mark.index;
    if (at < l->len && l->text[at] == '\t')
        return fail(l, (int)p->problem_mark.line + 1, "a tab cannot indent: use spaces");
    return fail(l, (int)p->problem_mark.line + 1, p->problem ? p->problem : "malformed");
}

// The next event; to be given back with yaml_event_delete when 0 is returned.
static int next(struct loader *l, yaml_event_t *event)
{
    return yaml_parser_parse(&l->parser, event) ? 0 : parser_failure(l);
}

static int refuse_extras(struct loader *l, const yaml_event_t *e)
{
    const void *anchor = NULL;
    const void *tag = NULL;
    if (e->type == YAML_SCALAR_EVENT) {
        anchor = e->data.scalar.anchor;
        tag = e->data.scalar.tag;
    } else if (e->type == YAML_SEQUENCE_START_EVENT) {
        anchor = e->data.sequence_start.anchor;
        tag = e->data.sequence_start.tag;
    } else if (e->type == YAML_MAPPING_START_EVENT) {
        anchor = e->data.mapping_start.anchor;
        tag = e->data.mapping_start.tag;
    }
    if (anchor || e->type == YAML_ALIAS_EVENT)
        return fail(l, line_of(e), "anchors (&) and aliases (*) are not supported");
    return tag ? fail(l, line_of(e), "tags (!) are not supported") : 0;
}

static int read_value(struct loader *l, const yaml_event_t *start, int depth, json_t **out,
                      struct dmpi_yaml_lines *lines);

static int read_scalar(struct loader *l, const yaml_event_t *e, json_t **out)
{
    const char *text = (const char *)e->data.scalar.value;
    size_t len = e->data.scalar.length;
    bool plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (memchr(text, '\0', len))
        return fail(l, line_of(e), "a NUL character is not allowed");
    const char *fault = NULL;
    *out = plain ? dmpi_yaml_plain(text, &fault) : dmpi_json_new_str(text);
    return *out ? 0 : fail(l, line_of(e), fault);
}

// The value that follows in a mapping or sequence, its lines added below lines under key.
static int read_child(struct loader *l, const yaml_event_t *start, int line, const char *key,
                      int depth, json_t **out, struct dmpi_yaml_lines *lines)
{
    struct dmpi_yaml_lines kid = {.line = line, .key = dmpi_xstrdup(key)};
    int rc = read_value(l, start, depth, out, &kid);
    dmpi_yaml_lines_add(lines, &kid);
    return rc;
}

static int read_sequence(struct loader *l, int depth, json_t *arr, struct dmpi_yaml_lines *lines)
{
    for (;;) {
        DMPI_AUTO(yaml_event_delete) yaml_event_t e = {.type = YAML_NO_EVENT};
        if (next(l, &e) != 0)
            return -1;
        if (e.type == YAML_SEQUENCE_END_EVENT)
            return 0;
        json_t *item = NULL;
        if (read_child(l, &e, line_of(&e), NULL, depth, &item, lines) != 0)
            return -1;
        dmpi_json_add(arr, item);
    }
}

static int check_key(struct loader *l, const yaml_event_t *e, const json_t *obj)
{
    if (refuse_extras(l, e) != 0)
        return -1;
    if (e->type != YAML_SCALAR_EVENT)
        return fail(l, line_of(e), "a key must be a simple text");
    const char *key = (const char *)e->data.scalar.value;
    if (memchr(key, '\0', e->data.scalar.length))
        return fail(l, line_of(e), "a NUL character is not allowed");
    if (!json_object_get(obj, key))
        return 0;
    dmpi_autofree char *safe = dmpi_text_print_safe(key);
    dmpi_autofree char *what = dmpi_xasprintf("key '%.200s' is given twice", safe);
    return fail(l, line_of(e), what);
}

static int read_mapping(struct loader *l, int depth, json_t *obj, struct dmpi_yaml_lines *lines)
{
    for (;;) {
        DMPI_AUTO(yaml_event_delete) yaml_event_t k = {.type = YAML_NO_EVENT};
        if (next(l, &k) != 0)
            return -1;
        if (k.type == YAML_MAPPING_END_EVENT)
            return 0;
        if (check_key(l, &k, obj) != 0)
            return -1;
        DMPI_AUTO(yaml_event_delete) yaml_event_t v = {.type = YAML_NO_EVENT};
        if (next(l, &v) != 0)
            return -1;
        const char *key = (const char *)k.data.scalar.value;
        json_t *val = NULL;
        if (read_child(l, &v, line_of(&k), key, depth, &val, lines) != 0)
            return -1;
        dmpi_json_set(obj, key, val);
    }
}

// On success *out is a new reference; on failure it is NULL.
static int read_value(struct loader *l, const yaml_event_t *start, int depth, json_t **out,
                      struct dmpi_yaml_lines *lines)
{
    if (refuse_extras(l, start) != 0)
        return -1;
    if (depth > MAX_DEPTH)
        return fail(l, line_of(start), "nested too deeply");
    if (start->type == YAML_SCALAR_EVENT)
        return read_scalar(l, start, out);
    bool list = start->type == YAML_SEQUENCE_START_EVENT;
    dmpi_json_auto json_t *j = list ? dmpi_json_new_arr() : dmpi_json_new_obj();
    int rc = list ? read_sequence(l, depth + 1, j, lines) : read_mapping(l, depth + 1, j, lines);
    if (rc == 0)
        *out = DMPI_STEAL(j);
    return rc;
}

static int expect(struct loader *l, yaml_event_type_t type, const char *complaint)
{
    DMPI_AUTO(yaml_event_delete) yaml_event_t e = {.type = YAML_NO_EVENT};
    if (next(l, &e) != 0)
        return -1;
    return e.type == type ? 0 : fail(l, line_of(&e), complaint);
}

static int read_stream(struct loader *l, json_t **out, struct dmpi_yaml_lines *lines)
{
    if (expect(l, YAML_STREAM_START_EVENT, "malformed") != 0)
        return -1;
    DMPI_AUTO(yaml_event_delete) yaml_event_t doc = {.type = YAML_NO_EVENT};
    if (next(l, &doc) != 0)
        return -1;
    if (doc.type == YAML_STREAM_END_EVENT) {
        *out = json_null();
        return 0;
    }
    DMPI_AUTO(yaml_event_delete) yaml_event_t e = {.type = YAML_NO_EVENT};
    if (next(l, &e) != 0)
        return -1;
    lines->line = line_of(&e);
    dmpi_json_auto json_t *root = NULL;
    if (read_value(l, &e, 0, &root, lines) != 0 ||
        expect(l, YAML_DOCUMENT_END_EVENT, "malformed") != 0 ||
        expect(l, YAML_STREAM_END_EVENT, "only one document is allowed") != 0)
        return -1;
    *out = DMPI_STEAL(root);
    return 0;
}

int dmpi_yaml_load(struct dmpi_yaml *out, const char *text, size_t len, const char *name,
                   struct dmpi_err *err)
{
    *out = (struct dmpi_yaml)DMPI_YAML_INIT;
    if (len > MAX_TEXT)
        return dmpi_err_set(err, DMPI_EPARSE, "%s: longer than 1 MiB", name);
    struct loader l = {.name = name, .text = text, .len = len, .err = err};
    if (!yaml_parser_initialize(&l.parser))
        dmpi_oom();
    yaml_parser_set_encoding(&l.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&l.parser, (const unsigned char *)text, len);
    out->lines = dmpi_xcalloc(1, sizeof(*out->lines));
    out->lines->line = 1;
    out->name = dmpi_xstrdup(name);
    int rc = read_stream(&l, &out->root, out->lines);
    yaml_parser_delete(&l.parser);
    if (rc != 0)
        dmpi_yaml_free(out);
    return rc;
}

int dmpi_yaml_load_file(struct dmpi_yaml *out, const char *path, struct dmpi_err *err)
{
    *out = (struct dmpi_yaml)DMPI_YAML_INIT;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT(MAX_TEXT);
    if (dmpi_io_read_file(&text, path, MAX_TEXT, err) != 0)
        return -1;
    return dmpi_yaml_load(out, dmpi_buf_str(&text), text.len, path, err);
}

int dmpi_yaml_parse(json_t **out, const char *text, size_t len, const char *name,
                    struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_yaml_free) struct dmpi_yaml y = DMPI_YAML_INIT;
    if (dmpi_yaml_load(&y, text, len, name, err) != 0)
        return -1;
    *out = DMPI_STEAL(y.root);
    return 0;
}

void dmpi_yaml_free(struct dmpi_yaml *y)
{
    if (!y)
        return;
    json_decref(y->root);
    dmpi_yaml_lines_free(y->lines);
    free(y->lines);
    free(y->name);
    *y = (struct dmpi_yaml)DMPI_YAML_INIT;
}
