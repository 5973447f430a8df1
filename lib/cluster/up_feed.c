// SPDX-License-Identifier: MIT
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/strv.h"
#include "cluster/up_work.h"
#include "engine/containers.h"
#include "fleet/fleet.h"
#include "mesh/files.h"
#include "mesh/ports.h"

#define PORT_TRIES 10
#define TELL_MS 10000 // patience with a job's container

// --- where the new workers listen --------------------------------------------------------------

static char *addresses(const struct dmpi_facts *facts)
{
    struct dmpi_strv all DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    for (size_t i = 0; i < facts->n_ifaces; i++)
        dmpi_strv_addf(&all, "%s (%s)", facts->ifaces[i].addr, facts->ifaces[i].name);
    return all.n > 0 ? dmpi_strv_join(&all, ", ") : dmpi_xstrdup("none");
}

// The data address of the item's node. Borrowed from plan or facts.
static int find_addr(const char **out, const struct dmpi_work *work, const struct dmpi_item *item,
                     const struct dmpi_facts *facts, struct dmpi_err *err)
{
    const char *addr = item->step->wanted->addr;
    const char *subnet = work->spec->subnet;
    if (!addr && subnet)
        addr = dmpi_facts_addr_in(facts, subnet);
    *out = addr;
    if (addr && (dmpi_addr_is_loopback(addr) || dmpi_facts_iface(facts, addr)))
        return 0;
    dmpi_autofree char *all = addresses(facts);
    if (addr && facts->remapped)
        return dmpi_err_set(
            err, DMPI_EINVAL,
            "its data address %s is not in the network that the containers of "
            "this rootless engine have, into which no other node can dial (%s): use "
            "the engine that root runs there, or workers on this node alone",
            addr, all);
    if (addr)
        return dmpi_err_set(err, DMPI_EINVAL,
                            "its data address %s belongs to no interface of the node, which has "
                            "%s: correct addr in the cluster file",
                            addr, all);
    if (subnet)
        return dmpi_err_set(err, DMPI_EINVAL,
                            "no address of the node lies in the subnet %s; it has %s: correct "
                            "subnet, or give addr in the cluster file",
                            subnet, all);
    return dmpi_err_set(err, DMPI_EINVAL,
                        "its data address is not known: give addr for this node, or subnet, in "
                        "the cluster file; it has %s",
                        all);
}

static int check_image(const struct dmpi_item *item, const struct dmpi_facts *facts,
                       struct dmpi_err *err)
{
    const struct dmpi_profile *profile = item->step->wanted->profile;
    if (dmpi_item_worker(item) >= 0 && !profile->sshd && !facts->sshd)
        return dmpi_err_set(err, DMPI_EINVAL,
                            "image %s has no sshd: install openssh-server in it, or name the "
                            "program with sshd: in its image.yaml",
                            profile->image);
    if (!profile->mpirun && !facts->mpirun)
        return dmpi_err_set(err, DMPI_EINVAL,
                            "image %s has no mpirun in its PATH: install Open MPI in it, or name "
                            "the program with mpirun: in its image.yaml",
                            profile->image);
    return 0;
}

// Two networks on one interface: the ranks would wait for each other for ever.
static void warn_of_rival(const struct dmpi_work *work, const struct dmpi_mesh_worker *worker,
                          const struct dmpi_facts *facts)
{
    const char *rival = work->spec->n_nodes > 1 ? dmpi_facts_rival(facts, worker->addr) : NULL;
    if (!rival || !worker->iface || dmpi_addr_is_loopback(worker->addr))
        return;
    dmpi_warn(
        "warning: node %s: %s carries %s and %s; Open MPI knows only the first address of an "
        "interface, and jobs hang where that is not the data address: give the first as addr, "
        "or the other a label (ip addr add ... label %s:1)",
        worker->node, worker->iface, worker->addr, rival, worker->iface);
}

