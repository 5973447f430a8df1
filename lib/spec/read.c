// SPDX-License-Identifier: MIT
#include "spec/read.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

static char *child(const struct dmpi_read *r, const char *key)
{
    if (!key)
        return dmpi_xstrdup(r->path);
    return dmpi_xasprintf("%s%s%s", r->path, r->path[0] ? "." : "", key);
}

int dmpi_read_wrap(const struct dmpi_read *r, const char *key, struct dmpi_err *err)
{
    dmpi_autofree char *path = child(r, key);
    dmpi_autofree char *text = dmpi_xstrdup(err->msg);
    enum dmpi_code code = err->code;
    dmpi_yaml_err(err, r->y, path, "%s%s%s", path, path[0] ? ": " : "", text);
    err->code = code;
    return -1;
}

int dmpi_read_fail(const struct dmpi_read *r, const char *key, struct dmpi_err *err,
                   const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    dmpi_autofree char *text = dmpi_xvasprintf(fmt, ap);
    va_end(ap);
    dmpi_err_set(err, DMPI_EINVAL, "%s", text);
    return dmpi_read_wrap(r, key, err);
}

int dmpi_read_object(const struct dmpi_read *r, const char *what, struct dmpi_err *err)
{
    if (json_is_object(r->obj))
        return 0;
    return dmpi_read_fail(r, NULL, err, "expected %s, not %s", what, dmpi_json_type_name(r->obj));
}

// NULL when absent or null.
static const json_t *value(const struct dmpi_read *r, const char *key)
{
    const json_t *v = json_object_get(r->obj, key);
    return json_is_null(v) ? NULL : v;
}

static int wrong_type(const struct dmpi_read *r, const char *key, const char *wanted,
                      const json_t *got, struct dmpi_err *err)
{
    return dmpi_read_fail(r, key, err, "expected %s, not %s", wanted, dmpi_json_type_name(got));
}

static bool printable(const char *s)
{
    for (; *s; s++) {
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            return false;
    }
    return true;
}

static int check_text(const struct dmpi_read *r, const char *key, const json_t *v,
                      struct dmpi_err *err)
{
    if (!json_is_string(v))
        return wrong_type(r, key, "a string", v, err);
    if (json_string_length(v) != strlen(json_string_value(v)) || !printable(json_string_value(v)))
        return dmpi_read_fail(r, key, err, "control characters are not allowed");
    if (json_string_length(v) == 0)
        return dmpi_read_fail(r, key, err, "is empty");
    return 0;
}

int dmpi_read_str(char **out, const struct dmpi_read *r, const char *key, struct dmpi_err *err)
{
    const json_t *v = value(r, key);
    if (!v)
        return 0;
    if (check_text(r, key, v, err))
        return -1;
    free(*out);
    *out = dmpi_xstrdup(json_string_value(v));
    return 0;
}

int dmpi_read_path(char **out, const struct dmpi_read *r, const char *key, struct dmpi_err *err)
{
    dmpi_autofree char *text = NULL;
    if (dmpi_read_str(&text, r, key, err))
        return -1;
    if (!text)
        return 0;
    dmpi_autofree char *path = dmpi_io_expand_home(text);
    const char *slash = strrchr(r->y->name, '/');
    dmpi_autofree char *dir =
        slash ? dmpi_xstrndup(r->y->name, (size_t)(slash + 1 - r->y->name)) : dmpi_xstrdup("");
    free(*out);
    *out = dmpi_io_join(dir, path);
    return 0;
}

int dmpi_read_int(int *out, const struct dmpi_read *r, const char *key, int min, int max,
                  struct dmpi_err *err)
{
    const json_t *v = value(r, key);
    if (!v)
        return 0;
    if (!json_is_integer(v))
        return wrong_type(r, key, "a whole number", v, err);
    json_int_t n = json_integer_value(v);
    if (n < min)
        return dmpi_read_fail(r, key, err, "%" JSON_INTEGER_FORMAT ": at least %d", n, min);
    if (n > max)
        return dmpi_read_fail(r, key, err, "%" JSON_INTEGER_FORMAT ": at most %d", n, max);
    *out = (int)n;
    return 0;
}

