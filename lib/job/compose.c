// SPDX-License-Identifier: MIT
#include "job/compose.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "job/backend.h"
#include "mpi/hostfile.h"
#include "spec/profile.h"

// The profiles of a job and the groups made of them.
struct groups {
    struct dmpi_profile *profiles;
    struct dmpi_mpi_group *v;
    size_t n;
};

static void groups_free(struct groups *g)
{
    for (size_t i = 0; i < g->n; i++) {
        dmpi_profile_free(&g->profiles[i]);
        dmpi_strv_free(&g->v[i].program);
        dmpi_strv_free(&g->v[i].env);
        dmpi_strv_free(&g->v[i].mpirun_args);
    }
    free(g->profiles);
    free(g->v);
}

static int load_profile(struct dmpi_profile *out, const char *images_dir, const char *name,
                        struct dmpi_err *err)
{
    *out = (struct dmpi_profile){0};
    if (!images_dir || dmpi_profile_load(out, images_dir, name, err) == 0)
        return 0;
    *out = (struct dmpi_profile){0};
    return err->code == DMPI_ENOTFOUND ? 0 : -1;
}

static bool has_group(const struct groups *g, const char *profile)
{
    for (size_t i = 0; i < g->n; i++) {
        if (strcmp(g->v[i].profile, profile) == 0)
            return true;
    }
    return false;
}

static int add_group(struct groups *g, const struct dmpi_mesh_worker *worker,
                     const char *images_dir, struct dmpi_err *err)
{
    g->profiles = dmpi_xreallocarray(g->profiles, g->n + 1, sizeof(*g->profiles));
    g->v = dmpi_xreallocarray(g->v, g->n + 1, sizeof(*g->v));
    if (load_profile(&g->profiles[g->n], images_dir, worker->profile, err) < 0)
        return -1;
    g->v[g->n] = (struct dmpi_mpi_group){.profile = worker->profile};
    g->n++;
    return 0;
}

static int choose_backend(const char **out, const struct dmpi_compose *what, const struct groups *g,
                          struct dmpi_err *err)
{
    dmpi_autofree struct dmpi_backend_image *images = dmpi_xcalloc(g->n, sizeof(*images));
    *out = what->opts->backend;
    if (!what->code->backend_option)
        return 0;
    for (size_t i = 0; i < g->n; i++)
        images[i] = (struct dmpi_backend_image){&g->profiles[i], g->v[i].profile};
    return dmpi_job_backend(out, what->opts->backend, images, g->n, err);
}

// Whether some images of the job have GPUs and this one has none.
static bool left_without_gpu(const struct groups *g, const struct dmpi_profile *profile)
{
    bool others = false;
    for (size_t i = 0; i < g->n; i++)
        others = others || g->profiles[i].gpu != DMPI_GPU_NONE;
    return others && profile->image && profile->gpu == DMPI_GPU_NONE && profile->devices.n == 0;
}

static const struct dmpi_mesh_worker *worker_of(const struct dmpi_mesh *mesh, const char *profile)
{
    for (size_t i = 0; i < mesh->n; i++) {
        if (strcmp(mesh->workers[i].profile, profile) == 0)
            return &mesh->workers[i];
    }
    return NULL;
}

static bool all_rdma(const struct dmpi_mesh *mesh, const char *profile)
{
    bool all = true;
    for (size_t i = 0; i < mesh->n; i++)
        all = all && (mesh->workers[i].rdma || strcmp(mesh->workers[i].profile, profile) != 0);
    return all;
}

