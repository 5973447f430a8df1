// SPDX-License-Identifier: MIT
/* The range of ports that a cluster keeps to: reading, parts, sizes, and what a job is told of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/text.h"
#include "mesh/ports.h"
#include "mpi/firewall.h"
#include "spec/ports.h"

#define HOST_PUBLIC                                                                                \
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"

static void test_parse(void **state)
{
    static const struct {
        const char *text;
        int first, last; // 0, 0: refused
    } cases[] = {
        {"30000-30199", 30000, 30199},
        {"1024-65535", 1024, 65535},
        {"2000-2000", 2000, 2000},
        {"1023-2000", 0, 0},
        {"30000-65536", 0, 0},
        {"30199-30000", 0, 0},
        {"30000", 0, 0},
        {"-30000", 0, 0},
        {"30000-", 0, 0},
        {"30000-30199x", 0, 0},
        {"", 0, 0},
        {"30000 - 30199", 0, 0},
        {"30000-30199-1", 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        struct dmpi_ports got = {0};
        struct dmpi_err err = DMPI_ERR_INIT;
        int rc = dmpi_ports_parse(&got, cases[i].text, &err);
        if (rc != (cases[i].last ? 0 : -1) || got.first != cases[i].first ||
            got.last != cases[i].last)
            fail_msg("%s: %d, %d-%d", cases[i].text, rc, got.first, got.last);
    }
}

// The parts cover the range, do not overlap, and have room for all that the check lets pass.
static void test_parts(void **state)
{
    (void)state;
    for (int workers = 1; workers < 20; workers++) {
        for (int ranks = 1; ranks < 100; ranks += 3) {
            struct dmpi_err err = DMPI_ERR_INIT;
            int needed = dmpi_ports_needed(workers, ranks);
            struct dmpi_ports all = {3000, 3000 + needed - 1};
            struct dmpi_ports a = dmpi_ports_ranks(&all), b = dmpi_ports_services(&all);
            assert_int_equal(dmpi_ports_check(&all, "n", workers, ranks, &err), 0);
            assert_int_equal(a.first, all.first);
            assert_int_equal(b.first, a.last + 1);
            assert_int_equal(b.last, all.last);
            assert_true(dmpi_ports_count(&a) >= 2 * ranks);
            assert_true(dmpi_ports_count(&b) >= workers + 6);
            all.last--;
            assert_int_equal(dmpi_ports_check(&all, "n", workers, ranks, &err), -1);
            assert_int_equal(err.code, DMPI_EINVAL);
        }
    }
    const struct dmpi_ports none = {0};
    const struct dmpi_ports part = dmpi_ports_services(&none);
    struct dmpi_err err = DMPI_ERR_INIT;
    assert_false(dmpi_ports_given(&part));
    assert_int_equal(dmpi_ports_check(&none, "n", 4000, 4000, &err), 0);
}

static void test_choose(void **state)
{
    const struct dmpi_ports within = {40000, 40009}; // also where the kernel takes its own
    struct dmpi_facts facts = {.local_port_min = 32768, .local_port_max = 60999};
    dmpi_autofree struct dmpi_port_set *taken = dmpi_xcalloc(1, sizeof(*taken));
    struct dmpi_err err = DMPI_ERR_INIT;
    int port = 0;
    (void)state;
    dmpi_port_set_add(&facts.listening, 40003);
    for (int i = 0; i < 9; i++) {
        assert_int_equal(dmpi_port_choose(&port, &within, &facts, taken, "seed", &err), 0);
        assert_in_range(port, 40000, 40009);
        assert_int_not_equal(port, 40003);
        assert_false(dmpi_port_set_has(taken, port));
        dmpi_port_set_add(taken, port);
    }
    assert_int_equal(dmpi_port_choose(&port, &within, &facts, taken, "seed", &err), -1);
    assert_string_equal(err.msg, "every TCP port from 40000 to 40009 is in use");
}

static void make_mesh(struct dmpi_mesh *mesh, int first, int last)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    *mesh = (struct dmpi_mesh){.ports = {first, last}};
    for (int i = 0; i < 3; i++) {
        dmpi_autofree char *alias = dmpi_xasprintf("worker-%d", i);
        const struct dmpi_mesh_worker w = {.index = i,
                                           .alias = alias,
                                           .node = i < 2 ? (char *)"a" : (char *)"b",
                                           .addr = (char *)"10.0.0.1",
                                           .port = last - i,
                                           .slots = 4,
                                           .profile = (char *)"cpu",
                                           .host_public = (char *)HOST_PUBLIC,
                                           .cpus = 4};
        assert_int_equal(dmpi_mesh_put(mesh, &w, &err), 0);
    }
}

// mpirun gets ports of the upper quarter that neither an sshd nor the rendezvous has.
static void test_daemons(void **state)
{
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh = {0};
    struct dmpi_err err = DMPI_ERR_INIT;
    (void)state;
    for (int master = 30091; master < 30097; master++) {
        DMPI_AUTO(dmpi_strv_free) struct dmpi_strv env = DMPI_STRV_INIT;
        dmpi_mesh_free(&mesh);
        make_mesh(&mesh, 30000, 30099);
        assert_int_equal(dmpi_firewall_daemon_env(&env, &mesh, master, &err), 0);
        const char *list = dmpi_strv_env_get(&env, "PRTE_MCA_oob_tcp_dynamic_ipv4_ports");
        assert_string_equal(list, dmpi_strv_env_get(&env, "OMPI_MCA_oob_tcp_dynamic_ipv4_ports"));
        DMPI_AUTO(dmpi_strv_free) struct dmpi_strv ports = dmpi_strv_split(list, ',');
        assert_int_equal(ports.n, 3);
        for (size_t i = 0; i < ports.n; i++) {
            long long port = 0;
            assert_int_equal(dmpi_text_int(&port, ports.v[i], 30075, 30096), 0);
            assert_int_not_equal(port, master);
        }
        assert_non_null(dmpi_strv_env_get(&env, "PRTE_MCA_rml_base_radix"));
    }
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv none = DMPI_STRV_INIT;
    mesh.ports = (struct dmpi_ports){0};
    assert_int_equal(dmpi_firewall_daemon_env(&none, &mesh, 20000, &err), 0);
    assert_int_equal(none.n, 0);
}

// Jobs at the same time differ in their number, and so in all of their ports; what is taken is left alone.
static void test_jobs_apart(void **state)
{
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh = {0};
    dmpi_autofree struct dmpi_port_set *seen = dmpi_xcalloc(1, sizeof(*seen));
    dmpi_autofree struct dmpi_facts *facts = dmpi_xcalloc(1, sizeof(*facts));
    const struct dmpi_ports none = {0};
    struct dmpi_err err = DMPI_ERR_INIT;
    int port = 0, other = 0;
    (void)state;
    make_mesh(&mesh, 30000, 30099);
    for (int job = 1; job <= 5; job++) {
        DMPI_AUTO(dmpi_strv_free) struct dmpi_strv env = DMPI_STRV_INIT;
        assert_int_equal(dmpi_firewall_master_port(&port, &mesh.ports, facts, "lab", job, &err), 0);
        assert_int_equal(dmpi_firewall_daemon_env(&env, &mesh, port, &err), 0);
        const char *list = dmpi_strv_env_get(&env, "PRTE_MCA_oob_tcp_dynamic_ipv4_ports");
        dmpi_autofree char *all = dmpi_xasprintf("%s,%d", list, port);
        DMPI_AUTO(dmpi_strv_free) struct dmpi_strv ports = dmpi_strv_split(all, ',');
        for (size_t i = 0; i < ports.n; i++) {
            long long one = 0;
            assert_int_equal(dmpi_text_int(&one, ports.v[i], 30075, 30099), 0);
            assert_false(dmpi_port_set_has(seen, (int)one));
            dmpi_port_set_add(seen, (int)one);
        }
    }
    dmpi_port_set_add(&facts->listening, port);
    assert_int_equal(dmpi_firewall_master_port(&other, &mesh.ports, facts, "lab", 5, &err), 0);
    assert_int_not_equal(other, port);
    assert_int_equal(dmpi_firewall_master_port(&port, &none, NULL, "lab", 1, &err), 0);
    assert_int_equal(dmpi_firewall_master_port(&other, &none, NULL, "lab", 2, &err), 0);
    assert_in_range(port, DMPI_PORT_FIRST, DMPI_PORT_LAST);
    assert_int_not_equal(other, port);
    assert_int_equal(dmpi_firewall_master_port(&other, &none, NULL, "pool", 1, &err), 0);
    assert_int_not_equal(other, port);
}

static void test_ranks(void **state)
{
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv mca = DMPI_STRV_INIT;
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv env = DMPI_STRV_INIT;
    const struct dmpi_ports ports = {30000, 30099}, none = {0};
    (void)state;
    dmpi_firewall_rank_mca(&mca, &none);
    dmpi_firewall_rank_env(&env, &none);
    assert_int_equal(mca.n + env.n, 0);
    dmpi_firewall_rank_mca(&mca, &ports);
    dmpi_firewall_rank_env(&env, &ports);
    dmpi_autofree char *params = dmpi_strv_join(&mca, " ");
    dmpi_autofree char *variables = dmpi_strv_join(&env, " ");
    assert_string_equal(params, "btl_tcp_port_min_v4=30000 btl_tcp_port_range_v4=75 "
                                "btl_tcp_port_min_v6=30000 btl_tcp_port_range_v6=75");
    assert_string_equal(variables, "UCX_TCP_PORT_RANGE=30000-30074 DOCKMPI_PORTS=30000-30074");
}

// The ranks of all workers of a node count together, in a job with more of them as well.
static void test_job_too_large(void **state)
{
    static const struct {
        int last, slots, rc;
    } cases[] = {{30031, 0, 0}, {30031, 6, 0}, {30031, 7, -1}, {30099, 18, 0}, {30099, 19, -1}};
    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh = {0};
        DMPI_AUTO(dmpi_layout_free) struct dmpi_layout layout = {0};
        struct dmpi_err err = DMPI_ERR_INIT;
        make_mesh(&mesh, 30000, cases[i].last);
        assert_int_equal(dmpi_layout_make(&layout, &mesh, 0, cases[i].slots, &err), 0);
        if (dmpi_firewall_check(&layout, &mesh.ports, &err) != cases[i].rc)
            fail_msg("case %zu: %s", i, err.msg);
        if (cases[i].rc)
            assert_non_null(strstr(err.msg, "too few for node a with 2 workers and "));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),         cmocka_unit_test(test_parts),
        cmocka_unit_test(test_choose),        cmocka_unit_test(test_daemons),
        cmocka_unit_test(test_ranks),         cmocka_unit_test(test_jobs_apart),
        cmocka_unit_test(test_job_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
