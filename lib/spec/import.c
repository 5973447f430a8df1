// SPDX-License-Identifier: MIT
#include "spec/import.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "spec/endpoint.h"
#include "spec/hostfile.h"
#include "spec/importer.h"

#define NAME_MAX_LEN 40

// ---- reading -----------------------------------------------------------------------------------

static bool is_aws(const json_t *root)
{
    const json_t *item = json_array_get(root, 0);
    return json_is_array(root) || dmpi_json_arr(root, "Reservations") ||
           dmpi_json_arr(root, "Instances") || dmpi_json_str(item, "InstanceId");
}

static int read_json(struct dmpi_import *import, const char *text, size_t len, const char *name,
                     struct dmpi_err *err)
{
    dmpi_json_auto json_t *root = NULL;
    if (dmpi_json_parse(&root, text, len, err))
        return dmpi_err_wrap(err, "%s", name);
    if (is_aws(root)) {
        import->kind = "AWS";
        dmpi_import_aws(import, root);
    } else {
        import->kind = "Terraform";
        dmpi_import_terraform(import, root);
    }
    return 0;
}

static int read_hostfile(struct dmpi_import *import, const char *text, size_t len, const char *name,
                         struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_hostfile_free) struct dmpi_hostfile hf;
    import->kind = "hostfile";
    if (dmpi_hostfile_parse(&hf, text, len, name, err))
        return -1;
    for (size_t i = 0; i < hf.n; i++) {
        struct dmpi_found f = {.name = hf.hosts[i].host,
                               .user = hf.hosts[i].user,
                               .public_addr = hf.hosts[i].host,
                               .slots = hf.hosts[i].slots};
        dmpi_import_add(import, &f);
    }
    return 0;
}

// A hostfile is strict and a table is not: so a table is what shows an id or a type of an instance,
// or has addresses and is no hostfile.
static int read_lines(struct dmpi_import *import, const char *text, size_t len, const char *name,
                      struct dmpi_err *err)
{
    import->kind = "table";
    dmpi_import_table(import, text, len);
    for (size_t i = 0; i < import->n; i++) {
        if (import->hosts[i].id || import->hosts[i].type)
            return 0;
    }
    if (import->left_out.n)
        return 0;
    struct dmpi_import plain = {.launcher = -1};
    if (read_hostfile(&plain, text, len, name, err)) {
        dmpi_import_free(&plain);
        return import->n ? 0 : -1;
    }
    dmpi_import_free(import);
    *import = plain;
    return 0;
}

static int read_any(struct dmpi_import *import, const char *text, size_t len, const char *name,
                    struct dmpi_err *err)
{
    if (len > DMPI_IMPORT_MAX)
        return dmpi_err_set(err, DMPI_EINVAL, "%s: larger than %u MiB", name,
                            DMPI_IMPORT_MAX >> 20);
    size_t start = strspn(text, "\xef\xbb\xbf \t\r\n");
    if (text[start] == '{' || text[start] == '[')
        return read_json(import, text + start, len - start, name, err);
    return read_lines(import, text, len, name, err);
}

// ---- names -------------------------------------------------------------------------------------

// What is left of a name when only what a node name may hold is kept; NULL when that is nothing.
static char *slug(const char *name)
{
    char out[NAME_MAX_LEN + 1];
    size_t n = 0;
    for (const char *p = name ? name : ""; *p && n < NAME_MAX_LEN; p++) {
        bool plain = isalnum((unsigned char)*p) || (*p == '.' && n > 0);
        if (plain)
            out[n++] = (char)tolower((unsigned char)*p);
        else if (n > 0 && out[n - 1] != '-')
            out[n++] = '-';
    }
    while (n > 0 && (out[n - 1] == '-' || out[n - 1] == '.'))
        n--;
    return n ? dmpi_xstrndup(out, n) : NULL;
}

