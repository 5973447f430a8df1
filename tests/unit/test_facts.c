// SPDX-License-Identifier: MIT
/* Facts of a node: from recorded and from hostile text, and from this very machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "mesh/facts.h"
#include "mesh/ports.h"
#include "spec/script.h"

static const char recorded[] =
    "noise of the image's shell\n"
    "dockmpi: facts 1\n"
    "hostname gpu0\nuid 0\ncpus 0-3,8\nephemeral 32768 60999\n"
    "sshd /usr/sbin/sshd\npenalties\nmpirun /usr/bin/mpirun\nlocked\nremapped\npdeathsig\nguard\n"
    "ompi 5\ndevice 993 /dev/kfd\ndevice 44 /dev/dri/card0\ndevice 993 /dev/dri/renderD128\n"
    "device 0 /dev/nvidia0\ndevice 0 /dev/nvidia1\ndevice x /dev/odd\ndevice 7\n"
    "mtu docker0 1500\nmtu ens5 9001\nmtu lo 65536\nrdma ens5 mlx5_0\n"
    "begin route\n"
    "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
    "ens5\t00000000\t01101FAC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
    "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
    "ens5\t00101FAC\t00000000\t0001\t0\t0\t0\t00F0FFFF\t0\t0\t0\n"
    "end\n"
    "begin trie\n"
    "           |-- 127.0.0.1\n              /32 host LOCAL\n--\n"
    "           |-- 172.17.0.1\n              /32 host LOCAL\n--\n"
    "           |-- 172.31.19.11\n              /32 host LOCAL\n--\n"
    "           |-- 172.31.19.11\n              /32 host LOCAL\n--\n"
    "           |-- 192.168.9.9\n              /32 host LOCAL\n"
    "end\n"
    "begin inet6\n"
    "fe8000000000000000fc00fffe000001 02 40 20 80     ens5\n"
    "fd000000000000000000000000000002 02 40 00 82     ens5\n"
    "end\n"
    "begin tcp\n"
    "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1 1 0 100 0\n"
    "   1: 0100007F:4E20 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1 1 0 100 0\n"
    "   2: 00000000000000000000000000000000:4E21 00000000000000000000000000000000:0000 0A 0:0 0\n"
    "   3: 0100007F:4E22 0100007F:0016 01 00000000:00000000 00:00000000 0 0A 0 1 1 0 100 0\n"
    "end\n"
    "begin env\nPATH=/opt/bin:/usr/bin\nTWO=a\001b\nbad name=1\n1x=2\n=3\nEMPTY=\nend\n"
    "dockmpi: facts end\n"
    "what comes later\n";

// clang-format off
static const char facts_sh[] =
#include "spec/ports.sh.inc"
#include "spec/facts.sh.inc"
    "facts\n";
// clang-format on

static void parse(struct dmpi_facts *f, const char *text)
{
    struct dmpi_err err = DMPI_ERR_INIT;

    if (dmpi_facts_parse(f, text, strlen(text), &err) != 0)
        fail_msg("%s", err.msg);
}

static void test_recorded(void **state)
{
    DMPI_AUTO(dmpi_facts_free) struct dmpi_facts f;

    (void)state;
    parse(&f, recorded);
    assert_string_equal(f.hostname, "gpu0");
    assert_string_equal(f.sshd, "/usr/sbin/sshd");
    assert_string_equal(f.mpirun, "/usr/bin/mpirun");
    assert_int_equal(f.cpus, 5);
    assert_int_equal(f.local_port_min, 32768);
    assert_int_equal(f.local_port_max, 60999);
    assert_true(f.sshd_penalties && f.root_locked && f.remapped && f.pdeathsig && f.guard);
    assert_int_equal(f.ompi, 5);
    assert_int_equal(f.nvidia, 2);
    assert_int_equal(f.amd, 1);
    dmpi_autofree char *groups = dmpi_strv_join(&f.groups, " ");
    assert_string_equal(groups, "993 44");
    assert_int_equal(f.env.n, 3);
    assert_string_equal(f.env.v[1], "TWO=a\nb");
    assert_string_equal(f.rdma.v[0], "ens5 mlx5_0");
    assert_true(dmpi_port_set_has(&f.listening, 22));
    assert_true(dmpi_port_set_has(&f.listening, 20000));
    assert_true(dmpi_port_set_has(&f.listening, 20001));
    assert_false(dmpi_port_set_has(&f.listening, 20002)); // connected, not listening
    assert_false(dmpi_facts_only_loopback(&f));
}

static void test_interfaces(void **state)
{
    static const struct {
        const char *addr, *iface, *cidr;
        int mtu;
    } cases[] = {
        {"172.31.19.11", "ens5", "172.31.16.0/20", 9001},
        {"172.17.0.1", "docker0", "172.17.0.0/16", 1500},
        {"127.0.0.1", "lo", "127.0.0.0/8", 65536},
        {"127.9.9.9", "lo", "127.0.0.0/8", 65536},
        {"fd00::2", "ens5", "fd00::/64", 9001},
        {"192.168.9.9", "ens5", "192.168.9.9/32", 9001}, // no network of its own: default route
        {"172.31.19.12", NULL, NULL, 0},
        {"not an address", NULL, NULL, 0},
    };
    DMPI_AUTO(dmpi_facts_free) struct dmpi_facts f;

    (void)state;
    parse(&f, recorded);
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        const struct dmpi_iface *found = dmpi_facts_iface(&f, cases[i].addr);

        if (!cases[i].iface) {
            assert_null(found);
            continue;
        }
        assert_non_null(found);
        dmpi_autofree char *cidr = dmpi_iface_cidr(found);
        assert_string_equal(found->name, cases[i].iface);
        assert_string_equal(cidr, cases[i].cidr);
        assert_int_equal(found->mtu, cases[i].mtu);
    }
}

static void test_subnets(void **state)
{
    static const struct {
        const char *subnet, *addr;
    } cases[] = {
        {"172.31.0.0/16", "172.31.19.11"},
        {"172.31.16.0/20", "172.31.19.11"},
        {"172.31.19.11/32", "172.31.19.11"},
        {"172.31.0.0/20", NULL},
        {"0.0.0.0/0", "127.0.0.1"},
        {"fd00::/8", "fd00::2"},
        {"172.31.0.0/33", NULL},
        {"172.31.0.0", NULL},
        {"x/8", NULL},
        {"/8", NULL},
    };
    DMPI_AUTO(dmpi_facts_free) struct dmpi_facts f;

    (void)state;
    parse(&f, recorded);
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        const char *addr = dmpi_facts_addr_in(&f, cases[i].subnet);

        if (cases[i].addr && addr)
            assert_string_equal(addr, cases[i].addr);
        else
            assert_true(!cases[i].addr && !addr);
    }
}

static void test_rivals(void **state)
{
    static const struct {
        const char *addr, *rival;
    } cases[] = {
        {"172.31.19.11", "192.168.9.9"},
        {"192.168.9.9", "172.31.19.11"},
        {"172.17.0.1", NULL},
        {"fd00::2", NULL},
        {"172.31.19.12", NULL},
    };
    DMPI_AUTO(dmpi_facts_free) struct dmpi_facts f;

    (void)state;
    parse(&f, recorded);
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        const char *rival = dmpi_facts_rival(&f, cases[i].addr);

        if (cases[i].rival && rival)
            assert_string_equal(rival, cases[i].rival);
        else
            assert_true(!cases[i].rival && !rival);
    }
}

// The ip program's list wins over the reconstruction from routes.
static void test_precise_addresses(void **state)
{
    DMPI_AUTO(dmpi_facts_free) struct dmpi_facts f;

    (void)state;
    parse(&f, "dockmpi: facts 1\n"
              "begin route\neth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\nend\n"
              "begin trie\n|-- 10.0.0.6\nend\n"
              "begin addr\n1: lo    inet 127.0.0.1/8 scope host lo\n"
              "3: eth1@if9    inet 10.0.0.6/24 brd 10.0.0.255 scope global eth1\nend\n"
              "dockmpi: facts end\n");
    assert_int_equal(f.n_ifaces, 2);
    assert_string_equal(dmpi_facts_iface(&f, "10.0.0.6")->name, "eth1");
}

static void test_only_loopback(void **state)
{
    DMPI_AUTO(dmpi_facts_free) struct dmpi_facts f;

    (void)state;
    parse(&f, "dockmpi: facts 1\nbegin trie\n|-- 127.0.0.1\nend\ndockmpi: facts end\n");
    assert_true(dmpi_facts_only_loopback(&f));
}

static void test_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "dockmpi: facts 1\n",
        "dockmpi: facts end\n",
        "dockmpi: facts 1\nbegin route\ndockmpi: facts end\n",
        "dockmpi: facts 1\nbegin nonsense\nend\ndockmpi: facts end\n",
        "dockmpi: facts 1\nbegin route\nshort line\nend\ndockmpi: facts end\n",
        "dockmpi: facts 1\nbegin tcp\nodd\nend\ndockmpi: facts end\n",
        "dockmpi: facts 1\nbegin inet6\nff 01 02 03 04 x\nend\ndockmpi: facts end\n",
    };

    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(texts); i++) {
        DMPI_AUTO(dmpi_facts_free) struct dmpi_facts f;
        struct dmpi_err err = DMPI_ERR_INIT;

        assert_int_equal(dmpi_facts_parse(&f, texts[i], strlen(texts[i]), &err), -1);
        assert_int_equal(err.code, DMPI_EPARSE);
    }
}

static void test_complete(void **state)
{
    size_t len = strlen(recorded);
    size_t whole = len - strlen("what comes later\n");

    (void)state;
    for (size_t n = 0; n <= len; n++)
        assert_int_equal(dmpi_facts_complete(recorded, n), n < whole ? 0 : whole);
}

static void run_script(struct dmpi_facts *f, const char *script)
{
    static char text[DMPI_FACTS_MAX];
    char path[] = "/tmp/dockmpi-test-XXXXXX";
    int fd = mkstemp(path);
    FILE *out = fdopen(fd, "w");

    assert_non_null(out);
    fputs(script, out);
    fclose(out);
    dmpi_autofree char *command = dmpi_xasprintf("sh %s", path);
    FILE *in = popen(command, "r");
    assert_non_null(in);
    size_t len = fread(text, 1, sizeof(text) - 1, in);
    pclose(in);
    remove(path);
    text[len] = '\0';
    parse(f, text);
}

static void test_this_machine(void **state)
{
    DMPI_AUTO(dmpi_facts_free) struct dmpi_facts f;
    DMPI_AUTO(dmpi_facts_free) struct dmpi_facts ports;

    (void)state;
    run_script(&f, facts_sh);
    assert_true(f.cpus > 0);
    assert_true(f.hostname[0] != '\0');
    assert_non_null(dmpi_strv_env_get(&f.env, "PATH"));
    assert_string_equal(dmpi_facts_iface(&f, "127.0.0.1")->name, "lo");
    run_script(&ports, dmpi_ports_sh);
}

static void test_ports(void **state)
{
    static struct dmpi_port_set taken;
    struct dmpi_err err = DMPI_ERR_INIT;
    int first = 0;
    int again = 0;
    int port = 0;

    (void)state;
    DMPI_AUTO(dmpi_facts_free) struct dmpi_facts f;
    parse(&f, recorded);
    assert_int_equal(dmpi_port_choose(&first, NULL, &f, NULL, "lab/0", &err), 0);
    assert_int_equal(dmpi_port_choose(&again, NULL, &f, NULL, "lab/0", &err), 0);
    assert_int_equal(first, again);
    for (int i = 0; i < DMPI_PORT_LAST - DMPI_PORT_FIRST + 1 - 2;
         i++) { // all but the two listening
        assert_int_equal(dmpi_port_choose(&port, NULL, &f, &taken, "lab/0", &err), 0);
        assert_in_range(port, DMPI_PORT_FIRST, DMPI_PORT_LAST);
        assert_false(dmpi_port_set_has(&taken, port));
        assert_false(dmpi_port_set_has(&f.listening, port));
        dmpi_port_set_add(&taken, port);
    }
    assert_int_equal(dmpi_port_choose(&port, NULL, &f, &taken, "lab/0", &err), -1);
    assert_int_equal(err.code, DMPI_ECONFLICT);
}

static void test_ports_outside_ephemeral(void **state)
{
    static const struct {
        int min, max;
        bool kept; // whether the ephemeral range is kept out of
    } cases[] = {{32768, 60999, true}, {25000, 60999, true}, {1024, 65535, false}, {0, 0, true}};

    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        struct dmpi_facts f = {.local_port_min = cases[i].min, .local_port_max = cases[i].max};

        for (int n = 0; n < 200; n++) {
            struct dmpi_err err = DMPI_ERR_INIT;
            char seed[16];
            int port = 0;

            snprintf(seed, sizeof(seed), "%d", n);
            assert_int_equal(dmpi_port_choose(&port, NULL, &f, NULL, seed, &err), 0);
            if (cases[i].kept)
                assert_true(port < cases[i].min || port > cases[i].max);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rivals),
        cmocka_unit_test(test_recorded),
        cmocka_unit_test(test_interfaces),
        cmocka_unit_test(test_subnets),
        cmocka_unit_test(test_precise_addresses),
        cmocka_unit_test(test_only_loopback),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_complete),
        cmocka_unit_test(test_this_machine),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_ports_outside_ephemeral),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