// Chooses a port and enters the worker into the mesh. With the lock held.
static int place_worker(struct dmpi_work *work, struct dmpi_item *item, int attempt,
                        struct dmpi_err *err)
{
    const struct dmpi_plan_member *wanted = item->step->wanted;
    const struct dmpi_facts *facts = dmpi_talk_facts(item->talk);
    const char *addr = NULL;
    struct dmpi_mesh_worker worker = {.index = wanted->index,
                                      .slots = item->fit.slots ? item->fit.slots : wanted->slots};
    if (find_addr(&addr, work, item, facts, err) != 0)
        return -1;
    dmpi_autofree char *seed = dmpi_xasprintf("%s/%s/%d", work->spec->name, wanted->alias, attempt);
    struct dmpi_port_set *taken = &work->taken[item->node];
    const struct dmpi_ports within = dmpi_ports_services(&work->mesh.ports);
    if (dmpi_port_choose(&worker.port, &within, facts, taken, seed, err) != 0)
        return -1;
    dmpi_port_set_add(taken, worker.port);
    dmpi_autofree char *host_public = dmpi_key_public_line(&item->host_key, NULL);
    dmpi_autofree char *addr_copy = dmpi_xstrdup(addr);
    worker.alias = wanted->alias;
    worker.node = work->spec->nodes[item->node].name;
    worker.addr = addr_copy;
    worker.profile = wanted->profile->name;
    worker.interpreter = wanted->profile->interpreter;
    worker.host_public = host_public;
    dmpi_mesh_worker_locate(&worker, facts);
    warn_of_rival(work, &worker, facts);
    worker.gpus = wanted->profile->gpu == DMPI_GPU_AMD      ? facts->amd
                  : wanted->profile->gpu == DMPI_GPU_NVIDIA ? facts->nvidia
                                                            : 0;
    dmpi_work_unshare(work);
    int rc = dmpi_mesh_put(&work->mesh, &worker, err);
    free(worker.iface);
    free(worker.cidr);
    return rc;
}

static int place(struct dmpi_work *work, struct dmpi_item *item, struct dmpi_err *err)
{
    const struct dmpi_facts *facts = dmpi_talk_facts(item->talk);
    if (check_image(item, facts, err) != 0)
        return -1;
    if (dmpi_item_worker(item) >= 0)
        return dmpi_key_make(&item->host_key, err) == 0 ? place_worker(work, item, 0, err) : -1;
    work->mesh.launcher_ompi = facts->ompi;
    work->mesh.launcher_guard = dmpi_mesh_can_guard(facts);
    // The launcher needs no address that workers can dial, so one that is unknown is no error.
    const char *addr = NULL;
    struct dmpi_err ignored = DMPI_ERR_INIT;
    if (find_addr(&addr, work, item, facts, &ignored) == 0)
        dmpi_mesh_launcher_locate(&work->mesh, addr, facts);
    if (dmpi_facts_only_loopback(facts))
        dmpi_warn("node %s has no network interface besides lo: mpirun of Open MPI 5 crashes on "
                  "such a machine; `ip link add dummy0 type dummy && ip addr add 10.254.254.1/32 "
                  "dev dummy0 && ip link set dummy0 up` helps",
                  work->spec->nodes[item->node].name);
    return 0;
}

void dmpi_work_place(struct dmpi_work *work)
{
    for (size_t i = 0; i < work->n; i++) {
        struct dmpi_item *item = &work->items[i];
        if (!item->talk || item->err.code != DMPI_OK || place(work, item, &item->err) == 0)
            continue;
        dmpi_err_wrap(&item->err, "node %s: container %s", work->spec->nodes[item->node].name,
                      item->step->wanted->container);
        dmpi_work_tell(work, item, DMPI_STAGE_FAILED, item->err.msg);
    }
}

// --- what all members are given alike ----------------------------------------------------------

// Freed when the mesh has changed and nobody sends it any more.
struct dmpi_work_shared {
    struct dmpi_mesh_shared of;
    size_t users;
};

// With the lock held.
static void drop_shared(struct dmpi_work_shared *shared)
{
    if (!shared || --shared->users > 0)
        return;
    dmpi_mesh_shared_free(&shared->of);
    free(shared);
}

void dmpi_work_unshare(struct dmpi_work *work)
{
    drop_shared(DMPI_STEAL(work->shared));
}

// With the lock held.
static int take_shared(struct dmpi_work_shared **out, struct dmpi_work *work, struct dmpi_err *err)
{
    if (!work->shared) {
        work->shared = dmpi_xcalloc(1, sizeof(*work->shared));
        work->shared->users = 1;
        if (dmpi_mesh_share(&work->shared->of, &work->mesh, err) != 0) {
            dmpi_work_unshare(work);
            return -1;
        }
    }
    work->shared->users++;
    *out = work->shared;
    return 0;
}

// --- keys and configuration --------------------------------------------------------------------

typedef int tar_fn(struct dmpi_buf *out, const struct dmpi_mesh_shared *shared,
                   const struct dmpi_item *item, struct dmpi_err *err);

