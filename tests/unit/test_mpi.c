// SPDX-License-Identifier: MIT
/* mpirun's command: layout, plan, networks, arguments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "mpi/command.h"
#include "mpi/hostfile.h"
#include "mpi/net.h"
#include "mpi/tune.h"

#define HOST_PUBLIC                                                                                \
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"

struct member {
    int index;
    const char *node, *addr, *cidr, *iface, *profile;
    int slots;
};

static void make_mesh(struct dmpi_mesh *mesh, const struct member *members, size_t n)
{
    struct dmpi_err err = DMPI_ERR_INIT;

    *mesh = (struct dmpi_mesh){0};
    for (size_t i = 0; i < n; i++) {
        const struct member *m = &members[i];
        dmpi_autofree char *alias = dmpi_xasprintf("worker-%d", m->index);
        const struct dmpi_mesh_worker w = {.index = m->index,
                                           .alias = alias,
                                           .node = (char *)m->node,
                                           .addr = (char *)m->addr,
                                           .port = 20000 + m->index,
                                           .slots = m->slots,
                                           .profile = (char *)m->profile,
                                           .host_public = (char *)HOST_PUBLIC,
                                           .iface = (char *)m->iface,
                                           .cidr = (char *)m->cidr,
                                           .cpus = 4};

        if (dmpi_mesh_put(mesh, &w, &err) != 0)
            fail_msg("%s", err.msg);
    }
}

static const struct member local[] = {{0, "here", "127.0.0.1", "127.0.0.0/8", "lo", "cpu", 1},
                                      {1, "here", "127.0.0.1", "127.0.0.0/8", "lo", "cpu", 1}};
static const struct member lab[] = {
    {0, "a", "172.31.19.11", "172.31.16.0/20", "ens5", "cpu", 2},
    {1, "b", "172.31.19.12", "172.31.16.0/20", "ens5", "cpu", 2},
    {2, "c", "10.9.0.3", "10.9.0.0/24", "eth1", "g4ad", 1},
};

static void test_layout(void **state)
{
    static const struct {
        int np, slots;
        const char *plan, *hostfile;
        int ranks;
        bool over;
    } cases[] = {
        {0, 0, "0-1:2,2:1", "worker-0 slots=2\nworker-1 slots=2\nworker-2 slots=1\n", 5, false},
        {1, 0, "0:1", "worker-0 slots=2\n", 1, false},
        {3, 0, "0:2,1:1", "worker-0 slots=2\nworker-1 slots=2\n", 3, false},
        {0, 1, "0-2:1", "worker-0 slots=1\nworker-1 slots=1\nworker-2 slots=1\n", 3, false},
        {0, 5, "0-2:5", "worker-0 slots=5\nworker-1 slots=5\nworker-2 slots=5\n", 15, true},
        {6, 3, "0-1:3", "worker-0 slots=3\nworker-1 slots=3\n", 6, false},
    };
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh;

    (void)state;
    make_mesh(&mesh, lab, 3);
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        DMPI_AUTO(dmpi_layout_free) struct dmpi_layout layout;
        struct dmpi_err err = DMPI_ERR_INIT;

        assert_int_equal(dmpi_layout_make(&layout, &mesh, cases[i].np, cases[i].slots, &err), 0);
        dmpi_autofree char *plan = dmpi_layout_plan(&layout);
        dmpi_autofree char *hostfile = dmpi_layout_hostfile(&layout);
        assert_string_equal(plan, cases[i].plan);
        assert_string_equal(hostfile, cases[i].hostfile);
        assert_int_equal(layout.np, cases[i].ranks);
        assert_int_equal(layout.oversubscribed, cases[i].over);
    }
}

static void test_layout_refused(void **state)
{
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh;
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh empty = {0};
    struct dmpi_layout layout;
    struct dmpi_err err = DMPI_ERR_INIT;

    (void)state;
    make_mesh(&mesh, lab, 3);
    assert_int_equal(dmpi_layout_make(&layout, &mesh, 6, 0, &err), -1);
    assert_non_null(strstr(err.msg, "6 ranks need 6 slots, and the 3 workers have 5"));
    dmpi_layout_free(&layout);
    assert_int_equal(dmpi_layout_make(&layout, &mesh, -1, 0, &err), -1);
    dmpi_layout_free(&layout);
    assert_int_equal(dmpi_layout_make(&layout, &empty, 1, 0, &err), -1);
    assert_non_null(strstr(err.msg, "no workers"));
    dmpi_layout_free(&layout);
}

// Workers that share a machine share its processors.
static void test_oversubscribed_neighbours(void **state)
{
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh;
    DMPI_AUTO(dmpi_layout_free) struct dmpi_layout layout;
    struct dmpi_err err = DMPI_ERR_INIT;

    (void)state;
    make_mesh(&mesh, local, 2);
    assert_int_equal(dmpi_layout_make(&layout, &mesh, 0, 3, &err), 0); // 6 on 4 processors
    assert_true(layout.oversubscribed);
}

// Ranks that would share a GPU; workers of one node see the same ones.
static void test_crowded_gpus(void **state)
{
    static const struct {
        int gpus[3], np;
        const char *node;
        int ranks, had;
    } cases[] = {
        {{0, 0, 0}, 0, NULL, 0, 0}, {{2, 2, 1}, 0, NULL, 0, 0}, {{1, 2, 1}, 0, "a", 2, 1},
        {{2, 1, 1}, 0, "b", 2, 1},  {{1, 2, 1}, 1, NULL, 0, 0}, {{0, 0, 4}, 0, NULL, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh;
        DMPI_AUTO(dmpi_layout_free) struct dmpi_layout layout;
        struct dmpi_err err = DMPI_ERR_INIT;
        int ranks = 0, gpus = 0;

        make_mesh(&mesh, lab, 3); // slots 2, 2, 1
        for (size_t k = 0; k < 3; k++)
            mesh.workers[k].gpus = cases[i].gpus[k];
        assert_int_equal(dmpi_layout_make(&layout, &mesh, cases[i].np, 0, &err), 0);
        const char *node = dmpi_layout_crowded(&layout, &ranks, &gpus);
        assert_int_equal(node == NULL, cases[i].node == NULL);
        if (!node)
            continue;
        assert_string_equal(node, cases[i].node);
        assert_int_equal(ranks, cases[i].ranks);
        assert_int_equal(gpus, cases[i].had);
    }
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh;
    DMPI_AUTO(dmpi_layout_free) struct dmpi_layout layout;
    struct dmpi_err err = DMPI_ERR_INIT;
    int ranks = 0, gpus = 0;
    make_mesh(&mesh, local, 2); // both on one node
    mesh.workers[0].gpus = mesh.workers[1].gpus = 1;
    assert_int_equal(dmpi_layout_make(&layout, &mesh, 0, 0, &err), 0);
    assert_string_equal(dmpi_layout_crowded(&layout, &ranks, &gpus), "here");
    assert_int_equal(ranks, 2);
}

static void test_net(void **state)
{
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh;
    DMPI_AUTO(dmpi_net_free) struct dmpi_net net;

    (void)state;
    make_mesh(&mesh, lab, 3);
    mesh.launcher_iface = dmpi_xstrdup("ens5");
    dmpi_net_choose(&net, &mesh);
    dmpi_autofree char *cidrs = dmpi_strv_join(&net.cidrs, ",");
    assert_string_equal(cidrs, "172.31.16.0/20,10.9.0.0/24");
    assert_false(net.loopback || net.mixed);
    assert_null(net.iface); // worker-2 has another name
    dmpi_net_free(&net);
    dmpi_mesh_drop(&mesh, 2);
    dmpi_net_choose(&net, &mesh);
    assert_string_equal(net.iface, "ens5");
}

static struct dmpi_strv words(const char *text)
{
    return dmpi_strv_split(text, ' ');
}

static void test_local_command(void **state)
{
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh;
    DMPI_AUTO(dmpi_mpi_command_free) struct dmpi_mpi_command command;
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_mpi_group group = {
        .profile = "cpu", .program = words("python3 train.py"), .env = words("OMP_NUM_THREADS=1")};
    struct dmpi_mpi_job job = {.mesh = &mesh,
                               .groups = &group,
                               .n_groups = 1,
                               .env = words("SECRET=s PATH=/x OMP_NUM_THREADS=2"),
                               .mca = words("pml=ob1"),
                               .workdir = "/work",
                               .cluster = "lab",
                               .id = "7",
                               .master_port = 21000};

    (void)state;
    dmpi_strv_add(&group.program, "a b");
    make_mesh(&mesh, local, 2);
    assert_int_equal(dmpi_mpi_compose(&command, &job, &err), 0);
    dmpi_autofree char *argv = dmpi_strv_join(&command.argv, " ");
    dmpi_autofree char *env = dmpi_strv_join(&command.env, " ");
    assert_string_equal(
        argv, "mpirun --allow-run-as-root --map-by slot --bind-to none -np 2 "
              "--hostfile /etc/dockmpi/hostfile --wdir /work --mca btl_tcp_if_include 127.0.0.0/8 "
              "--mca btl_tcp_disable_family 6 --mca pml ob1 -x OMP_NUM_THREADS "
              "-x MASTER_ADDR -x MASTER_PORT -x SECRET -x PATH=/x -x DOCKMPI_JOB -x DOCKMPI_PLAN "
              "sh /etc/dockmpi/rank python3 train.py a b");
    assert_string_equal(
        env, "PRTE_MCA_oob_tcp_keepalive_time=15 PRTE_MCA_oob_tcp_keepalive_intvl=3 "
             "PRTE_MCA_oob_tcp_keepalive_probes=9 OMPI_MCA_oob_tcp_keepalive_time=15 "
             "OMPI_MCA_oob_tcp_keepalive_intvl=3 OMPI_MCA_oob_tcp_keepalive_probes=9 "
             "PRTE_MCA_prte_silence_shared_fs=1 PRTE_MCA_odls_base_max_threads=0 OMP_NUM_THREADS=2 "
             "MASTER_ADDR=127.0.0.1 MASTER_PORT=21000 SECRET=s DOCKMPI_JOB=7 DOCKMPI_PLAN=0-1:1 "
             "DOCKMPI_DAEMON=7");
    assert_non_null(strstr(command.job, "export SECRET=s\n"));
    assert_null(strstr(command.job, "# Code"));
    assert_non_null(strstr(command.job, "\n# Cluster: lab\n"));
    assert_non_null(strstr(command.job, "rank python3 train.py 'a b' </dev/null\n"));
    assert_int_equal(command.np, 2);
    // What later attempts need; a name may not leave its line.
    job.restarts = 1;
    job.code = "my job";
    dmpi_mpi_command_free(&command);
    assert_int_equal(dmpi_mpi_compose(&command, &job, &err), 0);
    assert_non_null(strstr(command.job, "# Restarts: 1\n# Code: /work 'my job'\n"));
    job.code = "my\nreboot";
    dmpi_mpi_command_free(&command);
    assert_int_equal(dmpi_mpi_compose(&command, &job, &err), 0);
    assert_null(strstr(command.job, "reboot"));
    dmpi_strv_free(&group.program);
    dmpi_strv_free(&group.env);
    dmpi_strv_free(&job.env);
    dmpi_strv_free(&job.mca);
}

// Vendor settings stay with their image; what the user sets wins for all.
static void test_mixed_command(void **state)
{
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh;
    DMPI_AUTO(dmpi_mpi_command_free) struct dmpi_mpi_command command;
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_mpi_group groups[] = {
        {.profile = "g4ad", .program = words("/opt/py x.py"), .tune = "rocm", .gpu = DMPI_GPU_AMD},
        {.profile = "cpu",
         .program = words("python3 x.py"),
         .env = words("OMP_NUM_THREADS=1 B=2"),
         .mpirun_args = words("--mca btl tcp")},
    };
    struct dmpi_mpi_job job = {
        .mesh = &mesh, .groups = groups, .n_groups = 2, .env = words("OMP_NUM_THREADS=4")};

    (void)state;
    make_mesh(&mesh, lab, 3);
    mesh.launcher_cidr = dmpi_xstrdup("192.168.0.0/24");
    assert_int_equal(dmpi_mpi_compose(&command, &job, &err), 0);
    dmpi_autofree char *argv = dmpi_strv_join(&command.argv, " ");
    assert_string_equal(
        argv,
        "mpirun --allow-run-as-root --map-by slot --bind-to none -np 5 "
        "--hostfile /etc/dockmpi/hostfile "
        "--mca btl_tcp_if_include 172.31.16.0/20,10.9.0.0/24 --mca btl_tcp_disable_family 6 "
        "-x MASTER_ADDR -x OMP_NUM_THREADS -x DOCKMPI_PLAN sh /etc/dockmpi/rank "
        "-g g4ad 13 OMPI_MCA_pml=ucx OMPI_MCA_pml_ucx_tls=any OMPI_MCA_pml_ucx_devices=any "
        "UCX_ROCM_COPY_D2H_THRESH=0 UCX_ROCM_COPY_H2D_THRESH=0 "
        "UCC_EC_ROCM_REDUCE_HOST_LIMIT=0 UCC_EC_ROCM_COPY_HOST_LIMIT=0 "
        "OMPI_MCA_mpi_accelerator_rocm_memcpyD2H_limit=0 "
        "OMPI_MCA_mpi_accelerator_rocm_memcpyH2D_limit=0 UCX_TCP_PUT_ENABLE=n "
        "-- /opt/py x.py "
        // The point-to-point layer must be that of the others; UCC has no place where only some have GPUs.
        "-g cpu 9 OMPI_MCA_pml=ucx OMPI_MCA_pml_ucx_tls=any OMPI_MCA_pml_ucx_devices=any "
        "OMPI_MCA_btl=tcp UCX_TCP_PUT_ENABLE=n B=2 -- python3 x.py");
    dmpi_autofree char *notes = dmpi_strv_join(&command.notes, "; ");
    assert_string_equal(
        notes, "image g4ad: tuned by \"ucx\" (images with and without GPUs: UCC cannot sum "
               "what lies in the memory of both); image cpu: tuned by \"ucx\" (as "
               "the other images of this job); mpirun and its launch daemons take connections "
               "from anybody: the launcher cannot sign them (image without "
               "/usr/lib/dockmpi/guard.so, kernel without TCP_MD5SIG, or launch agent set by "
               "--env)");
    assert_string_equal(dmpi_strv_env_get(&command.env, "OMPI_MCA_oob_tcp_if_include"),
                        "172.31.16.0/20,10.9.0.0/24,192.168.0.0/24");
    dmpi_mpi_command_free(&command);
    dmpi_strv_add(&groups[1].mpirun_args, "--report-bindings"); // cannot be for one image only
    assert_int_equal(dmpi_mpi_compose(&command, &job, &err), -1);
    assert_non_null(strstr(err.msg, "image cpu: mpirun cannot be given --report-bindings"));
    dmpi_strv_free(&job.env);
    for (size_t i = 0; i < 2; i++) {
        dmpi_strv_free(&groups[i].program);
        dmpi_strv_free(&groups[i].env);
        dmpi_strv_free(&groups[i].mpirun_args);
    }
}

// What the user says wins, is never doubled, and "none" really adds nothing.
static void test_user_wins(void **state)
{
    static const struct {
        const char *tune, *mca;
        const char *has, *has_not;
    } cases[] = {
        {"auto", "btl_tcp_if_include=eth9", "--mca btl_tcp_if_include eth9", "127.0.0.0/8"},
        {NULL, "pml=cm", "--mca pml cm", "pml ucx"}, // the profile's tune gives way
        {"ucc", "x=1", "--mca coll_ucc_priority 100", "btl="},
        {"tcp", "x=1", "--mca pml ob1", "ucx"},
        {"none", "x=1", "--mca x 1", "btl_tcp_if_include"},
    };

    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh;
        DMPI_AUTO(dmpi_mpi_command_free) struct dmpi_mpi_command command;
        struct dmpi_err err = DMPI_ERR_INIT;
        struct dmpi_mpi_group group = {.profile = "cpu", .program = words("true"), .tune = "ucx"};
        struct dmpi_mpi_job job = {.mesh = &mesh,
                                   .groups = &group,
                                   .n_groups = 1,
                                   .mca = words(cases[i].mca),
                                   .tune = cases[i].tune};

        make_mesh(&mesh, local, 2);
        assert_int_equal(dmpi_mpi_compose(&command, &job, &err), 0);
        dmpi_autofree char *argv = dmpi_strv_join(&command.argv, " ");
        assert_non_null(strstr(argv, cases[i].has));
        assert_null(strstr(argv, cases[i].has_not));
        if (cases[i].tune && strcmp(cases[i].tune, "none") == 0) {
            dmpi_autofree char *env = dmpi_strv_join(&command.env, " ");
            assert_null(strstr(env, "_MCA_"));
        }
        dmpi_strv_free(&group.program);
        dmpi_strv_free(&job.mca);
    }
}

// All of a world are guarded or none, and only those with ranks count.
static void test_guard(void **state)
{
    static const struct {
        bool launcher, zero, one;
        int np;
        const char *mca, *arg, *tune;
        const char *note; // NULL: guarded
    } rows[] = {
        {true, true, true, 2, "x=1", NULL, NULL, NULL},
        {true, true, true, 2, "x=1", NULL, "none", NULL},
        {true, true, false, 1, "x=1", NULL, NULL, NULL},
        {true, true, false, 2, "x=1", NULL, NULL, "anybody: worker-1 cannot sign"},
        {false, true, true, 2, "x=1", NULL, NULL, "anybody: the launcher cannot sign"},
        {true, true, true, 2, "prte_launch_agent=prted", NULL, NULL, "agent is the user's"},
        {true, true, true, 2, "orte_launch_agent=orted", NULL, NULL, "agent is the user's"},
        {true, true, true, 2, "x=1", "--launch-agent", NULL, "agent is the user's"},
    };

    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh;
        DMPI_AUTO(dmpi_mpi_command_free) struct dmpi_mpi_command command;
        struct dmpi_err err = DMPI_ERR_INIT;
        struct dmpi_mpi_group group = {.profile = "cpu", .program = words("true")};
        struct dmpi_mpi_job job = {.mesh = &mesh,
                                   .groups = &group,
                                   .n_groups = 1,
                                   .np = rows[i].np,
                                   .mca = words(rows[i].mca),
                                   .tune = rows[i].tune};

        if (rows[i].arg)
            dmpi_strv_add(&group.mpirun_args, rows[i].arg);
        make_mesh(&mesh, local, 2);
        mesh.launcher_guard = rows[i].launcher;
        mesh.workers[0].guard = rows[i].zero;
        mesh.workers[1].guard = rows[i].one;
        assert_int_equal(dmpi_mpi_compose(&command, &job, &err), 0);
        dmpi_autofree char *notes = dmpi_strv_join(&command.notes, "; ");
        const char *preload = dmpi_strv_env_get(&command.env, "LD_PRELOAD");
        const char *agent = dmpi_strv_env_get(&command.env, "PRTE_MCA_prte_launch_agent");
        if (!strstr(notes, rows[i].note ? rows[i].note : "sign their connections"))
            fail_msg("row %zu: %s", i, notes);
        if (rows[i].note) {
            assert_null(preload);
            assert_null(agent);
        } else {
            assert_string_equal(preload, "/usr/lib/dockmpi/guard.so");
            assert_string_equal(agent, "sh /etc/dockmpi/daemon prted"); // PRRTE cuts it at a "="
            assert_string_equal(dmpi_strv_env_get(&command.env, "OMPI_MCA_orte_launch_agent"),
                                "sh /etc/dockmpi/daemon orted");
            assert_non_null(
                strstr(command.job, "LD_PRELOAD=/usr/lib/dockmpi/output.so${LD_PRELOAD:+"));
        }
        dmpi_strv_free(&group.program);
        dmpi_strv_free(&group.mpirun_args);
        dmpi_strv_free(&job.mca);
    }
}

// mpirun would take a word that is a colon for its own.
static void test_colons(void **state)
{
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh;
    DMPI_AUTO(dmpi_mpi_command_free) struct dmpi_mpi_command command;
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_mpi_group group = {.profile = "cpu", .program = words("echo : :: a:b")};
    const struct dmpi_mpi_job job = {.mesh = &mesh, .groups = &group, .n_groups = 1};

    (void)state;
    make_mesh(&mesh, local, 2);
    assert_int_equal(dmpi_mpi_compose(&command, &job, &err), 0);
    dmpi_autofree char *argv = dmpi_strv_join(&command.argv, " ");
    assert_non_null(strstr(argv, " sh /etc/dockmpi/rank -: echo :: ::: a:b"));
    dmpi_strv_free(&group.program);
}

static void test_refused(void **state)
{
    static const struct member half[] = {
        {0, "a", "127.0.0.1", "127.0.0.0/8", "lo", "cpu", 1},
        {1, "b", "10.0.0.2", "10.0.0.0/24", "eth0", "cpu", 1},
    };
    static const struct {
        const struct member *members;
        const char *profile, *env, *mca, *tune, *says;
    } cases[] = {
        {half, "cpu", "A=1", "a=1", NULL, "loopback"},
        {local, "other", "A=1", "a=1", NULL, "image cpu: no program"},
        {local, "cpu", "A", "a=1", NULL, "environment 'A': expected NAME=VALUE"},
        {local, "cpu", "1A=x", "a=1", NULL, "environment"},
        {local, "cpu", "A-B=x", "a=1", NULL, "environment"},
        {local, "cpu", "A=1", "=1", NULL, "MCA parameter"},
        {local, "cpu", "A=1", "a=:", NULL, "not a possible value"},
        {local, "cpu", "A=1", "a=1", "fast", "no tuning set 'fast': there are auto, tcp"},
        {local, "cpu", "A=1", "pml=ucx", "tcp", "--tune tcp means pml ob1, which --mca pml ucx"},
    };

    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh;
        DMPI_AUTO(dmpi_mpi_command_free) struct dmpi_mpi_command command;
        struct dmpi_err err = DMPI_ERR_INIT;
        struct dmpi_mpi_group group = {.profile = cases[i].profile, .program = words("true")};
        struct dmpi_mpi_job job = {.mesh = &mesh,
                                   .groups = &group,
                                   .n_groups = 1,
                                   .env = words(cases[i].env),
                                   .mca = words(cases[i].mca),
                                   .tune = cases[i].tune};

        make_mesh(&mesh, cases[i].members, 2);
        assert_int_equal(dmpi_mpi_compose(&command, &job, &err), -1);
        assert_int_equal(err.code, DMPI_EINVAL);
        if (!strstr(err.msg, cases[i].says))
            fail_msg("case %zu: \"%s\" does not say \"%s\"", i, err.msg, cases[i].says);
        dmpi_strv_free(&group.program);
        dmpi_strv_free(&job.env);
        dmpi_strv_free(&job.mca);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_layout_refused),
        cmocka_unit_test(test_oversubscribed_neighbours),
        cmocka_unit_test(test_crowded_gpus),
        cmocka_unit_test(test_net),
        cmocka_unit_test(test_local_command),
        cmocka_unit_test(test_mixed_command),
        cmocka_unit_test(test_user_wins),
        cmocka_unit_test(test_guard),
        cmocka_unit_test(test_colons),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
