// SPDX-License-Identifier: MIT
#include "base/json.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"

void dmpi_json_auto_fn(json_t **j)
{
    json_decref(*j);
}

static json_t *need(json_t *j)
{
    if (!j)
        dmpi_oom();
    return j;
}

// Most of jansson's calls tell exhausted memory by a NULL or a -1 that is easily passed over, and a text that was cut
// would be taken for a whole one.
__attribute__((constructor)) static void never_fail(void)
{
    json_set_alloc_funcs(dmpi_xmalloc, free);
}

int dmpi_json_parse(json_t **out, const char *text, size_t len, struct dmpi_err *err)
{
    json_error_t e;
    json_t *j = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
    if (!j) {
        dmpi_autofree char *what = dmpi_text_print_safe(e.text);
        return dmpi_err_set(err, DMPI_EPARSE, "line %d: %s", e.line > 0 ? e.line : 1, what);
    }
    *out = j;
    return 0;
}

const char *dmpi_json_str(const json_t *obj, const char *key)
{
    return json_string_value(json_object_get(obj, key));
}

json_int_t dmpi_json_int(const json_t *obj, const char *key, json_int_t def)
{
    const json_t *j = json_object_get(obj, key);
    return json_is_integer(j) ? json_integer_value(j) : def;
}

bool dmpi_json_bool(const json_t *obj, const char *key, bool def)
{
    const json_t *j = json_object_get(obj, key);
    return json_is_boolean(j) ? json_is_true(j) : def;
}

json_t *dmpi_json_obj(const json_t *obj, const char *key)
{
    json_t *j = json_object_get(obj, key);
    return json_is_object(j) ? j : NULL;
}

json_t *dmpi_json_arr(const json_t *obj, const char *key)
{
    json_t *j = json_object_get(obj, key);
    return json_is_array(j) ? j : NULL;
}

const char *dmpi_json_type_name(const json_t *j)
{
    if (!j)
        return "nothing";
    switch (json_typeof(j)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true or false";
    case JSON_NULL:
        break;
    }
    return "null";
}

static int complain(struct dmpi_err *err, const char *path, const char *key, const char *what)
{
    return dmpi_err_set(err, DMPI_EPARSE, "%s%s%s: %s", path, *path && *key ? "." : "", key, what);
}

static int wrong_type(struct dmpi_err *err, const char *path, const char *key, const char *wanted,
                      const json_t *got)
{
    dmpi_autofree char *what =
        dmpi_xasprintf("expected %s, not %s", wanted, dmpi_json_type_name(got));
    return complain(err, path, key, what);
}

// Looks key up. 1: *out is there; 0: absent and not required; -1: err is set.
static int lookup(json_t **out, const json_t *obj, const char *path, const char *key, bool required,
                  struct dmpi_err *err)
{
    if (obj && !json_is_object(obj))
        return wrong_type(err, path, "", "an object", obj);
    *out = json_object_get(obj, key);
    if (*out)
        return 1;
    return required ? complain(err, path, key, "missing") : 0;
}

int dmpi_json_need_str(const char **out, const json_t *obj, const char *path, const char *key,
                       bool required, struct dmpi_err *err)
{
    json_t *j = NULL;
    int found = lookup(&j, obj, path, key, required, err);
    if (found <= 0)
        return found;
    if (!json_is_string(j))
        return wrong_type(err, path, key, "a string", j);
    if (strlen(json_string_value(j)) != json_string_length(j))
        return complain(err, path, key, "contains a NUL character");
    *out = json_string_value(j);
    return 0;
}

int dmpi_json_need_int(json_int_t *out, const json_t *obj, const char *path, const char *key,
                       bool required, struct dmpi_err *err)
{
    json_t *j = NULL;
    int found = lookup(&j, obj, path, key, required, err);
    if (found <= 0)
        return found;
    if (json_is_real(j))
        return complain(err, path, key, "expected a whole number");
    if (!json_is_integer(j))
        return wrong_type(err, path, key, "a number", j);
    *out = json_integer_value(j);
    return 0;
}

int dmpi_json_need_bool(bool *out, const json_t *obj, const char *path, const char *key,
                        bool required, struct dmpi_err *err)
{
    json_t *j = NULL;
    int found = lookup(&j, obj, path, key, required, err);
    if (found <= 0)
        return found;
    if (!json_is_boolean(j))
        return wrong_type(err, path, key, "true or false", j);
    *out = json_is_true(j);
    return 0;
}

int dmpi_json_need_obj(json_t **out, const json_t *obj, const char *path, const char *key,
                       bool required, struct dmpi_err *err)
{
    json_t *j = NULL;
    int found = lookup(&j, obj, path, key, required, err);
    if (found <= 0)
        return found;
    if (!json_is_object(j))
        return wrong_type(err, path, key, "an object", j);
    *out = j;
    return 0;
}