static int worker_tar(struct dmpi_buf *out, const struct dmpi_mesh_shared *shared,
                      const struct dmpi_item *item, struct dmpi_err *err)
{
    const struct dmpi_mesh_local local = {.host_key = &item->host_key,
                                          .facts = dmpi_talk_facts(item->talk)};
    return dmpi_mesh_tar_worker(out, shared, dmpi_item_worker(item), &local, err);
}

static int launcher_tar(struct dmpi_buf *out, const struct dmpi_mesh_shared *shared,
                        const struct dmpi_item *item, struct dmpi_err *err)
{
    (void)item;
    return dmpi_mesh_tar_launcher(out, shared, err);
}

static int update_tar(struct dmpi_buf *out, const struct dmpi_mesh_shared *shared,
                      const struct dmpi_item *item, struct dmpi_err *err)
{
    return dmpi_mesh_tar_update(out, shared, dmpi_item_worker(item), err);
}

// The archive of an item: what it is given like all others, and its own part.
struct parcel {
    struct dmpi_work *work;
    struct dmpi_work_shared *shared;
    struct dmpi_buf own;
};

static void parcel_free(struct parcel *parcel)
{
    pthread_mutex_lock(&parcel->work->lock);
    drop_shared(parcel->shared);
    pthread_mutex_unlock(&parcel->work->lock);
    dmpi_secret_buf_free(&parcel->own);
}

// Packs what the mesh is now, and notes in the item which mesh that was.
static int pack(struct parcel *out, struct dmpi_work *work, struct dmpi_item *item, tar_fn *tar,
                struct dmpi_err *err)
{
    *out = (struct parcel){.work = work, .own = DMPI_BUF_INIT_SECRET(DMPI_MESH_TAR_MAX)};
    pthread_mutex_lock(&work->lock);
    int rc = take_shared(&out->shared, work, err);
    if (rc == 0) {
        rc = tar(&out->own, &out->shared->of, item, err);
        memcpy(item->digest, out->shared->of.digest, sizeof(item->digest));
    }
    pthread_mutex_unlock(&work->lock);
    return rc;
}

static int feed(enum dmpi_ready *out, struct dmpi_work *work, struct dmpi_item *item, tar_fn *tar,
                const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct parcel parcel DMPI_AUTO(parcel_free) = {.work = work};
    dmpi_work_tell(work, item, DMPI_STAGE_FEED, NULL);
    if (pack(&parcel, work, item, tar, err) != 0)
        return -1;
    const struct dmpi_buf *shared = &parcel.shared->of.tar, *own = &parcel.own;
    if (dmpi_talk_feed(item->talk, shared->data, shared->len, ctl, err) != 0 ||
        dmpi_talk_feed(item->talk, own->data, own->len, ctl, err) != 0)
        return -1;
    return dmpi_talk_ready(item->talk, out, ctl, err);
}

static void now_ready(struct dmpi_work *work, struct dmpi_item *item)
{
    dmpi_talk_free(DMPI_STEAL(item->talk));
    item->ready = true;
    dmpi_work_tell(work, item, DMPI_STAGE_READY, NULL);
}

// The same container once more, or another one in its place where it removes itself at its end.
static int start_again(struct dmpi_work *work, struct dmpi_item *item, struct dmpi_engine *engine,
                       const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    int code = 0;
    const char *container = item->step->wanted->container;
    if (work->spec->ttl_s)
        return dmpi_work_remake(work, item, engine, ctl, err);
    if (dmpi_container_wait(engine, ctl, item->id, &code, err) != 0)
        return dmpi_err_wrap(err, "container %s: wait", container);
    return dmpi_talk_start(&item->talk, engine, item->id, container, ctl, err);
}

// Somebody took the port since the facts were read: it starts again with new facts and gets another
// port.
static int other_port(struct dmpi_work *work, struct dmpi_item *item, int attempt,
                      struct dmpi_engine *engine, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    dmpi_talk_free(DMPI_STEAL(item->talk));
    if (start_again(work, item, engine, ctl, err) != 0)
        return -1;
    pthread_mutex_lock(&work->lock);
    int rc = place_worker(work, item, attempt, err);
    pthread_mutex_unlock(&work->lock);
    return rc;
}

