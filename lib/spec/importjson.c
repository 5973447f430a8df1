// SPDX-License-Identifier: MIT
// Hosts out of JSON: what aws and terraform print. Keys differ between clouds and between people's
// own outputs, so a host is any object that carries an address under one of the usual names.
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "spec/endpoint.h"
#include "spec/importer.h"

#define DEPTH_MAX 32

static const char *const public_keys[] = {
    "public_ip", "PublicIpAddress", "public_ip_address", "PublicIp",
    "nat_ip",    "ipv4_address",    "public_dns_name",   NULL};
static const char *const private_keys[] = {
    "private_ip", "PrivateIpAddress", "private_ip_address", "network_ip", "addr", NULL};
static const char *const addr6_keys[] = {"Ipv6Address", "ipv6_address", NULL};
static const char *const type_keys[] = {"instance_type", "InstanceType", "machine_type", "vm_size",
                                        "server_type",   "size",         "type",         NULL};
static const char *const id_keys[] = {"InstanceId", "instance_id", "id", NULL};
static const char *const user_keys[] = {"ssh_user", "user", NULL};
static const char *const name_keys[] = {"name", "hostname", NULL};

static const char *first(const json_t *obj, const char *const *keys)
{
    for (; *keys; keys++) {
        const char *s = dmpi_json_str(obj, *keys);
        if (s && s[0])
            return s;
    }
    return NULL;
}

// tags = { Name = "x" } in Terraform, Tags: [{Key: Name, Value: x}] with aws.
static const char *tag_name(const json_t *obj)
{
    const char *name = dmpi_json_str(dmpi_json_obj(obj, "tags"), "Name");
    const json_t *tag;
    size_t i;
    json_array_foreach (dmpi_json_arr(obj, "Tags"), i, tag) {
        const char *key = dmpi_json_str(tag, "Key");
        if (!name && key && strcmp(key, "Name") == 0)
            name = dmpi_json_str(tag, "Value");
    }
    return name;
}

static const char *state_of(const json_t *obj)
{
    const char *state = dmpi_json_str(obj, "instance_state");
    if (!state)
        state = dmpi_json_str(dmpi_json_obj(obj, "State"), "Name");
    return state ? state : dmpi_json_str(obj, "State");
}

static const char *addr6_of(const json_t *obj)
{
    const char *one = first(obj, addr6_keys);
    return one ? one : json_string_value(json_array_get(dmpi_json_arr(obj, "ipv6_addresses"), 0));
}

// Whether obj is a host. hint is its name when it tells none.
static bool is_host(struct dmpi_found *f, const json_t *obj, const char *hint)
{
    // Google's instances keep their addresses one level down.
    const json_t *nic = json_array_get(dmpi_json_arr(obj, "network_interface"), 0);
    const json_t *nat = json_array_get(dmpi_json_arr(nic, "access_config"), 0);
    const char *tag = tag_name(obj), *name = tag ? tag : first(obj, name_keys);
    *f = (struct dmpi_found){
        .name = name ? name : hint,
        .id = first(obj, id_keys),
        .type = first(obj, type_keys),
        .user = first(obj, user_keys),
        .public_addr = nat ? dmpi_json_str(nat, "nat_ip") : first(obj, public_keys),
        .private_addr = nic ? dmpi_json_str(nic, "network_ip") : first(obj, private_keys),
        .addr6 = addr6_of(obj),
        .state = state_of(obj),
    };
    return f->public_addr || f->private_addr || f->addr6 || dmpi_json_str(obj, "InstanceId");
}

static void visit(struct dmpi_import *import, const json_t *j, const char *hint, int depth)
{
    struct dmpi_found f;
    const char *key;
    json_t *v;
    size_t i;
    if (depth > DEPTH_MAX)
        return;
    if (json_is_object(j) && is_host(&f, j, hint)) {
        dmpi_import_add(import, &f);
        return;
    }
    json_array_foreach (j, i, v)
        visit(import, v, hint, depth + 1);
    json_object_foreach ((json_t *)j, key, v)
        visit(import, v, json_is_object(v) ? key : hint, depth + 1);
}

