// SPDX-License-Identifier: MIT
#include "base/yaml_lines.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/text.h"
#include "base/yaml.h"

void dmpi_yaml_lines_add(struct dmpi_yaml_lines *lines, struct dmpi_yaml_lines *kid)
{
    // grown at powers of two, so that no capacity needs to be kept
    if ((lines->n_kids & (lines->n_kids - 1)) == 0)
        lines->kids = dmpi_xreallocarray(lines->kids, lines->n_kids > 0 ? lines->n_kids * 2 : 1,
                                         sizeof(*lines->kids));
    lines->kids[lines->n_kids++] = *kid;
    *kid = (struct dmpi_yaml_lines){0};
}

void dmpi_yaml_lines_free(struct dmpi_yaml_lines *lines)
{
    if (!lines)
        return;
    for (size_t i = 0; i < lines->n_kids; i++)
        dmpi_yaml_lines_free(&lines->kids[i]);
    free(lines->kids);
    free(lines->key);
}

static int find(const struct dmpi_yaml_lines *lines, const char *path);

static int find_item(const struct dmpi_yaml_lines *lines, const char *path)
{
    char *end;
    unsigned long i = strtoul(path + 1, &end, 10);
    bool there = end > path + 1 && *end == ']' && i < lines->n_kids && !lines->kids[i].key;
    return there ? find(&lines->kids[i], end + 1) : 0;
}

// Keys may themselves contain dots and brackets, so every key that path begins with is tried.
static int find_key(const struct dmpi_yaml_lines *lines, const char *path)
{
    for (size_t i = 0; i < lines->n_kids; i++) {
        const char *key = lines->kids[i].key;
        size_t len = key ? strlen(key) : 0;
        if (!key || strncmp(path, key, len) != 0 || !strchr(".[", path[len]))
            continue;
        int line = find(&lines->kids[i], path + len);
        if (line > 0)
            return line;
    }
    return 0;
}

static int find(const struct dmpi_yaml_lines *lines, const char *path)
{
    if (*path == '\0')
        return lines->line;
    int line = *path == '[' ? find_item(lines, path) : 0;
    return line > 0 ? line : find_key(lines, path + (*path == '.'));
}

int dmpi_yaml_line(const struct dmpi_yaml *y, const char *path)
{
    return y->lines ? find(y->lines, path) : 0;
}

static int put_place(struct dmpi_err *err, const struct dmpi_yaml *y, int line)
{
    const char *name = y->name ? y->name : "input";
    return line > 0 ? dmpi_err_wrap(err, "%s:%d", name, line) : dmpi_err_wrap(err, "%s", name);
}

int dmpi_yaml_err(struct dmpi_err *err, const struct dmpi_yaml *y, const char *path,
                  const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    dmpi_autofree char *text = dmpi_xvasprintf(fmt, ap);
    va_end(ap);
    dmpi_err_set(err, DMPI_EINVAL, "%s", text);
    return put_place(err, y, dmpi_yaml_line(y, path));
}

int dmpi_yaml_err_at(struct dmpi_err *err, const struct dmpi_yaml *y, const char *path,
                     const char *key)
{
    dmpi_autofree char *full = dmpi_xasprintf("%s%s%s", path, *path ? "." : "", key);
    int line = dmpi_yaml_line(y, full);
    return put_place(err, y, line > 0 ? line : dmpi_yaml_line(y, path));
}

static int unknown_key(const struct dmpi_yaml *y, const char *path, const char *key,
                       const char *const *known, struct dmpi_err *err)
{
    dmpi_autofree char *full = dmpi_xasprintf("%s%s%s", path, *path ? "." : "", key);
    dmpi_autofree char *safe = dmpi_text_print_safe(key);
    const char *near = dmpi_text_suggest(key, known);
    if (near)
        return dmpi_yaml_err(err, y, full, "unknown key '%.100s': did you mean '%s'?", safe, near);
    struct dmpi_strv names = DMPI_STRV_INIT;
    for (size_t i = 0; known[i]; i++)
        dmpi_strv_add(&names, known[i]);
    dmpi_autofree char *list = dmpi_strv_join(&names, ", ");
    dmpi_strv_free(&names);
    return dmpi_yaml_err(err, y, full, "unknown key '%.100s' (known here: %s)", safe, list);
}

int dmpi_yaml_known_keys(const struct dmpi_yaml *y, const json_t *obj, const char *path,
                         const char *const *known, struct dmpi_err *err)
{
    const char *key;
    json_t *val;
    // The iteration does not change obj; jansson's macro only lacks a const form.
    json_object_foreach ((json_t *)(uintptr_t)obj, key, val) {
        bool found = false;
        for (size_t i = 0; known[i] && !found; i++)
            found = strcmp(key, known[i]) == 0;
        if (!found)
            return unknown_key(y, path, key, known, err);
    }
    return 0;
}
