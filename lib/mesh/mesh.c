// SPDX-License-Identifier: MIT
#include "mesh/mesh.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"

#define PORT_MAX 65535
#define SLOTS_MAX 65536
#define TEXT_MAX 4096
#define WORDS_OK "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

int dmpi_mesh_make(struct dmpi_mesh *out, struct dmpi_err *err)
{
    *out = (struct dmpi_mesh){0};
    dmpi_random_hex(out->id, (sizeof(out->id) - 1) / 2);
    return dmpi_key_make(&out->key, err);
}

void dmpi_mesh_worker_clear(struct dmpi_mesh_worker *worker)
{
    if (!worker)
        return;
    free(worker->alias);
    free(worker->node);
    free(worker->addr);
    free(worker->profile);
    free(worker->interpreter);
    free(worker->host_public);
    free(worker->iface);
    free(worker->cidr);
    *worker = (struct dmpi_mesh_worker){0};
}

void dmpi_mesh_free(struct dmpi_mesh *mesh)
{
    if (!mesh)
        return;
    for (size_t i = 0; i < mesh->n; i++)
        dmpi_mesh_worker_clear(&mesh->workers[i]);
    free(mesh->workers);
    free(mesh->launcher_iface);
    free(mesh->launcher_cidr);
    dmpi_key_wipe(&mesh->key);
    *mesh = (struct dmpi_mesh){0};
}

// These texts end up in configuration files that are read by line and word: only characters without
// a meaning there. extra are the allowed ones beside letters and digits.
static bool word_ok(const char *text, const char *extra)
{
    size_t i = 0;

    while (text[i] && (strchr(WORDS_OK, text[i]) || strchr(extra, text[i])))
        i++;
    return i > 0 && i <= TEXT_MAX && text[i] == '\0' && text[0] != '-';
}

static bool line_ok(const char *text)
{
    for (const char *c = text; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7F)
            return false;
    }
    return strlen(text) <= TEXT_MAX;
}

static bool public_ok(const char *text)
{
    static const char type[] = "ssh-ed25519 ";

    return strncmp(text, type, strlen(type)) == 0 && word_ok(text + strlen(type), "+/=");
}

static int check_worker(const struct dmpi_mesh_worker *w, struct dmpi_err *err)
{
    const char *bad = NULL;

    if (w->index < 0 || w->index >= DMPI_MESH_WORKERS_MAX)
        bad = "index";
    else if (!w->alias || !word_ok(w->alias, "_-"))
        bad = "alias";
    else if (!w->node || !line_ok(w->node))
        bad = "node";
    else if (!w->addr || !word_ok(w->addr, ".:_-"))
        bad = "addr";
    else if (w->port < 1 || w->port > PORT_MAX)
        bad = "port";
    else if (w->slots < 1 || w->slots > SLOTS_MAX)
        bad = "slots";
    else if (!w->profile || !word_ok(w->profile, "_.-"))
        bad = "profile";
    else if (w->interpreter && !line_ok(w->interpreter))
        bad = "interpreter";
    else if (!w->host_public || !public_ok(w->host_public))
        bad = "host_public";
    else if (w->iface && !word_ok(w->iface, "_.:@-"))
        bad = "iface";
    else if (w->cidr && !word_ok(w->cidr, ".:/"))
        bad = "cidr";
    else if (w->mtu < 0 || w->cpus < 0 || w->ompi < 0 || w->gpus < 0)
        bad = "mtu, cpus, ompi or gpus";
    return bad ? dmpi_err_set(err, DMPI_EINVAL, "worker %d: %s is missing or not usable", w->index,
                              bad)
               : 0;
}

static struct dmpi_mesh_worker worker_copy(const struct dmpi_mesh_worker *w)
{
    struct dmpi_mesh_worker copy = *w;

    copy.alias = dmpi_xstrdup(w->alias);
    copy.node = dmpi_xstrdup(w->node);
    copy.addr = dmpi_xstrdup(w->addr);
    copy.profile = dmpi_xstrdup(w->profile);
    copy.interpreter = dmpi_xstrdup(w->interpreter);
    copy.host_public = dmpi_xstrdup(w->host_public);
    copy.iface = dmpi_xstrdup(w->iface);
    copy.cidr = dmpi_xstrdup(w->cidr);
    return copy;
}

