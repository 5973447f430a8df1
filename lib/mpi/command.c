// SPDX-License-Identifier: MIT
#include "mpi/command.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/shquote.h"
#include "base/text.h"
#include "mpi/firewall.h"
#include "mpi/guard.h"
#include "mpi/hostfile.h"
#include "mpi/jobfile.h"
#include "mpi/net.h"
#include "mpi/program.h"
#include "mpi/tune.h"

#define JOB_MAX (16U << 20)

// All that the parts of the command are made from.
struct composer {
    const struct dmpi_mpi_job *job;
    struct dmpi_layout layout;
    struct dmpi_net net;
    struct dmpi_mpi_command *out;
    bool mixed;               // the ranks have different images
    struct dmpi_tuned *tuned; // one a group of the job; empty for those without ranks
};

// How the launch daemons of either generation notice that mpirun's host is gone: after 42 s. mpirun itself learns of
// a dead network from ssh, after 16 s (lib/mesh). Probes are not sent again when they are lost: where every fifth
// packet is, two in a row would soon end the job.
// odls_base_max_threads: the daemons of PRRTE 3.0 start ranks in threads of their own, and miss the end of a rank that
// ends before its thread has noted who it is: mpirun would wait for it for ever.
static const char *const daemon_env[] = {
    "PRTE_MCA_oob_tcp_keepalive_time=15",  "PRTE_MCA_oob_tcp_keepalive_intvl=3",
    "PRTE_MCA_oob_tcp_keepalive_probes=9", "OMPI_MCA_oob_tcp_keepalive_time=15",
    "OMPI_MCA_oob_tcp_keepalive_intvl=3",  "OMPI_MCA_oob_tcp_keepalive_probes=9",
    "PRTE_MCA_prte_silence_shared_fs=1",   "PRTE_MCA_odls_base_max_threads=0",
};

static bool is_none(const char *tune)
{
    return tune && strcmp(tune, "none") == 0;
}

static void add_daemon_env(struct composer *c)
{
    struct dmpi_strv *env = &c->out->env;
    dmpi_autofree char *cidrs = dmpi_strv_join(&c->net.cidrs, ",");

    dmpi_strv_add_array(env, daemon_env, DMPI_ARRAY_LEN(daemon_env));
    if (c->net.loopback || !*cidrs)
        return;
    // Open MPI 4 takes networks; Open MPI 5 takes names only, which the workers know from their sshd.
    if (c->job->mesh->launcher_cidr && !dmpi_strv_has(&c->net.cidrs, c->job->mesh->launcher_cidr))
        dmpi_strv_addf(env, "OMPI_MCA_oob_tcp_if_include=%s,%s", cidrs,
                       c->job->mesh->launcher_cidr);
    else
        dmpi_strv_addf(env, "OMPI_MCA_oob_tcp_if_include=%s", cidrs);
    if (c->net.iface)
        dmpi_strv_addf(env, "PRTE_MCA_prte_if_include=%s", c->net.iface);
}

const struct dmpi_mpi_group *dmpi_mpi_group_of(const struct dmpi_mpi_job *job, const char *profile)
{
    for (size_t i = 0; i < job->n_groups; i++) {
        if (strcmp(job->groups[i].profile, profile) == 0)
            return &job->groups[i];
    }
    return NULL;
}

