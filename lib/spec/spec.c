// SPDX-License-Identifier: MIT
#include "spec/spec.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/text.h"
#include "spec/draft.h"
#include "spec/runas.h"

#define FILE_MAX_BYTES (16U << 20)

// ---- reading -----------------------------------------------------------------------------------

// Which message helps when the text is neither a cluster file nor a hostfile.
static bool looks_like_yaml(const char *text, size_t len)
{
    dmpi_autofree char *copy = dmpi_xstrndup(text, len);
    char *save = NULL;
    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        line += strspn(line, " \t");
        if (line[0] == '#' || line[0] == '\0' || line[0] == '\r')
            continue;
        return line[0] == '{' || line[0] == '-' || line[0] == '%' || strstr(line, ": ") ||
               dmpi_text_ends_with(line, ":") || dmpi_text_ends_with(line, ":\r");
    }
    return true;
}

static int read_text(struct dmpi_draft *d, const char *text, size_t len, struct dmpi_err *err)
{
    const char *name = d->flags->file;
    if (dmpi_yaml_load(&d->y, text, len, name, err)) {
        if (looks_like_yaml(text, len))
            return -1;
        return dmpi_draft_hostfile(d, text, len, name, err);
    }
    if (json_is_object(d->y.root))
        return dmpi_draft_read(d, err);
    if (looks_like_yaml(text, len))
        return dmpi_err_set(err, DMPI_EPARSE,
                            "%s: neither a cluster file (a mapping with nodes) nor a hostfile",
                            name);
    return dmpi_draft_hostfile(d, text, len, name, err);
}

static int local_node(struct dmpi_draft *d, struct dmpi_err *err)
{
    struct dmpi_node *node = dmpi_draft_add(d);
    node->name = dmpi_xstrdup("local");
    d->nodes[0].workers = d->defaults.workers == DMPI_UNSET ? 2 : d->defaults.workers;
    return dmpi_draft_local(d, &node->ep, err);
}

static int nodes_of_flags(struct dmpi_draft *d, struct dmpi_err *err)
{
    const struct dmpi_strv *nodes = &d->flags->nodes;
    for (size_t i = 0; i < nodes->n; i++) {
        struct dmpi_node *node = dmpi_draft_add(d);
        node->name = dmpi_xstrdup(nodes->v[i]);
        if (dmpi_endpoint_parse(&node->ep, nodes->v[i], err))
            return dmpi_err_wrap(err, "--node");
    }
    return 0;
}

// ---- flags -------------------------------------------------------------------------------------

static void replace(char **out, const char *value)
{
    if (value) {
        free(*out);
        *out = dmpi_xstrdup(value);
    }
}

static int flag_lists(struct dmpi_spec *s, const struct dmpi_flags *flags, struct dmpi_err *err)
{
    for (size_t i = 0; i < flags->volumes.n; i++) {
        if (dmpi_spec_add_volume(s, flags->volumes.v[i], true, err))
            return dmpi_err_wrap(err, "--volume");
    }
    for (size_t i = 0; i < flags->env.n; i++) {
        if (dmpi_env_parse(&s->env, flags->env.v[i], err))
            return dmpi_err_wrap(err, "--env");
    }
    return 0;
}

int dmpi_ttl_parse(int64_t *out_s, const char *text, struct dmpi_err *err)
{
    int64_t ms = 0;
    if (dmpi_text_duration(&ms, text, err))
        return -1;
    if (ms < DMPI_TTL_MIN_S * 1000LL || ms > DMPI_TTL_MAX_S * 1000LL)
        return dmpi_err_set(err, DMPI_EINVAL, "'%.64s': expected 10s to 365d, such as 12h", text);
    *out_s = ms / 1000;
    return 0;
}

static int apply_flags(struct dmpi_draft *d, struct dmpi_err *err)
{
    const struct dmpi_flags *flags = d->flags;
    struct dmpi_spec *s = d->spec;
    if (flags->name && dmpi_text_name_check("cluster name", flags->name, err))
        return dmpi_err_wrap(err, "--name");
    replace(&s->name, flags->name);
    replace(&s->launcher_image, flags->launcher_image);
    replace(&s->workdir, flags->workdir);
    replace(&d->defaults.user, flags->user);
    if (flags->run_as) {
        free(DMPI_STEAL(s->run_as));
        if (dmpi_runas_parse(&s->run_as, flags->run_as, err))
            return dmpi_err_wrap(err, "--user");
    }
    if (flags->ports && dmpi_ports_parse(&s->ports, flags->ports, err))
        return dmpi_err_wrap(err, "--ports");
    if (flags->shm_size && dmpi_text_size(&s->shm_size, flags->shm_size, err))
        return dmpi_err_wrap(err, "--shm-size");
    if (flags->shm_size && s->shm_size <= 0)
        return dmpi_err_set(err, DMPI_EINVAL, "--shm-size %s: must be greater than 0",
                            flags->shm_size);
    if (flags->ttl && dmpi_ttl_parse(&s->ttl_s, flags->ttl, err))
        return dmpi_err_wrap(err, "--ttl");
    return flag_lists(s, flags, err);
}

