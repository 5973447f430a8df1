// SPDX-License-Identifier: MIT
// mesh.json and self.json: what members keep of the mesh.
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/tar.h"
#include "mesh/mesh.h"
#include "mesh/version.h"

#define FILE_MAX_BYTES (16U << 20)

static void set_opt_str(json_t *obj, const char *key, const char *value)
{
    if (value)
        dmpi_json_set_str(obj, key, value);
}

static json_t *worker_to_json(const struct dmpi_mesh_worker *w)
{
    json_t *obj = dmpi_json_new_obj();

    dmpi_json_set_int(obj, "index", w->index);
    dmpi_json_set_str(obj, "alias", w->alias);
    dmpi_json_set_str(obj, "node", w->node);
    dmpi_json_set_str(obj, "addr", w->addr);
    dmpi_json_set_int(obj, "port", w->port);
    dmpi_json_set_int(obj, "slots", w->slots);
    dmpi_json_set_str(obj, "profile", w->profile);
    set_opt_str(obj, "interpreter", w->interpreter);
    dmpi_json_set_str(obj, "host_public", w->host_public);
    set_opt_str(obj, "iface", w->iface);
    set_opt_str(obj, "cidr", w->cidr);
    dmpi_json_set_int(obj, "mtu", w->mtu);
    dmpi_json_set_int(obj, "cpus", w->cpus);
    dmpi_json_set_int(obj, "ompi", w->ompi);
    dmpi_json_set_int(obj, "gpus", w->gpus);
    dmpi_json_set_int(obj, "rdma", w->rdma);
    if (w->guard)
        dmpi_json_set_bool(obj, "guard", true);
    return obj;
}

json_t *dmpi_mesh_to_json(const struct dmpi_mesh *mesh)
{
    json_t *root = dmpi_json_new_obj();
    json_t *workers = dmpi_json_new_arr();

    for (size_t i = 0; i < mesh->n; i++)
        dmpi_json_add(workers, worker_to_json(&mesh->workers[i]));
    dmpi_json_set_int(root, "version", DMPI_MESH_VERSION);
    dmpi_json_set_str(root, "id", mesh->id);
    set_opt_str(root, "launcher_iface", mesh->launcher_iface);
    set_opt_str(root, "launcher_cidr", mesh->launcher_cidr);
    dmpi_json_set_int(root, "launcher_ompi", mesh->launcher_ompi);
    if (dmpi_ports_given(&mesh->ports)) {
        dmpi_autofree char *ports = dmpi_ports_str(&mesh->ports);
        dmpi_json_set_str(root, "ports", ports);
    }
    if (mesh->launcher_guard)
        dmpi_json_set_bool(root, "launcher_guard", true);
    if (mesh->unprivileged)
        dmpi_json_set_bool(root, "unprivileged", true);
    dmpi_json_set(root, "workers", workers);
    return root;
}

struct str_field {
    const char *key;
    char **to;
    bool required;
};

struct int_field {
    const char *key;
    int *to;
    bool required;
};

// Fills the fields of a worker whose strings are then owned by *w, also after an error.
static int worker_from_json(struct dmpi_mesh_worker *w, const json_t *obj, const char *path,
                            struct dmpi_err *err)
{
    const struct str_field strs[] = {
        {"alias", &w->alias, true},
        {"node", &w->node, true},
        {"addr", &w->addr, true},
        {"profile", &w->profile, true},
        {"interpreter", &w->interpreter, false},
        {"host_public", &w->host_public, true},
        {"iface", &w->iface, false},
        {"cidr", &w->cidr, false},
    };
    int rdma = 0;
    const struct int_field ints[] = {
        {"index", &w->index, true}, {"port", &w->port, true}, {"slots", &w->slots, true},
        {"mtu", &w->mtu, true},     {"cpus", &w->cpus, true}, {"ompi", &w->ompi, false},
        {"gpus", &w->gpus, false},  {"rdma", &rdma, false},
    };

    for (size_t i = 0; i < DMPI_ARRAY_LEN(strs); i++) {
        const char *s = NULL;

        if (dmpi_json_need_str(&s, obj, path, strs[i].key, strs[i].required, err) != 0)
            return -1;
        *strs[i].to = dmpi_xstrdup(s);
    }
    for (size_t i = 0; i < DMPI_ARRAY_LEN(ints); i++) {
        json_int_t n = 0;

        if (dmpi_json_need_int(&n, obj, path, ints[i].key, ints[i].required, err) != 0)
            return -1;
        if (n < 0 || n > INT32_MAX)
            return dmpi_err_set(err, DMPI_EPARSE, "%s.%s: out of range", path, ints[i].key);
        *ints[i].to = (int)n;
    }
    w->rdma = rdma != 0;
    w->guard = dmpi_json_bool(obj, "guard", false);
    return 0;
}