void dmpi_import_aws(struct dmpi_import *import, const json_t *root)
{
    visit(import, root, NULL, 0);
}

// ---- terraform show -json, and state files -----------------------------------------------------

static bool has_word(const char *text, const char *const *words)
{
    for (; *words; words++) {
        if (strstr(text, *words))
            return true;
    }
    return false;
}

static bool is_machine(const char *type)
{
    static const char *const words[] = {"instance", "virtual_machine", "server", "droplet", NULL};
    // Services that have addresses, too.
    static const char *const others[] = {"db_",      "sql", "database", "redis",
                                         "memcache", "rds", "notebook", NULL};
    return type && has_word(type, words) && !has_word(type, others);
}

// An elastic address replaces the one that the instance got by itself.
static void elastic(struct dmpi_import *import, const json_t *values)
{
    static const char *const keys[] = {"instance", "instance_id", NULL};
    const char *id = first(values, keys), *addr = dmpi_json_str(values, "public_ip");
    for (size_t i = 0; i < import->n && id && addr && dmpi_host_is_address(addr); i++) {
        struct dmpi_import_host *h = &import->hosts[i];
        if (h->id && strcmp(h->id, id) == 0) {
            free(h->public_addr);
            h->public_addr = dmpi_xstrdup(addr);
        }
    }
}

// key is that of `for_each`, NULL where there is none.
static void resource(struct dmpi_import *import, const json_t *res, const char *key,
                     const json_t *values, bool addresses)
{
    struct dmpi_found f;
    const char *type = dmpi_json_str(res, "type");
    const char *name = key ? key : dmpi_json_str(res, "name");
    if (addresses && type && strncmp(type, "aws_eip", 7) == 0)
        elastic(import, values);
    else if (!addresses && is_machine(type) && is_host(&f, values, name))
        dmpi_import_add(import, &f);
}

static void resources(struct dmpi_import *import, const json_t *list, bool addresses)
{
    const json_t *res, *instance;
    size_t i, k;
    json_array_foreach (list, i, res) {
        const json_t *values = dmpi_json_obj(res, "values");
        if (values)
            resource(import, res, dmpi_json_str(res, "index"), values, addresses);
        json_array_foreach (dmpi_json_arr(res, "instances"), k, instance)
            resource(import, res, dmpi_json_str(instance, "index_key"),
                     dmpi_json_obj(instance, "attributes"), addresses);
    }
}

static void module(struct dmpi_import *import, const json_t *mod, bool addresses, int depth)
{
    const json_t *child;
    size_t i;
    if (depth > DEPTH_MAX)
        return;
    resources(import, dmpi_json_arr(mod, "resources"), addresses);
    json_array_foreach (dmpi_json_arr(mod, "child_modules"), i, child)
        module(import, child, addresses, depth + 1);
}

// ---- terraform output -json --------------------------------------------------------------------

// Outputs such as worker_public_ips, worker_private_ips and worker_types belong together: their
// names are the same up to the word that tells what they hold.
struct bundle {
    char *prefix;
    const json_t *pub, *priv, *types, *names; // borrowed
};

struct bundles {
    struct bundle *v;
    size_t n;
};

enum column { NONE, PUB, PRIV, TYPES, NAMES };

// Which column an output is, by its name; *len: length of the prefix.
static enum column column_of(const char *key, size_t *len)
{
    static const struct {
        const char *word;
        enum column column;
    } words[] = {
        {"public_dns", PUB},  {"public_ip", PUB},     {"public_addr", PUB},
        {"private_ip", PRIV}, {"private_addr", PRIV}, {"instance_type", TYPES},
        {"types", TYPES},     {"type", TYPES},        {"names", NAMES},
        {"name", NAMES},      {"ips", PUB},           {"ip", PUB},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(words); i++) {
        const char *at = strstr(key, words[i].word);
        if (!at || (at > key && at[-1] != '_' && at[-1] != '-'))
            continue;
        *len = (size_t)(at - key);
        if (words[i].column == PUB && (strstr(key, "private") || strstr(key, "internal")))
            return PRIV;
        return words[i].column;
    }
    return NONE;
}

