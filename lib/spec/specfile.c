// SPDX-License-Identifier: MIT
// The cluster file.
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "spec/draft.h"
#include "spec/hostconfig.h"
#include "spec/profile.h"
#include "spec/runas.h"

static const char *const top_keys[] = {"name",     "defaults", "launcher", "volumes", "env",
                                       "shm_size", "workdir",  "user",     "options", "nodes",
                                       "ports",    "ttl",      "run_as",   NULL};
static const char *const default_keys[] = {"user",  "identity", "known_hosts", "subnet",  "image",
                                           "slots", "workers",  "tls",         "options", NULL};
static const char *const launcher_keys[] = {"node", "image", NULL};
static const char *const node_keys[] = {"name",     "docker",  "addr",     "image",       "slots",
                                        "workers",  "tls",     "identity", "known_hosts", "user",
                                        "insecure", "options", NULL};

// The mapping at key, with only known keys in it. r->obj is NULL when it is absent.
static int section(struct dmpi_read *r, const struct dmpi_yaml *y, const char *key,
                   const char *const *known, struct dmpi_err *err)
{
    const json_t *obj = json_object_get(y->root, key);
    *r = (struct dmpi_read){y, json_is_null(obj) ? NULL : obj, key};
    if (!r->obj)
        return 0;
    if (dmpi_read_object(r, "a mapping", err))
        return -1;
    return dmpi_yaml_known_keys(y, obj, key, known, err);
}

static int read_options(json_t **out, const struct dmpi_read *r, struct dmpi_err *err)
{
    json_t *v = json_object_get(r->obj, "options");
    if (!v || json_is_null(v))
        return 0;
    if (!json_is_object(v))
        return dmpi_read_fail(r, "options", err, "expected a mapping, not %s",
                              dmpi_json_type_name(v));
    if (dmpi_host_config_check(v, "HostConfig", err))
        return dmpi_read_wrap(r, "options", err);
    json_decref(*out);
    *out = json_deep_copy(v);
    return 0;
}

// What defaults and nodes have in common. r->obj may be NULL.
static int read_common(struct dmpi_draft_node *n, const struct dmpi_read *r, struct dmpi_err *err)
{
    if (dmpi_read_str(&n->user, r, "user", err) ||
        dmpi_read_path(&n->identity, r, "identity", err) ||
        dmpi_read_path(&n->known_hosts, r, "known_hosts", err) ||
        dmpi_read_path(&n->tls, r, "tls", err) || dmpi_read_str(&n->image, r, "image", err) ||
        dmpi_read_int(&n->slots, r, "slots", 1, DMPI_SLOTS_MAX, err) ||
        dmpi_read_int(&n->workers, r, "workers", 0, DMPI_WORKERS_MAX, err))
        return -1;
    return read_options(&n->options, r, err);
}

static int read_defaults(struct dmpi_draft *d, struct dmpi_err *err)
{
    struct dmpi_read r;
    if (section(&r, &d->y, "defaults", default_keys, err) || read_common(&d->defaults, &r, err) ||
        dmpi_read_str(&d->spec->subnet, &r, "subnet", err))
        return -1;
    if (d->spec->subnet && !dmpi_subnet_ok(d->spec->subnet))
        return dmpi_read_fail(&r, "subnet", err, "'%s': expected ADDRESS/BITS", d->spec->subnet);
    return 0;
}

static int read_launcher(struct dmpi_draft *d, struct dmpi_err *err)
{
    struct dmpi_read r;
    if (section(&r, &d->y, "launcher", launcher_keys, err) ||
        dmpi_read_str(&d->launcher_name, &r, "node", err) ||
        dmpi_read_str(&d->spec->launcher_image, &r, "image", err))
        return -1;
    return 0;
}

static int read_volumes(struct dmpi_draft *d, const struct dmpi_read *r, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv list = DMPI_STRV_INIT;
    if (dmpi_read_strv(&list, r, "volumes", err))
        return -1;
    for (size_t i = 0; i < list.n; i++) {
        if (dmpi_spec_add_volume(d->spec, list.v[i], false, err)) {
            dmpi_autofree char *item = dmpi_xasprintf("volumes[%zu]", i);
            return dmpi_read_wrap(r, item, err);
        }
    }
    return 0;
}

static int read_ports(struct dmpi_draft *d, const struct dmpi_read *r, struct dmpi_err *err)
{
    dmpi_autofree char *text = NULL;
    if (dmpi_read_str(&text, r, "ports", err))
        return -1;
    if (text && dmpi_ports_parse(&d->spec->ports, text, err))
        return dmpi_read_wrap(r, "ports", err);
    return 0;
}

static int read_ttl(struct dmpi_draft *d, const struct dmpi_read *r, struct dmpi_err *err)
{
    dmpi_autofree char *text = NULL;
    if (dmpi_read_str(&text, r, "ttl", err))
        return -1;
    if (text && dmpi_ttl_parse(&d->spec->ttl_s, text, err))
        return dmpi_read_wrap(r, "ttl", err);
    return 0;
}

static int read_run_as(struct dmpi_draft *d, const struct dmpi_read *r, struct dmpi_err *err)
{
    dmpi_autofree char *text = NULL;
    const json_t *v = json_object_get(r->obj, "run_as");
    if (json_is_integer(v)) // 1000 is a number to YAML
        text = dmpi_xasprintf("%" JSON_INTEGER_FORMAT, json_integer_value(v));
    else if (dmpi_read_str(&text, r, "run_as", err))
        return -1;
    if (text && dmpi_runas_parse(&d->spec->run_as, text, err))
        return dmpi_read_wrap(r, "run_as", err);
    return 0;
}