static bool env_ok(const char *entry)
{
    size_t len = strcspn(entry, "=");

    return len > 0 && entry[len] == '=' &&
           strspn(entry, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789") ==
               len &&
           !(entry[0] >= '0' && entry[0] <= '9');
}

static int check_env(const struct dmpi_strv *env, struct dmpi_err *err)
{
    for (size_t i = 0; i < env->n; i++) {
        if (!env_ok(env->v[i]))
            return dmpi_err_set(err, DMPI_EINVAL, "environment '%s': expected NAME=VALUE",
                                env->v[i]);
    }
    return 0;
}

static int check_mca(const struct dmpi_strv *mca, struct dmpi_err *err)
{
    for (size_t i = 0; i < mca->n; i++) {
        if (!env_ok(mca->v[i]))
            return dmpi_err_set(err, DMPI_EINVAL, "MCA parameter '%s': expected NAME=VALUE",
                                mca->v[i]);
        if (strcmp(strchr(mca->v[i], '='), "=:") == 0) // mpirun would begin another context there
            return dmpi_err_set(err, DMPI_EINVAL, "MCA parameter '%s': not a possible value",
                                mca->v[i]);
    }
    return 0;
}

static int check_job(const struct composer *c, struct dmpi_err *err)
{
    if (c->net.mixed)
        return dmpi_err_set(err, DMPI_EINVAL,
                            "some workers have a loopback address and others do not: give every "
                            "node its data address (addr)");
    if (c->job->workdir && c->job->workdir[0] != '/')
        return dmpi_err_set(err, DMPI_EINVAL, "working folder '%s': expected an absolute path",
                            c->job->workdir);
    if (dmpi_firewall_check(&c->layout, &c->job->mesh->ports, err) != 0 ||
        check_env(&c->job->env, err) != 0 || check_mca(&c->job->mca, err) != 0)
        return -1;
    for (size_t i = 0; i < c->layout.n; i++) {
        const char *profile = c->layout.places[i].worker->profile;
        const struct dmpi_mpi_group *g = dmpi_mpi_group_of(c->job, profile);

        if (!g || g->program.n == 0)
            return dmpi_err_set(err, DMPI_EINVAL, "image %s: no program to run", profile);
        if (check_env(&g->env, err) != 0)
            return dmpi_err_wrap(err, "image %s", profile);
    }
    return 0;
}

static void env_add_array(struct dmpi_strv *env, const char *const *entries)
{
    for (size_t i = 0; entries[i]; i++)
        dmpi_strv_add(env, entries[i]);
}

// The environment of all ranks, weakest first. In a mixed cluster g and tuned are NULL: what belongs to
// an image then comes by the program's words.
//
// No PYTHONUNBUFFERED: a rank's output is a terminal, so Python writes whole lines by itself, and
// parts of lines are what the PMIx of Open MPI 5.0 puts onto the wrong one of the two outputs.
static struct dmpi_strv rank_env(const struct composer *c, const struct dmpi_mpi_group *g,
                                 const struct dmpi_tuned *tuned)
{
    struct dmpi_strv env = DMPI_STRV_INIT;

    dmpi_firewall_rank_env(&env, &c->job->mesh->ports);
    if (tuned)
        env_add_array(&env, tuned->env);
    if (g)
        dmpi_strv_env_merge(&env, &g->env);
    dmpi_strv_env_set(&env, "MASTER_ADDR", c->layout.places[0].worker->addr);
    if (c->job->master_port > 0) {
        dmpi_autofree char *port = dmpi_xasprintf("%d", c->job->master_port);
        dmpi_strv_env_set(&env, "MASTER_PORT", port);
    }
    dmpi_strv_env_merge(&env, &c->job->env);
    if (c->job->id)
        dmpi_strv_env_set(&env, "DOCKMPI_JOB", c->job->id);
    dmpi_strv_env_set(&env, "DOCKMPI_PLAN", c->out->plan);
    return env;
}

// Variables that would change mpirun itself go to the ranks by argument, all others by mpirun's
// environment, where no other user of the host can read them.
static bool by_argument(const char *name)
{
    return strcmp(name, "PATH") == 0 || dmpi_text_starts_with(name, "LD_") ||
           dmpi_text_starts_with(name, "OMPI_") || dmpi_text_starts_with(name, "PRTE_") ||
           dmpi_text_starts_with(name, "PMIX_");
}

static void add_rank_env(struct composer *c, const struct dmpi_strv *env)
{
    struct dmpi_strv *argv = &c->out->argv;

    if (c->job->has_stdin) { // the value is run-job's
        dmpi_strv_add(argv, "-x");
        dmpi_strv_add(argv, "DOCKMPI_STDIN");
    }
    if (c->job->restarts) { // likewise
        dmpi_strv_add(argv, "-x");
        dmpi_strv_add(argv, "DOCKMPI_ATTEMPT");
        dmpi_strv_add(argv, "-x");
        dmpi_strv_add(argv, "DOCKMPI_RUN");
    }
    for (size_t i = 0; i < env->n; i++) {
        dmpi_autofree char *name = dmpi_xstrndup(env->v[i], strcspn(env->v[i], "="));

        dmpi_strv_add(argv, "-x");
        if (by_argument(name)) {
            dmpi_strv_add(argv, env->v[i]);
        } else {
            dmpi_strv_add(argv, name);
            dmpi_strv_env_set(&c->out->env, name, env->v[i] + strlen(name) + 1);
        }
    }
}

static void add_mca_pairs(struct dmpi_strv *argv, const struct dmpi_strv *mca)
{
    for (size_t i = 0; i < mca->n; i++) {
        size_t len = strcspn(mca->v[i], "=");
        dmpi_autofree char *name = dmpi_xstrndup(mca->v[i], len);

        dmpi_strv_add(argv, "--mca");
        dmpi_strv_add(argv, name);
        dmpi_strv_add(argv, mca->v[i] + len + 1);
    }
}

// Ours first, replaced by the user's of the same name: mpirun would join doubles with a comma.
// set is NULL in a mixed cluster.
static void add_mca(struct composer *c, const struct dmpi_tune *set)
{
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv mca = DMPI_STRV_INIT;
    dmpi_autofree char *cidrs = dmpi_strv_join(&c->net.cidrs, ",");

    if (!is_none(set ? set->name : c->job->tune)) {
        if (c->net.loopback)
            dmpi_strv_env_set(&mca, "btl_tcp_if_include", "127.0.0.0/8");
        else if (*cidrs)
            dmpi_strv_env_set(&mca, "btl_tcp_if_include", cidrs);
        if (!strchr(cidrs, ':'))
            dmpi_strv_env_set(&mca, "btl_tcp_disable_family", "6");
        if (c->layout.oversubscribed)
            dmpi_strv_env_set(&mca, "mpi_yield_when_idle", "1");
        dmpi_firewall_rank_mca(&mca, &c->job->mesh->ports);
    }
    if (set)
        env_add_array(&mca, set->mca);
    dmpi_strv_env_merge(&mca, &c->job->mca);
    add_mca_pairs(&c->out->argv, &mca);
}

// Placement that the profile's own arguments do not already decide.
static void add_placement(struct dmpi_strv *argv, const struct dmpi_mpi_group *g)
{
    if (!dmpi_strv_has(&g->mpirun_args, "--map-by")) {
        dmpi_strv_add(argv, "--map-by");
        dmpi_strv_add(argv, "slot");
    }
    // Workers on one host would all bind to its first processor, and a rank with many threads would
    // get one only.
    if (!dmpi_strv_has(&g->mpirun_args, "--bind-to")) {
        dmpi_strv_add(argv, "--bind-to");
        dmpi_strv_add(argv, "none");
    }
}

static bool profile_has_rank(const struct dmpi_layout *layout, const char *profile)
{
    for (size_t i = 0; i < layout->n; i++) {
        if (strcmp(layout->places[i].worker->profile, profile) == 0)
            return true;
    }
    return false;
}

static int add_mixed(struct composer *c, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv words = DMPI_STRV_INIT;
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv env = rank_env(c, NULL, NULL);

    add_mca(c, NULL);
    add_rank_env(c, &env);
    for (size_t i = 0; i < c->job->n_groups; i++) {
        if (profile_has_rank(&c->layout, c->job->groups[i].profile) &&
            dmpi_program_group(&words, c->job, &c->job->groups[i], &c->tuned[i], err) != 0)
            return -1;
    }
    dmpi_program_wrap(&c->out->argv, &words);
    return 0;
}

static void add_uniform(struct composer *c, const struct dmpi_mpi_group *g)
{
    const struct dmpi_tuned *tuned = &c->tuned[g - c->job->groups];
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv env = rank_env(c, g, tuned);

    add_mca(c, tuned->set);
    add_rank_env(c, &env);
    dmpi_strv_add_all(&c->out->argv, &g->mpirun_args);
    dmpi_program_wrap(&c->out->argv, &g->program);
}

// Which set each image with ranks gets.
static int choose_tunes(struct composer *c, struct dmpi_err *err)
{
    const struct dmpi_mpi_job *job = c->job;
    dmpi_autofree struct dmpi_tune_group *groups = dmpi_xcalloc(job->n_groups, sizeof(*groups));
    dmpi_autofree struct dmpi_tuned *tuned = dmpi_xcalloc(job->n_groups, sizeof(*tuned));
    dmpi_autofree size_t *at = dmpi_xcalloc(job->n_groups, sizeof(*at));
    size_t n = 0;

    for (size_t i = 0; i < job->n_groups; i++) {
        const struct dmpi_mpi_group *g = &job->groups[i];

        if (!profile_has_rank(&c->layout, g->profile))
            continue;
        groups[n] = (struct dmpi_tune_group){g->profile, g->tune,   g->gpu,     g->rdma,
                                             g->known,   g->memory, g->release, &g->mpirun_args};
        at[n++] = i;
    }
    if (dmpi_tune_releases(groups, n, err) != 0 ||
        dmpi_tune_choose(tuned, groups, n, job->tune, &job->mca, err) != 0 ||
        dmpi_tune_check(tuned, groups, n, &job->mca, err) != 0)
        return -1;
    c->tuned = dmpi_xcalloc(job->n_groups, sizeof(*c->tuned));
    for (size_t i = 0; i < n; i++) {
        c->tuned[at[i]] = tuned[i];
        dmpi_strv_addf(&c->out->notes, "image %s: tuned by \"%s\" (%s)", groups[i].profile,
                       tuned[i].set->name, tuned[i].why);
    }
    return 0;
}

static bool is_mixed(const struct dmpi_layout *layout)
{
    for (size_t i = 1; i < layout->n; i++) {
        if (strcmp(layout->places[i].worker->profile, layout->places[0].worker->profile) != 0)
            return true;
    }
    return false;
}

static int add_argv(struct composer *c, struct dmpi_err *err)
{
    static const struct dmpi_mpi_group none;
    const struct dmpi_mpi_job *job = c->job;
    const struct dmpi_mpi_group *g = dmpi_mpi_group_of(job, c->layout.places[0].worker->profile);
    struct dmpi_strv *argv = &c->out->argv;

    dmpi_strv_add(argv, job->mpirun ? job->mpirun : "mpirun");
    if (!job->mesh->unprivileged)
        dmpi_strv_add(argv, "--allow-run-as-root");
    add_placement(argv, c->mixed ? &none : g);
    dmpi_strv_add(argv, "-np");
    dmpi_strv_addf(argv, "%d", c->layout.np);
    dmpi_strv_add(argv, "--hostfile");
    dmpi_strv_add(argv, DMPI_MESH_DIR "/hostfile");
    if (job->workdir) {
        dmpi_strv_add(argv, "--wdir");
        dmpi_strv_add(argv, job->workdir);
    }
    if (c->mixed)
        return add_mixed(c, err);
    add_uniform(c, g);
    return 0;
}

static int compose(struct composer *c, struct dmpi_err *err)
{
    struct dmpi_mpi_command *out = c->out;
    const struct dmpi_mpi_job *job = c->job;

    if (dmpi_layout_make(&c->layout, job->mesh, job->np, job->slots, err) != 0 ||
        check_job(c, err) != 0 || choose_tunes(c, err) != 0)
        return -1;
    c->mixed = is_mixed(&c->layout);
    out->np = c->layout.np;
    out->hostfile = dmpi_layout_hostfile(&c->layout);
    out->plan = dmpi_layout_plan(&c->layout);
    if (!is_none(job->tune)) {
        add_daemon_env(c);
        if (dmpi_firewall_daemon_env(&out->env, job->mesh, job->master_port, err) != 0)
            return -1;
    }
    dmpi_guard_env(&out->env, &out->notes, job, &c->layout);
    if (add_argv(c, err) != 0)
        return -1;
    if (job->id) // ssh takes it along
        dmpi_strv_env_set(&out->env, "DOCKMPI_DAEMON", job->id);
    out->job = dmpi_jobfile(out, job, &c->layout);
    return 0;
}

int dmpi_mpi_compose(struct dmpi_mpi_command *out, const struct dmpi_mpi_job *job,
                     struct dmpi_err *err)
{
    struct composer c = {.job = job, .out = out};

    *out = (struct dmpi_mpi_command){0};
    dmpi_net_choose(&c.net, job->mesh);
    int rc = compose(&c, err);
    dmpi_net_free(&c.net);
    dmpi_layout_free(&c.layout);
    free(c.tuned);
    return rc;
}

void dmpi_mpi_command_free(struct dmpi_mpi_command *command)
{
    if (!command)
        return;
    dmpi_strv_free(&command->env);
    dmpi_strv_free(&command->argv);
    dmpi_strv_free(&command->notes);
    free(command->hostfile);
    free(command->plan);
    free(command->job);
    *command = (struct dmpi_mpi_command){0};
}

char *dmpi_mpi_command_text(const struct dmpi_mpi_command *command)
{
    struct dmpi_buf out = DMPI_BUF_INIT(JOB_MAX);
    dmpi_autofree char *words = dmpi_shquote_argv(&command->argv);

    for (size_t i = 0; i < command->env.n; i++) {
        dmpi_autofree char *entry = dmpi_secret_shown(command->env.v[i]);
        size_t len = strcspn(entry, "=");
        dmpi_autofree char *value = dmpi_shquote(entry + len + 1);

        dmpi_buf_addf(&out, "%.*s=%s ", (int)len, entry, value);
    }
    dmpi_buf_adds(&out, words);
    return dmpi_buf_steal(&out);
}
