// SPDX-License-Identifier: MIT
#include "mpi/tune.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

static const char *const nothing[] = {NULL};

// ob1 over whatever needs no special hardware. An exclusion, because the names of the shared memory
// component differ between Open MPI 4 and 5.
static const char *const tcp_mca[] = {"pml=ob1", "btl=^uct,ofi,openib,smcuda,usnic", NULL};
// For those that use UCX besides: one-sided communication, UCC, Python's ucp. An exclusion again: UCX warns of
// a name in a list of transports that it does not have, and GPUs bring names of their own.
static const char *const tcp_env[] = {"UCX_TLS=^ib", NULL};

// Debian's configuration and UCX's own checks turn it off where there is only TCP, unless it is told
// twice.
#define UCX_MCA "pml=ucx", "pml_ucx_tls=any", "pml_ucx_devices=any"
static const char *const ucx_mca[] = {UCX_MCA, NULL};
static const char *const ucc_mca[] = {UCX_MCA, "coll_ucc_enable=1", "coll_ucc_priority=100", NULL};

// Of several images each may have a UCX of its own. Their releases talk to each other, but for what a TCP
// connection takes the place of remote memory: 1.18 does not read 1.22's keys, and ranks wait for ever.
#define UCX_MIXED "UCX_TCP_PUT_ENABLE=n"
static const char *const mixed_env[] = {UCX_MIXED, NULL};

// AMD cards without a large BAR must not be copied to and from by the host directly. All of it by
// variables: an Open MPI without the component does not mind them.
#define AMD_ENV                                                                                    \
    "UCX_ROCM_COPY_D2H_THRESH=0", "UCX_ROCM_COPY_H2D_THRESH=0", "UCC_EC_ROCM_REDUCE_HOST_LIMIT=0", \
        "UCC_EC_ROCM_COPY_HOST_LIMIT=0", "OMPI_MCA_mpi_accelerator_rocm_memcpyD2H_limit=0",        \
        "OMPI_MCA_mpi_accelerator_rocm_memcpyH2D_limit=0"
static const char *const amd_env[] = {AMD_ENV, NULL};
static const char *const mixed_amd_env[] = {AMD_ENV, UCX_MIXED, NULL};

static const struct dmpi_tune auto_set = {
    "auto", "what suits GPUs and network of the nodes", NULL, false, nothing, nothing};
static const struct dmpi_tune tcp_set = {
    "tcp", "plain TCP and shared memory", "ob1", false, tcp_mca, tcp_env};
static const struct dmpi_tune ucx_set = {"ucx",  "point-to-point by UCX", "ucx", false, ucx_mca,
                                         nothing};
static const struct dmpi_tune ucc_set = {
    "ucc", "UCX, and collectives by UCC", "ucx", true, ucc_mca, nothing};
static const struct dmpi_tune rocm_set = {
    "rocm", "the same on AMD cards, also those without a large BAR", "ucx", true, ucc_mca, nothing};
static const struct dmpi_tune none_set = {
    "none", "no MCA parameter at all from dockmpi", NULL, false, nothing, nothing};

static const struct dmpi_tune *const sets[] = {&auto_set, &tcp_set,  &ucx_set, &ucc_set,
                                               &rocm_set, &none_set, NULL};

const struct dmpi_tune *const *dmpi_tune_all(void)
{
    return sets;
}

const struct dmpi_tune *dmpi_tune_find(const char *name, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf known = DMPI_BUF_INIT(1024);

    if (!name || !*name)
        return sets[0];
    for (size_t i = 0; sets[i]; i++) {
        if (strcmp(sets[i]->name, name) == 0)
            return sets[i];
        dmpi_buf_addf(&known, "%s%s", i ? ", " : "", sets[i]->name);
    }
    dmpi_err_set(err, DMPI_EINVAL, "no tuning set '%s': there are %s", name, dmpi_buf_str(&known));
    return NULL;
}