static int add_worker(struct dmpi_mesh *out, const json_t *obj, size_t i, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_mesh_worker_clear) struct dmpi_mesh_worker w = {0};
    char path[32];

    snprintf(path, sizeof(path), "workers[%zu]", i);
    if (worker_from_json(&w, obj, path, err) != 0)
        return -1;
    if (dmpi_mesh_find(out, w.index))
        return dmpi_err_set(err, DMPI_EPARSE, "%s: index %d is there twice", path, w.index);
    return dmpi_mesh_put(out, &w, err);
}

static bool hex_ok(const char *text, size_t len)
{
    return strlen(text) == len && strspn(text, "0123456789abcdef") == len;
}

static int read_launcher(struct dmpi_mesh *out, const json_t *root, struct dmpi_err *err)
{
    const char *iface = NULL;
    const char *cidr = NULL;
    json_int_t ompi = 0;

    if (dmpi_json_need_int(&ompi, root, "", "launcher_ompi", false, err) != 0)
        return -1;
    out->launcher_ompi = ompi >= 0 && ompi < 10 ? (int)ompi : 0;
    if (dmpi_json_need_str(&iface, root, "", "launcher_iface", false, err) != 0 ||
        dmpi_json_need_str(&cidr, root, "", "launcher_cidr", false, err) != 0)
        return -1;
    if ((cidr && strspn(cidr, "0123456789abcdefABCDEF.:/") != strlen(cidr)) ||
        (iface && strpbrk(iface, " \t\r\n,'\"\\")))
        return dmpi_err_set(err, DMPI_EPARSE, "launcher_iface or launcher_cidr: not usable");
    out->launcher_iface = dmpi_xstrdup(iface);
    out->launcher_cidr = dmpi_xstrdup(cidr);
    return 0;
}

static int read_ports(struct dmpi_mesh *out, const json_t *root, struct dmpi_err *err)
{
    const char *ports = NULL;

    if (dmpi_json_need_str(&ports, root, "", "ports", false, err) != 0 ||
        (ports && dmpi_ports_parse(&out->ports, ports, err) != 0))
        return dmpi_err_wrap(err, "ports");
    return 0;
}

static int from_root(struct dmpi_mesh *out, const json_t *root, struct dmpi_err *err)
{
    json_int_t version = 0;
    const char *id = NULL;
    json_t *workers = NULL;
    size_t i;
    json_t *item;

    if (dmpi_json_need_int(&version, root, "", "version", true, err) != 0)
        return -1;
    if (version != DMPI_MESH_VERSION)
        return dmpi_err_set(err, DMPI_ECONFLICT,
                            "written by another version of dockmpi: take the cluster down and up");
    if (dmpi_json_need_str(&id, root, "", "id", true, err) != 0 ||
        dmpi_json_need_arr(&workers, root, "", "workers", true, err) != 0)
        return -1;
    if (!hex_ok(id, sizeof(out->id) - 1))
        return dmpi_err_set(err, DMPI_EPARSE, "id: expected 32 hexadecimal digits");
    snprintf(out->id, sizeof(out->id), "%s", id);
    if (json_array_size(workers) > DMPI_MESH_WORKERS_MAX)
        return dmpi_err_set(err, DMPI_EPARSE, "workers: too many");
    json_array_foreach (workers, i, item) {
        if (add_worker(out, item, i, err) != 0)
            return -1;
    }
    if (read_ports(out, root, err) != 0)
        return -1;
    out->launcher_guard = dmpi_json_bool(root, "launcher_guard", false);
    out->unprivileged = dmpi_json_bool(root, "unprivileged", false);
    return read_launcher(out, root, err);
}

int dmpi_mesh_from_json(struct dmpi_mesh *out, const char *text, size_t len, struct dmpi_err *err)
{
    dmpi_json_auto json_t *root = NULL;

    *out = (struct dmpi_mesh){0};
    if (dmpi_json_parse(&root, text, len, err) != 0 || from_root(out, root, err) != 0)
        return dmpi_err_wrap(err, "mesh.json");
    return 0;
}