int dmpi_read_bool(bool *out, const struct dmpi_read *r, const char *key, struct dmpi_err *err)
{
    const json_t *v = value(r, key);
    if (!v)
        return 0;
    if (!json_is_boolean(v))
        return wrong_type(r, key, "true or false", v, err);
    *out = json_is_true(v);
    return 0;
}

int dmpi_read_strv(struct dmpi_strv *out, const struct dmpi_read *r, const char *key,
                   struct dmpi_err *err)
{
    const json_t *list = value(r, key), *v;
    size_t i;
    if (!list)
        return 0;
    if (!json_is_array(list))
        return wrong_type(r, key, "a list of strings", list, err);
    json_array_foreach (list, i, v) {
        dmpi_autofree char *item = dmpi_xasprintf("%s[%zu]", key, i);
        if (check_text(r, item, v, err))
            return -1;
        dmpi_strv_add(out, json_string_value(v));
    }
    return 0;
}

bool dmpi_env_name_ok(const char *s, size_t len)
{
    if (len == 0 || len > 255 || isdigit((unsigned char)s[0]))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)s[i]) && s[i] != '_')
            return false;
    }
    return true;
}

static int add_env(struct dmpi_strv *out, const struct dmpi_read *r, const char *path,
                   const char *name, const json_t *v, struct dmpi_err *err)
{
    dmpi_autofree char *number = NULL;
    const char *text = json_string_value(v);
    if (json_is_integer(v))
        text = number = dmpi_xasprintf("%" JSON_INTEGER_FORMAT, json_integer_value(v));
    else if (json_is_boolean(v))
        text = json_is_true(v) ? "true" : "false";
    else if (json_is_null(v))
        text = "";
    else if (!text)
        return dmpi_read_fail(r, path, err, "expected a string (in quotes), not %s",
                              dmpi_json_type_name(v));
    if (text == json_string_value(v) && strlen(text) != json_string_length(v))
        return dmpi_read_fail(r, path, err, "NUL characters are not allowed");
    if (!dmpi_env_name_ok(name, strlen(name)))
        return dmpi_read_fail(r, path, err, "not a name for an environment variable");
    dmpi_strv_env_set(out, name, text);
    return 0;
}

static int add_env_text(struct dmpi_strv *out, const struct dmpi_read *r, const char *path,
                        const json_t *v, struct dmpi_err *err)
{
    const char *text = json_string_value(v);
    const char *eq = text ? strchr(text, '=') : NULL;
    if (!eq)
        return dmpi_read_fail(r, path, err, "expected KEY=VALUE");
    dmpi_autofree char *name = dmpi_xstrndup(text, (size_t)(eq - text));
    dmpi_json_auto json_t *val = dmpi_json_new_str(eq + 1);
    return add_env(out, r, path, name, val, err);
}

int dmpi_read_env(struct dmpi_strv *out, const struct dmpi_read *r, const char *key,
                  struct dmpi_err *err)
{
    const json_t *env = value(r, key);
    json_t *v;
    const char *name;
    size_t i;
    if (!env)
        return 0;
    if (json_is_array(env)) {
        json_array_foreach (env, i, v) {
            dmpi_autofree char *path = dmpi_xasprintf("%s[%zu]", key, i);
            if (add_env_text(out, r, path, v, err))
                return -1;
        }
        return 0;
    }
    if (!json_is_object(env))
        return wrong_type(r, key, "a mapping KEY: value", env, err);
    json_object_foreach ((json_t *)env, name, v) {
        dmpi_autofree char *path = dmpi_xasprintf("%s.%s", key, name);
        if (add_env(out, r, path, name, v, err))
            return -1;
    }
    return 0;
}

int dmpi_read_size(int64_t *out, const struct dmpi_read *r, const char *key, struct dmpi_err *err)
{
    const json_t *v = value(r, key);
    if (!v)
        return 0;
    if (json_is_integer(v) && json_integer_value(v) > 0) {
        *out = json_integer_value(v);
        return 0;
    }
    if (!json_is_string(v))
        return wrong_type(r, key, "a size such as 8G", v, err);
    int64_t size = 0;
    if (dmpi_text_size(&size, json_string_value(v), err))
        return dmpi_read_wrap(r, key, err);
    if (size <= 0)
        return dmpi_read_fail(r, key, err, "must be greater than 0");
    *out = size;
    return 0;
}