// ---- nodes -------------------------------------------------------------------------------------

static void fill(char **out, const char *own, const char *fallback)
{
    const char *value = own ? own : fallback;
    if (value && !*out)
        *out = dmpi_xstrdup(value);
}

static int finish_endpoint(struct dmpi_draft *d, size_t i, struct dmpi_err *err)
{
    struct dmpi_endpoint *ep = &d->spec->nodes[i].ep;
    const struct dmpi_draft_node *n = &d->nodes[i], *def = &d->defaults;
    if (ep->scheme == DMPI_SSH) {
        fill(&ep->user, n->user, def->user);
        fill(&ep->identity, n->identity, def->identity);
        fill(&ep->known_hosts, n->known_hosts, def->known_hosts);
    }
    if (ep->scheme == DMPI_TCP) {
        // The folder of defaults is not for the socket-like tcp of this machine.
        bool wants_tls = !n->insecure && (ep->tls || !dmpi_host_is_loopback(ep->host));
        const char *dir = n->tls ? n->tls : wants_tls ? def->tls : NULL;
        if (dir)
            dmpi_endpoint_use_tls(ep, dir);
        ep->insecure_plain = ep->insecure_plain || n->insecure;
    }
    if (dmpi_endpoint_check(ep, err))
        return dmpi_draft_node_err(d, i, "docker", err);
    return 0;
}

// A user that could be taken for an option must not reach ssh.
static int check_user(const char *user, struct dmpi_err *err)
{
    if (user && (user[0] == '-' || user[0] == '\0' || strpbrk(user, " @:/'\"\\$`;")))
        return dmpi_err_set(err, DMPI_EINVAL, "user '%.64s': malformed", user);
    return 0;
}

static void finish_addr(struct dmpi_spec *s, struct dmpi_node *node)
{
    if (node->addr || s->subnet)
        return;
    if (s->n_nodes == 1)
        node->addr = dmpi_xstrdup("127.0.0.1");
    else if (node->ep.host && dmpi_host_is_address(node->ep.host) &&
             !dmpi_host_is_loopback(node->ep.host))
        node->addr = dmpi_xstrdup(node->ep.host);
}

static int finish_nodes(struct dmpi_draft *d, struct dmpi_err *err)
{
    struct dmpi_spec *s = d->spec;
    int slots = d->defaults.slots > 0 ? d->defaults.slots : 1, forced = 0;
    if (dmpi_flag_int(&forced, "slots", d->flags->slots, DMPI_SLOTS_MAX, err) ||
        check_user(d->defaults.user, err))
        return -1;
    for (size_t i = 0; i < s->n_nodes; i++) {
        struct dmpi_node *node = &s->nodes[i];
        if (check_user(d->nodes[i].user, err))
            return dmpi_draft_node_err(d, i, "user", err);
        if (finish_endpoint(d, i, err))
            return -1;
        finish_addr(s, node);
        node->slots = forced ? forced : d->nodes[i].slots > 0 ? d->nodes[i].slots : slots;
        node->slots_given = forced || d->nodes[i].slots > 0 || d->defaults.slots > 0;
        node->options = json_deep_copy(d->defaults.options);
        if (node->options && d->nodes[i].options)
            json_object_update_recursive(node->options, d->nodes[i].options);
        else if (d->nodes[i].options)
            node->options = json_deep_copy(d->nodes[i].options);
    }
    return 0;
}