static int fill_group(const struct groups *g, size_t i, const struct dmpi_compose *what,
                      const char *backend, struct dmpi_err *err)
{
    struct dmpi_mpi_group *group = &g->v[i];
    const struct dmpi_profile *profile = &g->profiles[i];
    const struct dmpi_mesh_worker *worker = worker_of(what->mesh, group->profile);
    const char *interpreter =
        worker && worker->interpreter ? worker->interpreter : profile->interpreter;
    dmpi_strv_add_all(&group->env, &what->code->env);
    dmpi_strv_add_all(&group->mpirun_args, &profile->mpirun_args);
    group->tune = profile->tune;
    group->gpu = profile->gpu;
    group->rdma = all_rdma(what->mesh, group->profile);
    const struct dmpi_mca_image *image = dmpi_job_mca_of(what->mca, group->profile);
    group->known = image ? &image->names : NULL;
    group->release = image ? image->release : NULL;
    group->memory = image && image->memory.n ? &image->memory : NULL;
    if (dmpi_strv_env_get(&group->env, "DOCKMPI_DEVICE") && left_without_gpu(g, profile))
        dmpi_strv_env_set(&group->env, "DOCKMPI_DEVICE", "cpu");
    return dmpi_job_code_argv(&group->program, what->code, what->workdir, interpreter, backend,
                              err);
}

static int ranks_wanted(const struct dmpi_compose *what)
{
    return what->opts->np ? what->opts->np : what->code->np;
}

// NCCL and RCCL refuse, late and with other words, to serve two ranks on one GPU.
static int check_gpus(const struct dmpi_layout *layout, const char *backend, struct dmpi_err *err)
{
    int ranks, gpus;
    const char *node = dmpi_layout_crowded(layout, &ranks, &gpus);
    if (!node)
        return 0;
    if (backend && strcmp(backend, "nccl") == 0)
        return dmpi_err_set(
            err, DMPI_EINVAL,
            "node %s: %d ranks would share %d GPU%s, which the nccl backend cannot: "
            "ask for fewer ranks (--np, --slots), or use --backend mpi",
            node, ranks, gpus, gpus == 1 ? "" : "s");
    dmpi_warn("node %s: %d ranks share %d GPU%s (--np and --slots say how many ranks there are)",
              node, ranks, gpus, gpus == 1 ? "" : "s");
    return 0;
}

// The images of the workers that get ranks.
static int make_groups(struct groups *g, const struct dmpi_compose *what, struct dmpi_err *err)
{
    struct dmpi_layout layout DMPI_AUTO(dmpi_layout_free) = {0};
    const char *backend;
    if (dmpi_layout_make(&layout, what->mesh, ranks_wanted(what), what->opts->slots, err) < 0)
        return -1;
    for (size_t i = 0; i < layout.n; i++) {
        const struct dmpi_mesh_worker *worker = layout.places[i].worker;
        if (!has_group(g, worker->profile) && add_group(g, worker, what->opts->images_dir, err) < 0)
            return -1;
    }
    if (choose_backend(&backend, what, g, err) < 0 || check_gpus(&layout, backend, err) < 0)
        return -1;
    for (size_t i = 0; i < g->n; i++) {
        if (fill_group(g, i, what, backend, err) < 0)
            return -1;
    }
    return 0;
}

int dmpi_job_compose(struct dmpi_mpi_command *out, const struct dmpi_compose *what,
                     struct dmpi_err *err)
{
    struct groups groups DMPI_AUTO(groups_free) = {0};
    struct dmpi_profile launcher DMPI_AUTO(dmpi_profile_free) = {0};
    *out = (struct dmpi_mpi_command){0};
    if (make_groups(&groups, what, err) < 0)
        return -1;
    if (what->launcher_profile &&
        load_profile(&launcher, what->opts->images_dir, what->launcher_profile, err) < 0)
        return -1;
    const struct dmpi_run_opts *opts = what->opts;
    struct dmpi_mpi_job job = {
        .mesh = what->mesh,
        .mpirun = launcher.mpirun,
        .np = ranks_wanted(what),
        .slots = opts->slots,
        .groups = groups.v,
        .n_groups = groups.n,
        .env = opts->env,
        .mca = opts->mca,
        .tune = opts->tune,
        .workdir = what->workdir,
        .master_port = what->master_port,
        .tag = opts->tag || opts->output,
        .restarts = opts->restarts,
        .code = what->code->place,
        .has_stdin = opts->stdin_fd >= 0,
        .cluster = what->cluster,
        .id = what->job,
        .grace_ms = opts->grace_ms,
        .timeout_ms = opts->timeout_ms,
        .verify = opts->verify,
        .map = opts->map_json ? "json"
               : opts->map    ? "text"
                              : NULL,
    };
    return dmpi_mpi_compose(out, &job, err);
}