static struct bundle *bundle_of(struct bundles *all, const char *key, size_t len)
{
    while (len > 0 && (key[len - 1] == '_' || key[len - 1] == '-'))
        len--;
    for (size_t i = 0; i < all->n; i++) {
        if (strlen(all->v[i].prefix) == len && strncmp(all->v[i].prefix, key, len) == 0)
            return &all->v[i];
    }
    all->v = dmpi_xreallocarray(all->v, all->n + 1, sizeof(*all->v));
    all->v[all->n] = (struct bundle){.prefix = dmpi_xstrndup(key, len)};
    return &all->v[all->n++];
}

// Text, a list of texts, or a mapping of names to texts.
static bool is_column(const json_t *v)
{
    const char *key;
    const json_t *item;
    size_t i;
    if (json_is_string(v))
        return true;
    if (!json_is_array(v) && !json_is_object(v))
        return false;
    json_array_foreach (v, i, item) {
        if (!json_is_string(item) && !json_is_null(item))
            return false;
    }
    json_object_foreach ((json_t *)v, key, item) {
        if (!json_is_string(item) && !json_is_null(item))
            return false;
    }
    return true;
}

static void add_column(struct bundles *all, const char *key, const json_t *v)
{
    // Hosts that no job runs on.
    static const char *const others[] = {"bastion", "nat_", "gateway", "jump", NULL};
    size_t len = 0;
    enum column column = column_of(key, &len);
    if (column == NONE || has_word(key, others))
        return;
    struct bundle *b = bundle_of(all, key, len);
    const json_t **slots[] = {
        [PUB] = &b->pub, [PRIV] = &b->priv, [TYPES] = &b->types, [NAMES] = &b->names};
    if (!*slots[column])
        *slots[column] = v;
}

// The i-th of a list, the one of a mapping under that key, or the text itself.
static const char *cell(const json_t *column, const char *key, size_t i)
{
    if (key && json_is_object(column))
        return dmpi_json_str(column, key);
    if (json_is_array(column))
        return json_string_value(json_array_get(column, i));
    return json_string_value(column);
}

static void add_cell(struct dmpi_import *import, const struct bundle *b, const char *key, size_t i)
{
    const char *name = key ? key : cell(b->names, NULL, i);
    struct dmpi_found f = {
        .name = name           ? name
                : b->prefix[0] ? b->prefix
                               : NULL,
        .type = cell(b->types, key, i),
        .public_addr = cell(b->pub, key, i),
        .private_addr = cell(b->priv, key, i),
    };
    if (f.public_addr || f.private_addr)
        dmpi_import_add(import, &f);
}

static void add_bundle(struct dmpi_import *import, const struct bundle *b)
{
    const json_t *lead = b->pub ? b->pub : b->priv;
    const char *key;
    json_t *v;
    if (json_is_object(lead)) {
        size_t i = 0;
        json_object_foreach ((json_t *)lead, key, v)
            add_cell(import, b, key, i++);
        return;
    }
    size_t n = json_is_array(lead) ? json_array_size(lead) : lead ? 1 : 0;
    for (size_t i = 0; i < n; i++)
        add_cell(import, b, NULL, i);
}

static void outputs(struct dmpi_import *import, const json_t *root)
{
    struct bundles all = {NULL, 0};
    const char *key;
    json_t *out;
    json_object_foreach ((json_t *)root, key, out) {
        const json_t *value = json_object_get(out, "value");
        struct dmpi_found f;
        if (json_is_object(value) && is_host(&f, value, key))
            dmpi_import_add(import, &f);
        else if (value && is_column(value))
            add_column(&all, key, value);
        else if (value)
            visit(import, value, key, 0);
    }
    for (size_t i = 0; i < all.n; i++) {
        add_bundle(import, &all.v[i]);
        free(all.v[i].prefix);
    }
    free(all.v);
}

void dmpi_import_terraform(struct dmpi_import *import, const json_t *root)
{
    const json_t *top = dmpi_json_obj(dmpi_json_obj(root, "values"), "root_module");
    if (!top && dmpi_json_arr(root, "resources"))
        top = root;
    if (!top) {
        outputs(import, root);
        return;
    }
    module(import, top, false, 0);
    module(import, top, true, 0);
}