static int compare_words(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(char *const *)b);
}

bool dmpi_tune_knows(const struct dmpi_tune_group *group, const char *parameter)
{
    const struct dmpi_strv *known = group->known;

    return !known || (known->n > 0 && bsearch(&parameter, known->v, known->n, sizeof(*known->v),
                                              compare_words) != NULL);
}

// --- one image by itself ---------------------------------------------------------------------

// What "auto" means for an image. Without GPU and RDMA there is nothing that UCX would do better.
static struct dmpi_tuned decide(const struct dmpi_tune_group *g)
{
    if (g->gpu == DMPI_GPU_NONE && !g->rdma)
        return (struct dmpi_tuned){&auto_set, nothing,
                                   "no GPU and no RDMA device: Open MPI's own choice"};
    if (!g->known)
        return (struct dmpi_tuned){&auto_set, nothing,
                                   "its Open MPI was not asked: Open MPI's own choice"};
    if (!dmpi_tune_knows(g, "pml_ucx_tls"))
        return (struct dmpi_tuned){&auto_set, nothing,
                                   "its Open MPI has no UCX: Open MPI's own choice"};
    if (g->gpu != DMPI_GPU_NONE && g->memory &&
        !dmpi_strv_has(g->memory, g->gpu == DMPI_GPU_AMD ? "rocm" : "cuda"))
        return (struct dmpi_tuned){&auto_set, nothing,
                                   "its UCX does not know the memory of these GPUs: Open MPI's own "
                                   "choice"};
    const char *why = g->gpu != DMPI_GPU_NONE ? "GPU memory travels by UCX"
                                              : "the network has RDMA devices, which UCX uses";
    return (struct dmpi_tuned){dmpi_tune_knows(g, "coll_ucc_enable") ? &ucc_set : &ucx_set, nothing,
                               why};
}

static int first_choice(struct dmpi_tuned *out, const struct dmpi_tune_group *g, const char *wanted,
                        struct dmpi_err *err)
{
    const struct dmpi_tune *set = dmpi_tune_find(wanted ? wanted : g->tune, err);

    if (!set)
        return dmpi_err_wrap(err, "image %s: tune", g->profile);
    *out = set == &auto_set
               ? decide(g)
               : (struct dmpi_tuned){set, nothing, wanted ? "as asked" : "its profile says so"};
    return 0;
}

// --- all of them together --------------------------------------------------------------------

// Those that have no wish of their own follow the others.
static void follow(struct dmpi_tuned *out, size_t n, const char *pml, bool ucc)
{
    for (size_t i = 0; i < n; i++) {
        const struct dmpi_tune *set = out[i].set;

        if (set == &none_set || !pml)
            continue;
        if (strcmp(pml, "ob1") == 0)
            out[i].set = &tcp_set;
        else if (!set->pml || set->ucc != ucc)
            out[i].set = ucc ? &ucc_set : &ucx_set;
        if (set != out[i].set)
            out[i].why = "as the other images of this job";
    }
}

// UCC takes what lies in memory, and refuses what lies on a GPU. In one collective these ranks would go to
// UCC and those to Open MPI's own, and wait for each other for ever.
static int check_memory(struct dmpi_tuned *out, const struct dmpi_tune_group *groups, size_t n,
                        const char *wanted, struct dmpi_err *err)
{
    const struct dmpi_tune_group *with = NULL, *without = NULL;

    for (size_t i = 0; i < n; i++) {
        if (groups[i].gpu != DMPI_GPU_NONE)
            with = &groups[i];
        else
            without = &groups[i];
    }
    for (size_t i = 0; with && without && i < n; i++) {
        if (!out[i].set->ucc)
            continue;
        if (wanted && strcmp(wanted, "auto") != 0)
            return dmpi_err_set(
                err, DMPI_EINVAL,
                "--tune %s: image %s has GPUs and image %s none, and UCC cannot sum "
                "what lies in the memory of both: use --tune ucx",
                wanted, with->profile, without->profile);
        out[i].set = &ucx_set;
        out[i].why = "images with and without GPUs: UCC cannot sum what lies in the memory of both";
    }
    return 0;
}