// "g4dn" of "g4dn.xlarge".
static char *family(const struct dmpi_import_host *h)
{
    dmpi_autofree char *type = h->type ? slug(h->type) : NULL;
    if (!type)
        return dmpi_xstrdup("node");
    type[strcspn(type, ".")] = '\0';
    return dmpi_xstrdup(type);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool in_sorted(const struct dmpi_strv *sorted, const char *name)
{
    return sorted->n > 0 &&
           bsearch(&name, sorted->v, sorted->n, sizeof(*sorted->v), compare) != NULL;
}

// Whether the name occurs more than once among the sorted ones.
static bool repeated(const struct dmpi_strv *sorted, const char *name)
{
    char **at = bsearch(&name, sorted->v, sorted->n, sizeof(*sorted->v), compare);
    return at && ((at > sorted->v && strcmp(at[-1], name) == 0) ||
                  (at + 1 < sorted->v + sorted->n && strcmp(at[1], name) == 0));
}

// How often each base was numbered already, so that many equal names stay cheap.
struct counter {
    char *base;
    int next;
};

struct counters {
    struct counter *v;
    size_t n;
};

static int *counter_of(struct counters *all, const char *base)
{
    for (size_t i = 0; i < all->n; i++) {
        if (strcmp(all->v[i].base, base) == 0)
            return &all->v[i].next;
    }
    all->v = dmpi_xreallocarray(all->v, all->n + 1, sizeof(*all->v));
    all->v[all->n] = (struct counter){dmpi_xstrdup(base), 0};
    return &all->v[all->n++].next;
}

// base0, base1, ...: the first that nobody is called.
static char *numbered(struct counters *all, const struct dmpi_strv *taken, const char *base,
                      const char *sep)
{
    int *next = counter_of(all, base);
    for (;;) {
        char *name = dmpi_xasprintf("%s%s%d", base, sep, (*next)++);
        if (!in_sorted(taken, name))
            return name;
        free(name);
    }
}

static void set_names(struct dmpi_import *import)
{
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv taken = DMPI_STRV_INIT;
    struct counters counters = {NULL, 0};
    for (size_t i = 0; i < import->n; i++) {
        char *name = slug(import->hosts[i].name);
        free(import->hosts[i].name);
        import->hosts[i].name = name;
        if (name)
            dmpi_strv_add(&taken, name);
    }
    if (taken.n)
        qsort(taken.v, taken.n, sizeof(*taken.v), compare);
    for (size_t i = 0; i < import->n; i++) {
        struct dmpi_import_host *h = &import->hosts[i];
        if (h->name && !repeated(&taken, h->name))
            continue;
        dmpi_autofree char *base = h->name ? DMPI_STEAL(h->name) : NULL;
        dmpi_autofree char *kind = family(h);
        h->name =
            base ? numbered(&counters, &taken, base, "-") : numbered(&counters, &taken, kind, "-");
    }
    for (size_t i = 0; i < counters.n; i++)
        free(counters.v[i].base);
    free(counters.v);
}

// ---- roles -------------------------------------------------------------------------------------

static bool named_launcher(const struct dmpi_import_host *h)
{
    static const char *const words[] = {"launcher", "head", "master"};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(words); i++) {
        if (strstr(h->name, words[i]))
            return true;
    }
    return false;
}

static bool is_cpu(const struct dmpi_import_host *h)
{
    return strcmp(dmpi_import_profile(h->type), "cpu") == 0;
}

// The host without a GPU that is called so, or the only one among others that have GPUs.
static void find_launcher(struct dmpi_import *import)
{
    long cpu = -1;
    size_t n_cpu = 0;
    import->launcher = -1;
    if (import->n < 2)
        return;
    for (size_t i = 0; i < import->n; i++) {
        if (!is_cpu(&import->hosts[i]))
            continue;
        if (named_launcher(&import->hosts[i])) {
            import->launcher = (long)i;
            return;
        }
        cpu = (long)i;
        n_cpu++;
    }
    if (n_cpu == 1)
        import->launcher = cpu;
}

// Hosts that turned out to be the same only after all was read: an engine must occur once.
static void drop_doubles(struct dmpi_import *import)
{
    size_t n = 0;
    for (size_t i = 0; i < import->n; i++) {
        struct dmpi_import_host h = import->hosts[i];
        bool seen = false;
        for (size_t k = 0; k < n && !seen; k++)
            seen = strcmp(dmpi_import_control(&import->hosts[k]), dmpi_import_control(&h)) == 0;
        if (seen)
            dmpi_import_host_free(&h);
        else
            import->hosts[n++] = h;
    }
    import->n = n;
}

int dmpi_import_parse(struct dmpi_import *out, const char *text, size_t len, const char *name,
                      struct dmpi_err *err)
{
    *out = (struct dmpi_import){.launcher = -1};
    dmpi_autofree char *copy = dmpi_xstrndup(text ? text : "", text ? len : 0);
    if (strlen(copy) != len)
        return dmpi_err_set(err, DMPI_EPARSE, "%s: not text", name);
    if (read_any(out, copy, strlen(copy), name, err)) {
        dmpi_import_free(out);
        return -1;
    }
    if (out->n == 0) {
        dmpi_autofree char *left = dmpi_strv_join(&out->left_out, ", ");
        dmpi_err_set(err, DMPI_EPARSE, "%s: no host in it%s%.300s", name, left[0] ? ": " : "",
                     left);
        dmpi_import_free(out);
        return -1;
    }
    drop_doubles(out);
    set_names(out);
    find_launcher(out);
    return 0;
}