void dmpi_mesh_digest(const struct dmpi_mesh *mesh, char out[DMPI_SHA256_HEX])
{
    dmpi_json_auto json_t *json = dmpi_mesh_to_json(mesh);
    dmpi_autofree char *text = dmpi_json_dump(json);
    struct dmpi_sha256 h;

    dmpi_sha256_init(&h);
    dmpi_sha256_update(&h, text, strlen(text));
    dmpi_sha256_update(&h, mesh->key.pub, sizeof(mesh->key.pub));
    dmpi_sha256_final_hex(&h, out);
}

int dmpi_mesh_self_parse(struct dmpi_mesh_self *out, const char *text, size_t len,
                         struct dmpi_err *err)
{
    dmpi_json_auto json_t *root = NULL;
    const char *id = NULL;
    const char *digest = NULL;
    const char *role = NULL;
    json_int_t index = -1;

    *out = (struct dmpi_mesh_self){.index = -1};
    if (dmpi_json_parse(&root, text, len, err) != 0 ||
        dmpi_json_need_str(&id, root, "", "mesh", true, err) != 0 ||
        dmpi_json_need_str(&digest, root, "", "digest", true, err) != 0 ||
        dmpi_json_need_str(&role, root, "", "role", true, err) != 0 ||
        dmpi_json_need_int(&index, root, "", "index", true, err) != 0)
        return dmpi_err_wrap(err, "self.json");
    if (!hex_ok(id, sizeof(out->id) - 1) || !hex_ok(digest, sizeof(out->digest) - 1) ||
        index < -1 || index >= DMPI_MESH_WORKERS_MAX || strlen(role) >= sizeof(out->role))
        return dmpi_err_set(err, DMPI_EPARSE, "self.json: not usable");
    snprintf(out->id, sizeof(out->id), "%s", id);
    snprintf(out->digest, sizeof(out->digest), "%s", digest);
    snprintf(out->role, sizeof(out->role), "%s", role);
    out->index = (int)index;
    return 0;
}

// Collects two files out of an archive.
struct collector {
    struct dmpi_buf json, key;
    struct dmpi_buf *current; // NULL: not one of ours
};

static bool path_ends(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');

    return strcmp(slash ? slash + 1 : path, name) == 0;
}

static int tar_entry(const struct dmpi_tar_entry *entry, void *arg, struct dmpi_err *err)
{
    struct collector *c = arg;

    (void)err;
    c->current = NULL;
    if (entry->type == DMPI_TAR_FILE && path_ends(entry->path, "mesh.json"))
        c->current = &c->json;
    else if (entry->type == DMPI_TAR_FILE && path_ends(entry->path, "id_ed25519"))
        c->current = &c->key;
    if (c->current)
        dmpi_buf_clear(c->current);
    return 0;
}

static int tar_data(const void *data, size_t len, void *arg, struct dmpi_err *err)
{
    struct collector *c = arg;

    if (!c->current)
        return 0;
    dmpi_buf_add(c->current, data, len);
    return c->current->overflow ? dmpi_err_set(err, DMPI_EPARSE, "a file is too long") : 0;
}

static void collector_free(struct collector *c)
{
    dmpi_buf_free(&c->json);
    dmpi_buf_free(&c->key);
}

static int read_tar(struct collector *c, const void *tar, size_t len, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_tar_reader_free) struct dmpi_tar_reader reader = {0};
    const struct dmpi_tar_handler handler = {.entry = tar_entry, .data = tar_data, .arg = c};

    dmpi_tar_reader_init(&reader, &handler);
    if (dmpi_tar_reader_feed(&reader, tar, len, err) != 0)
        return -1;
    return dmpi_tar_reader_finish(&reader, err);
}

int dmpi_mesh_from_tar(struct dmpi_mesh *out, const void *tar, size_t len, struct dmpi_err *err)
{
    DMPI_AUTO(collector_free)
    struct collector c = {.json = DMPI_BUF_INIT(FILE_MAX_BYTES),
                          .key = DMPI_BUF_INIT_SECRET(65536)};

    *out = (struct dmpi_mesh){0};
    if (read_tar(&c, tar, len, err) != 0)
        return dmpi_err_wrap(err, "files of the mesh");
    if (c.json.len == 0 || c.key.len == 0)
        return dmpi_err_set(err, DMPI_ENOTFOUND, "files of the mesh: %s is missing",
                            c.json.len == 0 ? "mesh.json" : "id_ed25519");
    if (dmpi_mesh_from_json(out, c.json.data, c.json.len, err) != 0)
        return -1;
    return dmpi_key_parse_private(&out->key, c.key.data, c.key.len, err);
}