static int agree(struct dmpi_tuned *out, const struct dmpi_tune_group *groups, size_t n,
                 const char *wanted, struct dmpi_err *err)
{
    size_t first = n;
    bool ucc = false;

    if (check_memory(out, groups, n, wanted, err) != 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        ucc = ucc || out[i].set->ucc;
        if (!out[i].set->pml)
            continue;
        if (first == n)
            first = i;
        else if (strcmp(out[first].set->pml, out[i].set->pml) != 0)
            return dmpi_err_set(
                err, DMPI_EINVAL,
                "image %s is tuned for pml %s and image %s for pml %s, which do not "
                "talk to each other: choose one for all with --tune",
                groups[first].profile, out[first].set->pml, groups[i].profile, out[i].set->pml);
    }
    if (n > 1 && first < n)
        follow(out, n, out[first].set->pml, ucc);
    return 0;
}

// --- what the user said ----------------------------------------------------------------------

// --tune and --mca may complete each other, but not say opposite things.
static int check_user(const struct dmpi_tune *set, const struct dmpi_strv *mca,
                      struct dmpi_err *err)
{
    const char *pml = dmpi_strv_env_get(mca, "pml");
    const char *ucc = dmpi_strv_env_get(mca, "coll_ucc_enable");

    if (set->pml && pml && strcmp(set->pml, pml) != 0)
        return dmpi_err_set(err, DMPI_EINVAL,
                            "--tune %s means pml %s, which --mca pml %s contradicts: leave one out",
                            set->name, set->pml, pml);
    if (set->ucc && ucc && strcmp(ucc, "1") != 0 && strcmp(ucc, "true") != 0)
        return dmpi_err_set(err, DMPI_EINVAL,
                            "--tune %s means collectives by UCC, which --mca coll_ucc_enable %s "
                            "contradicts: --tune ucx goes without them",
                            set->name, ucc);
    return 0;
}

static int check_vendor(const struct dmpi_tune *set, const struct dmpi_tune_group *groups, size_t n,
                        struct dmpi_err *err)
{
    if (set != &rocm_set)
        return 0;
    for (size_t i = 0; i < n; i++) {
        if (groups[i].gpu == DMPI_GPU_AMD)
            return 0;
    }
    return dmpi_err_set(
        err, DMPI_EINVAL,
        "--tune rocm is for AMD GPUs, and no image of this job has any (gpu: amd in "
        "its image.yaml): --tune ucc is the same without them");
}

static const char *const *variables(const struct dmpi_tune *set, enum dmpi_gpu gpu, bool mixed)
{
    if (!set->pml || strcmp(set->pml, "ucx") != 0)
        return set->env;
    if (gpu == DMPI_GPU_AMD)
        return mixed ? mixed_amd_env : amd_env;
    return mixed ? mixed_env : set->env;
}

int dmpi_tune_choose(struct dmpi_tuned *out, const struct dmpi_tune_group *groups, size_t n,
                     const char *wanted, const struct dmpi_strv *mca, struct dmpi_err *err)
{
    const struct dmpi_tune *asked = dmpi_tune_find(wanted, err);

    if (!asked)
        return dmpi_err_wrap(err, "--tune");
    if (check_user(asked, mca, err) != 0 || check_vendor(asked, groups, n, err) != 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (first_choice(&out[i], &groups[i], wanted, err) != 0)
            return -1;
    }
    if (agree(out, groups, n, wanted, err) != 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        out[i].env = variables(out[i].set, groups[i].gpu, n > 1);
        // The variables are what sets it apart; they never go to cards of another vendor.
        if (out[i].set == &rocm_set && groups[i].gpu != DMPI_GPU_AMD)
            out[i].set = &ucc_set;
    }
    return 0;
}