void dmpi_import_free(struct dmpi_import *import)
{
    if (!import)
        return;
    for (size_t i = 0; i < import->n; i++)
        dmpi_import_host_free(&import->hosts[i]);
    free(import->hosts);
    dmpi_strv_free(&import->left_out);
    *import = (struct dmpi_import){.launcher = -1};
}

// ---- writing -----------------------------------------------------------------------------------

static void write_node(struct dmpi_buf *out, const struct dmpi_import *import, size_t i)
{
    const struct dmpi_import_host *h = &import->hosts[i];
    const char *control = dmpi_import_control(h);
    bool six = strchr(control, ':') != NULL;
    dmpi_buf_addf(out, "  - { name: \"%s\", docker: \"ssh://%s%s%s%s%s\"", h->name,
                  h->user ? h->user : "", h->user ? "@" : "", six ? "[" : "", control,
                  six ? "]" : "");
    if (h->private_addr)
        dmpi_buf_addf(out, ", addr: \"%s\"", h->private_addr);
    if (h->type && import->launcher != (long)i)
        dmpi_buf_addf(out, ", image: %s", dmpi_import_profile(h->type));
    if (h->slots)
        dmpi_buf_addf(out, ", slots: %d", h->slots);
    dmpi_buf_adds(out, " }");
    if (h->type || h->id)
        dmpi_buf_addf(out, " # %s%s%s", h->type ? h->type : "", h->type && h->id ? " " : "",
                      h->id ? h->id : "");
    dmpi_buf_adds(out, "\n");
}

static void write_left_out(struct dmpi_buf *out, const struct dmpi_import *import)
{
    for (size_t i = 0; i < import->left_out.n && i < 100; i++) {
        dmpi_autofree char *safe = dmpi_text_print_safe(import->left_out.v[i]);
        dmpi_buf_addf(out, "# left out: %s\n", safe);
    }
}

// A path as a double-quoted YAML scalar, whose escapes are those of JSON.
static void write_quoted(struct dmpi_buf *out, const char *key, const char *value)
{
    dmpi_json_auto json_t *str = dmpi_json_new_str(value);
    char *text = json_dumps(str, JSON_ENCODE_ANY);
    if (!text)
        dmpi_oom();
    dmpi_buf_addf(out, "%s: %s", key, text);
    free(text);
}

static int check_opts(const struct dmpi_import_opts *opts, struct dmpi_err *err)
{
    if (opts->name && dmpi_text_name_check("cluster name", opts->name, err))
        return -1;
    if (opts->user && (!opts->user[0] || opts->user[0] == '-' || !dmpi_host_ok(opts->user)))
        return dmpi_err_set(err, DMPI_EINVAL, "user '%.64s': malformed", opts->user);
    if (opts->identity && !opts->identity[0])
        return dmpi_err_set(err, DMPI_EINVAL, "the name of the key file is empty");
    return 0;
}

static void write_defaults(struct dmpi_buf *out, const struct dmpi_import_opts *opts)
{
    if (!opts->user && !opts->identity)
        return;
    dmpi_buf_adds(out, "defaults: { ");
    if (opts->user)
        write_quoted(out, "user", opts->user);
    if (opts->user && opts->identity)
        dmpi_buf_adds(out, ", ");
    if (opts->identity)
        write_quoted(out, "identity", opts->identity);
    dmpi_buf_adds(out, " }\n");
}

int dmpi_import_yaml(char **out, const struct dmpi_import *import,
                     const struct dmpi_import_opts *opts, struct dmpi_err *err)
{
    struct dmpi_buf text = DMPI_BUF_INIT(DMPI_IMPORT_MAX);
    *out = NULL;
    if (check_opts(opts, err))
        return -1;
    dmpi_buf_addf(&text, "# Made by dockmpi import from %s: %zu host%s.\n", import->kind, import->n,
                  import->n == 1 ? "" : "s");
    write_left_out(&text, import);
    if (opts->name)
        dmpi_buf_addf(&text, "name: \"%s\"\n", opts->name);
    write_defaults(&text, opts);
    if (import->launcher >= 0)
        dmpi_buf_addf(&text, "launcher: { node: \"%s\" }\n", import->hosts[import->launcher].name);
    dmpi_buf_adds(&text, "nodes:\n");
    for (size_t i = 0; i < import->n; i++)
        write_node(&text, import, i);
    *out = dmpi_buf_steal(&text);
    return 0;
}