int dmpi_json_need_arr(json_t **out, const json_t *obj, const char *path, const char *key,
                       bool required, struct dmpi_err *err)
{
    json_t *j = NULL;
    int found = lookup(&j, obj, path, key, required, err);
    if (found <= 0)
        return found;
    if (!json_is_array(j))
        return wrong_type(err, path, key, "a list", j);
    *out = j;
    return 0;
}

int dmpi_json_need_strv(struct dmpi_strv *out, const json_t *obj, const char *path, const char *key,
                        bool required, struct dmpi_err *err)
{
    json_t *arr = NULL;
    if (dmpi_json_need_arr(&arr, obj, path, key, required, err) != 0)
        return -1;
    size_t i;
    json_t *j;
    json_array_foreach (arr, i, j) {
        dmpi_autofree char *item = dmpi_xasprintf("%s[%zu]", key, i);
        if (!json_is_string(j))
            return wrong_type(err, path, item, "a string", j);
        if (strlen(json_string_value(j)) != json_string_length(j))
            return complain(err, path, item, "contains a NUL character");
        dmpi_strv_add(out, json_string_value(j));
    }
    return 0;
}

// For text that is not UTF-8, which jansson refuses: every offending byte becomes U+FFFD.
static char *repaired(const char *val)
{
    struct dmpi_buf buf = DMPI_BUF_INIT((size_t)-2);
    while (*val) {
        size_t n = 1;
        while (n < 4 && val[n] && !dmpi_text_utf8_ok(val, n))
            n++;
        bool ok = dmpi_text_utf8_ok(val, n);
        if (ok)
            dmpi_buf_add(&buf, val, n);
        else
            dmpi_buf_adds(&buf, "\xEF\xBF\xBD");
        val += ok ? n : 1;
    }
    return dmpi_buf_steal(&buf);
}

json_t *dmpi_json_new_str(const char *val)
{
    json_t *j = json_string(val);
    if (j)
        return j;
    dmpi_autofree char *clean = repaired(val);
    return need(json_string(clean));
}

json_t *dmpi_json_new_obj(void)
{
    return need(json_object());
}

json_t *dmpi_json_new_arr(void)
{
    return need(json_array());
}

void dmpi_json_set(json_t *obj, const char *key, json_t *val)
{
    // Checked beforehand: json_object_set_new drops val even when it fails.
    dmpi_autofree char *clean = dmpi_text_utf8_ok(key, strlen(key)) ? NULL : repaired(key);
    if (json_object_set_new(obj, clean ? clean : key, val ? val : json_null()) != 0)
        dmpi_oom();
}

void dmpi_json_set_str(json_t *obj, const char *key, const char *val)
{
    dmpi_json_set(obj, key, val ? dmpi_json_new_str(val) : NULL);
}

void dmpi_json_set_int(json_t *obj, const char *key, json_int_t val)
{
    dmpi_json_set(obj, key, need(json_integer(val)));
}

void dmpi_json_set_bool(json_t *obj, const char *key, bool val)
{
    dmpi_json_set(obj, key, json_boolean(val));
}

void dmpi_json_add(json_t *arr, json_t *val)
{
    if (json_array_append_new(arr, val ? val : json_null()) != 0)
        dmpi_oom();
}

void dmpi_json_add_str(json_t *arr, const char *val)
{
    dmpi_json_add(arr, dmpi_json_new_str(val));
}

json_t *dmpi_json_strv(const struct dmpi_strv *sv)
{
    json_t *arr = dmpi_json_new_arr();
    for (size_t i = 0; i < sv->n; i++)
        dmpi_json_add_str(arr, sv->v[i]);
    return arr;
}

void dmpi_json_merge(json_t *into, json_t *from)
{
    const char *key;
    json_t *val;
    json_object_foreach (from, key, val) {
        json_t *old = json_object_get(into, key);
        if (json_is_object(old) && json_is_object(val))
            dmpi_json_merge(old, val);
        else
            dmpi_json_set(into, key, json_incref(val));
    }
}

static char *dump(const json_t *j, size_t flags)
{
    char *text = json_dumps(j, flags | JSON_ENCODE_ANY);
    if (!text)
        dmpi_oom();
    return text;
}

char *dmpi_json_dump(const json_t *j)
{
    return dump(j, JSON_COMPACT | JSON_SORT_KEYS);
}

char *dmpi_json_dump_pretty(const json_t *j)
{
    return dump(j, JSON_INDENT(2));
}