static int feed_worker(struct dmpi_work *work, struct dmpi_item *item, struct dmpi_engine *engine,
                       const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    for (int attempt = 1; attempt <= PORT_TRIES; attempt++) {
        enum dmpi_ready outcome = DMPI_READY;
        if (feed(&outcome, work, item, worker_tar, ctl, err) != 0)
            return -1;
        if (outcome == DMPI_READY) {
            now_ready(work, item);
            return 0;
        }
        dmpi_debug("%s: its port was taken in the meantime; trying another",
                   item->step->wanted->container);
        if (other_port(work, item, attempt, engine, ctl, err) != 0)
            return -1;
    }
    return dmpi_err_set(err, DMPI_ECONFLICT,
                        "container %s: every one of %d ports was taken by another program before "
                        "sshd could listen on it: try again",
                        item->step->wanted->container, PORT_TRIES);
}

static bool is_new_worker(const struct dmpi_item *item)
{
    return item->talk && item->err.code == DMPI_OK && dmpi_item_worker(item) >= 0;
}

void dmpi_work_feed_workers(struct dmpi_work *work)
{
    dmpi_work_each(work, is_new_worker, feed_worker);
    for (size_t i = 0; i < work->n; i++) {
        const struct dmpi_item *item = &work->items[i];
        if (dmpi_item_worker(item) >= 0 && !item->ready &&
            dmpi_mesh_drop(&work->mesh, dmpi_item_worker(item)))
            dmpi_work_unshare(work);
    }
}

// --- the others --------------------------------------------------------------------------------

static int feed_launcher(struct dmpi_work *work, struct dmpi_item *item, const struct dmpi_ctl *ctl,
                         struct dmpi_err *err)
{
    enum dmpi_ready outcome = DMPI_READY;
    if (feed(&outcome, work, item, launcher_tar, ctl, err) != 0)
        return -1;
    now_ready(work, item);
    return 0;
}

static int bring_up_to_date(struct dmpi_work *work, struct dmpi_item *item,
                            struct dmpi_engine *engine, const struct dmpi_ctl *ctl,
                            struct dmpi_err *err)
{
    if (item->talk)
        return feed_launcher(work, item, ctl, err);
    if (strcmp(work->digest, item->digest) == 0)
        return 0;
    struct parcel parcel DMPI_AUTO(parcel_free) = {.work = work};
    dmpi_work_tell(work, item, DMPI_STAGE_UPDATE, NULL);
    if (pack(&parcel, work, item, update_tar, err) != 0 ||
        dmpi_member_put(engine, item->id, item->step->wanted->container, &parcel.shared->of.tar,
                        &parcel.own, ctl, err) != 0)
        return -1;
    item->updated = true;
    dmpi_work_tell(work, item, DMPI_STAGE_READY, "knows the changed cluster");
    return 0;
}

static bool is_member(const struct dmpi_item *item)
{
    return item->err.code == DMPI_OK && (item->ready || item->talk);
}

// A job that starts its ranks again (run --restart-on-failure) then finds those workers that were replaced.
static int tell_job(struct dmpi_work *work, const struct dmpi_member *job, struct dmpi_err *err)
{
    struct dmpi_buf text DMPI_AUTO(dmpi_secret_buf_free) = DMPI_BUF_INIT_SECRET(DMPI_MESH_TAR_MAX);
    struct dmpi_ctl ctl = dmpi_ctl_within(work->ctl, TELL_MS);
    struct dmpi_engine *engine = NULL;
    if (dmpi_fleet_engine(&engine, work->fleet, job->node, work->ctl, err) != 0 ||
        dmpi_mesh_tar_client(&text, &work->mesh, err) != 0)
        return -1;
    return dmpi_member_put(engine, job->id, job->container, NULL, &text, &ctl, err);
}

static bool mesh_changed(const struct dmpi_work *work)
{
    for (size_t i = 0; i < work->n; i++) {
        if (work->items[i].updated || work->items[i].made)
            return true;
    }
    return false;
}

static void tell_jobs(struct dmpi_work *work)
{
    if (!mesh_changed(work))
        return;
    for (size_t i = 0; i < work->state.n; i++) {
        const struct dmpi_member *job = &work->state.members[i];
        struct dmpi_err err = DMPI_ERR_INIT;
        if (job->role != DMPI_JOB || !dmpi_member_running(job) || tell_job(work, job, &err) == 0)
            continue;
        if (err.code == DMPI_ENOTFOUND || err.code == DMPI_ECONFLICT) // it has ended meanwhile
            continue;
        dmpi_warn("job %s does not know the changed cluster and cannot start again in it: %s",
                  dmpi_member_called(job), err.msg);
    }
}

void dmpi_work_feed_rest(struct dmpi_work *work)
{
    dmpi_mesh_digest(&work->mesh, work->digest);
    dmpi_work_each(work, is_member, bring_up_to_date);
    tell_jobs(work);
}