// Where the worker with that index is or would stand.
static size_t position(const struct dmpi_mesh *mesh, int index)
{
    size_t low = 0;
    size_t high = mesh->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (mesh->workers[mid].index < index)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct dmpi_mesh_worker *dmpi_mesh_find(const struct dmpi_mesh *mesh, int index)
{
    size_t at = position(mesh, index);

    return at < mesh->n && mesh->workers[at].index == index ? &mesh->workers[at] : NULL;
}

int dmpi_mesh_put(struct dmpi_mesh *mesh, const struct dmpi_mesh_worker *worker,
                  struct dmpi_err *err)
{
    if (check_worker(worker, err) != 0)
        return -1;
    struct dmpi_mesh_worker copy = worker_copy(worker);
    struct dmpi_mesh_worker *old = dmpi_mesh_find(mesh, worker->index);
    if (old) {
        dmpi_mesh_worker_clear(old);
        *old = copy;
        return 0;
    }
    size_t at = position(mesh, worker->index);
    mesh->workers = dmpi_xreallocarray(mesh->workers, mesh->n + 1, sizeof(*mesh->workers));
    memmove(&mesh->workers[at + 1], &mesh->workers[at], (mesh->n - at) * sizeof(*mesh->workers));
    mesh->workers[at] = copy;
    mesh->n++;
    return 0;
}

bool dmpi_mesh_drop(struct dmpi_mesh *mesh, int index)
{
    struct dmpi_mesh_worker *w = dmpi_mesh_find(mesh, index);

    if (!w)
        return false;
    size_t at = (size_t)(w - mesh->workers);
    dmpi_mesh_worker_clear(w);
    memmove(w, w + 1, (mesh->n - at - 1) * sizeof(*w));
    mesh->n--;
    return true;
}

static void locate(char **iface, char **cidr, const struct dmpi_iface *found)
{
    free(*iface);
    free(*cidr);
    *iface = found ? dmpi_xstrdup(found->name) : NULL;
    *cidr = found ? dmpi_iface_cidr(found) : NULL;
}

void dmpi_mesh_worker_locate(struct dmpi_mesh_worker *worker, const struct dmpi_facts *facts)
{
    const struct dmpi_iface *found = dmpi_facts_iface(facts, worker->addr);

    locate(&worker->iface, &worker->cidr, found);
    worker->mtu = found ? found->mtu : 0;
    worker->cpus = facts->cpus;
    worker->ompi = facts->ompi;
    worker->rdma = false;
    worker->guard = dmpi_mesh_can_guard(facts);
    for (size_t i = 0; found && i < facts->rdma.n; i++) {
        size_t len = strlen(found->name);

        worker->rdma = worker->rdma || (strncmp(facts->rdma.v[i], found->name, len) == 0 &&
                                        facts->rdma.v[i][len] == ' ');
    }
}

bool dmpi_mesh_can_guard(const struct dmpi_facts *facts)
{
    return facts->guard && !dmpi_strv_env_get(&facts->env, "PRTE_MCA_prte_launch_agent") &&
           !dmpi_strv_env_get(&facts->env, "OMPI_MCA_orte_launch_agent");
}

void dmpi_mesh_launcher_locate(struct dmpi_mesh *mesh, const char *addr,
                               const struct dmpi_facts *facts)
{
    locate(&mesh->launcher_iface, &mesh->launcher_cidr, dmpi_facts_iface(facts, addr));
}

static int other_generation(const struct dmpi_mesh_worker *w, int ompi, const char *who,
                            const char *image, struct dmpi_err *err)
{
    return dmpi_err_set(
        err, DMPI_EINVAL,
        "%s has Open MPI %d (image %s) and %s Open MPI %d (image %s): one world "
        "needs one generation, for their launch daemons do not understand each "
        "other: use images with the same (launcher: in image.yaml or in the cluster "
        "file names that of the launcher)",
        w->alias, w->ompi, w->profile, who, ompi, image);
}

int dmpi_mesh_check_ompi(const struct dmpi_mesh *mesh, const char *launcher, struct dmpi_err *err)
{
    const struct dmpi_mesh_worker *first = NULL;

    for (size_t i = 0; i < mesh->n; i++) {
        const struct dmpi_mesh_worker *w = &mesh->workers[i];

        if (w->ompi && mesh->launcher_ompi && w->ompi != mesh->launcher_ompi)
            return other_generation(w, mesh->launcher_ompi, "the launcher", launcher, err);
        if (w->ompi && first && first->ompi != w->ompi)
            return other_generation(w, first->ompi, first->alias, first->profile, err);
        if (w->ompi && !first)
            first = w;
    }
    return 0;
}