static int read_top(struct dmpi_draft *d, struct dmpi_err *err)
{
    struct dmpi_spec *s = d->spec;
    struct dmpi_read r = {&d->y, d->y.root, ""};
    if (dmpi_yaml_known_keys(&d->y, d->y.root, "", top_keys, err) ||
        dmpi_read_str(&s->name, &r, "name", err) || dmpi_read_env(&s->env, &r, "env", err) ||
        dmpi_read_size(&s->shm_size, &r, "shm_size", err) ||
        dmpi_read_str(&s->workdir, &r, "workdir", err) ||
        dmpi_read_str(&d->defaults.user, &r, "user", err) || read_volumes(d, &r, err) ||
        read_options(&d->defaults.options, &r, err) || read_ports(d, &r, err) ||
        read_ttl(d, &r, err) || read_run_as(d, &r, err))
        return -1;
    if (s->name && dmpi_text_name_check("cluster name", s->name, err))
        return dmpi_yaml_err_at(err, &d->y, "", "name");
    return 0;
}

// Endpoint as far as the node's entry tells: defaults and checks come later.
static int read_endpoint(struct dmpi_draft *d, struct dmpi_endpoint *ep, const struct dmpi_read *r,
                         struct dmpi_err *err)
{
    dmpi_autofree char *url = NULL;
    if (dmpi_read_str(&url, r, "docker", err))
        return -1;
    if (!url)
        return dmpi_draft_local(d, ep, err);
    if (dmpi_endpoint_parse(ep, url, err))
        return dmpi_read_wrap(r, "docker", err);
    return 0;
}

// Keys that say nothing for this kind of endpoint are mistakes.
static int check_fit(const struct dmpi_read *r, const struct dmpi_draft_node *n,
                     enum dmpi_scheme scheme, struct dmpi_err *err)
{
    if (n->tls && scheme != DMPI_TCP)
        return dmpi_read_fail(r, "tls", err, "is for tcp:// endpoints only");
    if (n->insecure && scheme != DMPI_TCP)
        return dmpi_read_fail(r, "insecure", err, "is for tcp:// endpoints only");
    if (n->identity && scheme != DMPI_SSH)
        return dmpi_read_fail(r, "identity", err, "is for ssh:// endpoints only");
    if (n->known_hosts && scheme != DMPI_SSH)
        return dmpi_read_fail(r, "known_hosts", err, "is for ssh:// endpoints only");
    if (n->user && scheme != DMPI_SSH)
        return dmpi_read_fail(r, "user", err, "is for ssh:// endpoints only");
    return 0;
}

static int check_node(const struct dmpi_read *r, const struct dmpi_node *node, struct dmpi_err *err)
{
    if (!node->name)
        return dmpi_read_fail(r, NULL, err, "name: missing");
    if (dmpi_text_name_check("node name", node->name, err))
        return dmpi_yaml_err_at(err, r->y, r->path, "name");
    if (node->addr && !dmpi_host_is_address(node->addr))
        return dmpi_read_fail(r, "addr", err, "'%s': expected an IP address", node->addr);
    return 0;
}

static int read_node(struct dmpi_draft *d, const json_t *obj, const char *path,
                     struct dmpi_err *err)
{
    struct dmpi_read r = {&d->y, obj, path};
    struct dmpi_node *node = dmpi_draft_add(d);
    struct dmpi_draft_node *n = &d->nodes[d->spec->n_nodes - 1];
    if (dmpi_read_object(&r, "a mapping such as { name: gpu0, docker: ssh://HOST }", err) ||
        dmpi_yaml_known_keys(&d->y, obj, path, node_keys, err) ||
        dmpi_read_str(&node->name, &r, "name", err) ||
        dmpi_read_str(&node->addr, &r, "addr", err) || check_node(&r, node, err) ||
        read_common(n, &r, err) || dmpi_read_bool(&n->insecure, &r, "insecure", err) ||
        read_endpoint(d, &node->ep, &r, err))
        return -1;
    return check_fit(&r, n, node->ep.scheme, err);
}

static int read_nodes(struct dmpi_draft *d, struct dmpi_err *err)
{
    struct dmpi_read r = {&d->y, d->y.root, ""};
    const json_t *list = json_object_get(d->y.root, "nodes"), *v;
    size_t i;
    if (!list || json_is_null(list))
        return 0;
    if (!json_is_array(list))
        return dmpi_read_fail(&r, "nodes", err, "expected a list, not %s",
                              dmpi_json_type_name(list));
    if (json_array_size(list) == 0 || json_array_size(list) > DMPI_WORKERS_MAX)
        return dmpi_read_fail(&r, "nodes", err, "expected 1 to %d nodes", DMPI_WORKERS_MAX);
    json_array_foreach (list, i, v) {
        dmpi_autofree char *path = dmpi_xasprintf("nodes[%zu]", i);
        if (read_node(d, v, path, err))
            return -1;
    }
    return 0;
}

int dmpi_draft_read(struct dmpi_draft *d, struct dmpi_err *err)
{
    // The user at the top and the one in defaults are one setting: defaults is nearer.
    return read_top(d, err) || read_defaults(d, err) || read_launcher(d, err) || read_nodes(d, err)
               ? -1
               : 0;
}