static int check_ports(const struct dmpi_spec *s, struct dmpi_err *err)
{
    for (size_t i = 0; i < s->n_nodes; i++) {
        const struct dmpi_node *node = &s->nodes[i];
        if (dmpi_ports_check(&s->ports, node->name, node->workers, node->workers * node->slots,
                             err))
            return s->file ? dmpi_err_wrap(err, "%s", s->file) : -1;
    }
    return 0;
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// Two nodes with one engine would see each other's containers as their own.
static int check_unique(const struct dmpi_draft *d, struct dmpi_err *err)
{
    const struct dmpi_spec *s = d->spec;
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv names = DMPI_STRV_INIT;
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv engines = DMPI_STRV_INIT;
    for (size_t i = 0; i < s->n_nodes; i++) {
        dmpi_strv_add(&names, s->nodes[i].name);
        dmpi_strv_take(&engines, dmpi_endpoint_str(&s->nodes[i].ep));
    }
    qsort(names.v, names.n, sizeof(*names.v), compare_keys);
    qsort(engines.v, engines.n, sizeof(*engines.v), compare_keys);
    for (size_t i = 1; i < s->n_nodes; i++) {
        if (strcmp(names.v[i - 1], names.v[i]) == 0)
            return dmpi_err_set(err, DMPI_EINVAL, "%s: two nodes are called '%s'",
                                s->file ? s->file : "--node", names.v[i]);
        if (strcmp(engines.v[i - 1], engines.v[i]) == 0)
            return dmpi_err_set(err, DMPI_EINVAL,
                                "%s: two nodes have the engine %s: give one node more workers",
                                s->file ? s->file : "--node", engines.v[i]);
    }
    return 0;
}

static int find_launcher(struct dmpi_draft *d, struct dmpi_err *err)
{
    struct dmpi_spec *s = d->spec;
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv names = DMPI_STRV_INIT;
    if (!d->launcher_name)
        return 0;
    for (size_t i = 0; i < s->n_nodes; i++) {
        if (strcmp(s->nodes[i].name, d->launcher_name) == 0) {
            s->launcher_node = i;
            return 0;
        }
        dmpi_strv_add(&names, s->nodes[i].name);
    }
    struct dmpi_read r = {&d->y, json_object_get(d->y.root, "launcher"), "launcher"};
    const char *near = dmpi_text_suggest(d->launcher_name, (const char *const *)names.v);
    return dmpi_read_fail(&r, "node", err, "no node is called '%s'%s%s%s", d->launcher_name,
                          near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
}

// ---- the whole ---------------------------------------------------------------------------------

static char *make_origin(const struct dmpi_spec *s)
{
    char hex[DMPI_SHA256_HEX], host[256] = "";
    char *real = s->file ? realpath(s->file, NULL) : NULL;
    gethostname(host, sizeof(host) - 1);
    dmpi_autofree char *text = s->file ? dmpi_xasprintf("file %s", real ? real : s->file)
                                       : dmpi_xasprintf("user %ld@%s", (long)getuid(), host);
    free(real);
    dmpi_sha256_hex(text, strlen(text), hex);
    return dmpi_xstrndup(hex, 16);
}

static int finish(struct dmpi_draft *d, struct dmpi_err *err)
{
    struct dmpi_spec *s = d->spec;
    fill(&s->name, NULL, DMPI_NAME_DEFAULT);
    fill(&s->workdir, NULL, DMPI_WORKDIR_DEFAULT);
    if (s->launcher_image && dmpi_text_name_check("image profile", s->launcher_image, err))
        return dmpi_err_wrap(err, "launcher");
    char *workdir = dmpi_path_normal(s->workdir);
    if (!workdir)
        return dmpi_err_set(err, DMPI_EINVAL,
                            "%sworkdir '%.200s': expected an absolute path without '..'",
                            d->flags->workdir ? "--" : "", s->workdir);
    free(s->workdir);
    s->workdir = workdir;
    if (dmpi_draft_workers(d, err) || finish_nodes(d, err) || check_ports(s, err) ||
        check_unique(d, err) || find_launcher(d, err))
        return -1;
    s->origin = make_origin(s);
    return 0;
}

static int make(struct dmpi_spec *out, const struct dmpi_flags *flags, const char *text, size_t len,
                const struct dmpi_endpoint *local, struct dmpi_err *err)
{
    *out = (struct dmpi_spec){.file = dmpi_xstrdup(flags->file)};
    struct dmpi_draft d = {.spec = out,
                           .flags = flags,
                           .local = local,
                           .defaults = {.slots = DMPI_UNSET, .workers = DMPI_UNSET}};
    int rc = text ? read_text(&d, text, len, err) : nodes_of_flags(&d, err);
    if (rc == 0 && out->n_nodes == 0)
        rc = local_node(&d, err);
    if (rc == 0 && (apply_flags(&d, err) || finish(&d, err)))
        rc = -1;
    dmpi_draft_free(&d);
    if (rc)
        dmpi_spec_free(out);
    return rc;
}

int dmpi_spec_make(struct dmpi_spec *out, const struct dmpi_flags *flags, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT(FILE_MAX_BYTES);
    *out = (struct dmpi_spec){.name = NULL};
    if (flags->file && dmpi_io_read_file(&text, flags->file, FILE_MAX_BYTES, err))
        return -1;
    return make(out, flags, flags->file ? dmpi_buf_str(&text) : NULL, text.len, NULL, err);
}

int dmpi_spec_make_text(struct dmpi_spec *out, const struct dmpi_flags *flags, const char *text,
                        size_t len, const struct dmpi_endpoint *local, struct dmpi_err *err)
{
    return make(out, flags, text, len, local, err);
}

void dmpi_spec_free(struct dmpi_spec *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_nodes; i++) {
        struct dmpi_node *node = &s->nodes[i];
        free(node->name);
        free(node->addr);
        dmpi_endpoint_free(&node->ep);
        dmpi_node_clear_groups(node);
        json_decref(node->options);
    }
    for (size_t i = 0; i < s->n_volumes; i++)
        dmpi_volume_free(&s->volumes[i]);
    free(s->name);
    free(s->file);
    free(s->origin);
    free(s->nodes);
    free(s->launcher_image);
    free(s->volumes);
    dmpi_strv_free(&s->env);
    free(s->run_as);
    free(s->workdir);
    free(s->subnet);
    *s = (struct dmpi_spec){.name = NULL};
}

int dmpi_spec_workers(const struct dmpi_spec *spec)
{
    int sum = 0;
    for (size_t i = 0; i < spec->n_nodes; i++)
        sum += spec->nodes[i].workers;
    return sum;
}
