// SPDX-License-Identifier: MIT
// What the doctor concludes from probes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "cluster/doctor.h"
#include "cluster/doctor_impl.h"
#include "spec/spec.h"

static char a[] = "a", b[] = "b", five[] = "5.0", four[] = "4.1", e0[] = "e0", e1[] = "e1";

static const struct dmpi_ports anywhere = {0};

static const struct dmpi_finding *find(const struct dmpi_report *r, const char *check,
                                       enum dmpi_verdict verdict)
{
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->findings[i].check, check) == 0 && r->findings[i].verdict == verdict)
            return &r->findings[i];
    return NULL;
}

static void reads_a_probe(void **state)
{
    (void)state;
    struct dmpi_probe p = {0};
    dmpi_probe_parse(&p,
                     "now 10000500000000\nshm   67108864\ndisk 123\nmemory 5\nmemlock unlimited\n"
                     "mpi mpirun (Open MPI) 5.0.7\nnonsense\nshmm 1\nlimit 9223372036854771712\n"
                     "ucx # Library version: 1.18.1\ntorch 2.6.0+debian\nrdma mlx5_0\n",
                     10000000, 10000200);
    assert_int_equal(p.skew_ms, 400);
    assert_int_equal(p.rtt_ms, 200);
    assert_int_equal(p.shm, 67108864);
    assert_int_equal(p.disk, 123);
    assert_int_equal(p.memlock, -1);
    assert_string_equal(p.mpi, "mpirun (Open MPI) 5.0.7");
    assert_string_equal(p.ucx, "1.18.1");
    assert_string_equal(p.torch, "2.6.0+debian");
    assert_string_equal(p.rdma, "mlx5_0");
    assert_int_equal(p.limit, 0);
    dmpi_probe_clear(&p);
    dmpi_probe_parse(&p, "now x\nshm\ndisk -5\nmpi \nucx \nlimit max\n", 0, 10);
    assert_int_equal(p.skew_ms, 0);
    assert_int_equal(p.shm, -1);
    assert_int_equal(p.disk, -1);
    assert_int_equal(p.memlock, -2);
    assert_null(p.mpi);
    assert_null(p.ucx);
    assert_int_equal(p.limit, 0);
    dmpi_probe_clear(&p);
}

// What `fabric probe` says, in words.
static void tells_the_fabric(void **state)
{
    static const struct {
        const char *json, *text; // NULL: nothing
    } cases[] = {
        {"", NULL},
        {"no JSON", NULL},
        {"{}", "UCX goes over no network, from memory of no kind that it tells; no GPU"},
        {"{\"ucx\":{\"memory_types\":[\"host\",\"cuda\"],\"domains\":[{\"transports\":["
         "{\"transport\":\"tcp\",\"device\":\"lo\"},{\"transport\":\"tcp\",\"device\":\"e0\"},"
         "{\"transport\":\"tcp\",\"device\":\"e0\"},{\"transport\":\"posix\",\"device\":\"memory\"}"
         ","
         "{\"transport\":7}]}]},\"gpus\":[{\"model\":\"T4\"},{\"model\":\"T4\"},"
         "{\"vendor\":\"AMD\",\"large_bar\":false}]}",
         "UCX goes over tcp/e0, from memory of host, cuda; 2 x T4, 1 x AMD (no large BAR)"},
    };

    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        dmpi_autofree char *line = dmpi_xasprintf("fabric %s\n", cases[i].json);
        struct dmpi_probe p = {0};
        dmpi_probe_parse(&p, line, 0, 0);
        assert_string_equal(p.fabric ? p.fabric : "-", cases[i].text ? cases[i].text : "-");
        dmpi_probe_clear(&p);
    }
}

static void warns_of_a_rival(void **state)
{
    static char addr[] = "10.0.0.5", rival[] = "192.168.1.2", tells[] = "UCX goes over tcp/e0";
    struct dmpi_probe p = {.node = a,
                           .shm = 1 << 30,
                           .disk = 100LL << 30,
                           .iface = e0,
                           .addr = addr,
                           .rival = rival,
                           .fabric = tells};
    struct dmpi_report r = {0};

    (void)state;
    dmpi_probes_judge(&r, &p, 1);
    assert_non_null(find(&r, "interface", DMPI_DOUBTFUL));
    assert_string_equal(
        find(&r, "interface", DMPI_DOUBTFUL)->text,
        "e0 carries 10.0.0.5 and 192.168.1.2; Open MPI knows only the first address of "
        "an interface, and jobs hang where that is not the data address");
    assert_string_equal(find(&r, "fabric", DMPI_GOOD)->text, tells);
    dmpi_report_free(&r);
}

static void judges(void **state)
{
    (void)state;
    struct dmpi_probe p[] = {
        {.node = a, .shm = 1 << 30, .disk = 100LL << 30, .mpi = five, .iface = e0, .mtu = 9001},
        {.node = b,
         .shm = 1 << 20,
         .disk = 2LL << 30,
         .mpi = four,
         .iface = e1,
         .mtu = 1500,
         .skew_ms = -65300,
         .rtt_ms = 40},
    };
    struct dmpi_report r = {0};
    dmpi_probes_judge(&r, p, 1);
    assert_int_equal(r.bad + r.doubtful, 0);
    assert_non_null(find(&r, "mpi", DMPI_GOOD));
    dmpi_report_free(&r);
    dmpi_probes_judge(&r, p, 2);
    assert_non_null(find(&r, "clock", DMPI_DOUBTFUL));
    assert_string_equal(find(&r, "clock", DMPI_DOUBTFUL)->text, "its clock is 65.3 s behind ours");
    assert_non_null(find(&r, "shm", DMPI_DOUBTFUL));
    assert_non_null(find(&r, "disk", DMPI_DOUBTFUL));
    assert_non_null(find(&r, "mtu", DMPI_DOUBTFUL));
    assert_non_null(find(&r, "mpi", DMPI_BAD));
    assert_int_equal(r.bad, 1);
    for (size_t i = 0; i < r.n; i++)
        assert_true(r.findings[i].verdict == DMPI_GOOD || *r.findings[i].remedy);
    dmpi_report_free(&r);
    p[1].disk = 1;
    dmpi_probes_judge(&r, p, 2);
    assert_non_null(find(&r, "disk", DMPI_BAD));
    dmpi_report_free(&r);
}

static void judges_what_nodes_have(void **state)
{
    (void)state;
    static char torch[] = "2.6.0", cuda[] = "2.6.0+cu124", other[] = "2.5.1", ucx[] = "1.18.1",
                old[] = "1.13.1", hca[] = "mlx5_0";
    static const struct {
        struct dmpi_probe first, second;
        const char *check;
        enum dmpi_verdict verdict;
        const char *says; // NULL: nothing of that verdict
    } cases[] = {
        {{.memory = 1LL << 33}, {.memory = 1LL << 30}, "memory", DMPI_DOUBTFUL, NULL},
        {{.memory = 1LL << 33}, {.memory = 500LL << 20}, "memory", DMPI_DOUBTFUL, "500MiB"},
        {{.memory = 1LL << 33},
         {.memory = 1LL << 33, .limit = 100 << 20},
         "memory",
         DMPI_BAD,
         "100MiB of memory is all that the container may use"},
        {{.memlock = -1, .rdma = hca}, {.memlock = 64}, "ulimits", DMPI_DOUBTFUL, NULL},
        {{.memlock = -1},
         {.memlock = 8192, .rdma = hca},
         "ulimits",
         DMPI_DOUBTFUL,
         "8.0MiB may be pinned, and RDMA (mlx5_0)"},
        {{.torch = torch}, {.torch = cuda}, "torch", DMPI_DOUBTFUL, NULL},
        {{.torch = torch},
         {.torch = other},
         "torch",
         DMPI_DOUBTFUL,
         "PyTorch 2.5.1 here, 2.6.0 on a"},
        {{.torch = torch}, {.torch = other}, "torch", DMPI_GOOD, NULL},
        {{.ucx = ucx}, {.torch = other}, "ucx", DMPI_GOOD, "UCX 1.18.1"},
        {{.ucx = ucx}, {.ucx = old}, "ucx", DMPI_DOUBTFUL, "UCX 1.13.1 here, 1.18.1 on a"},
        {{.services = {30000, 30009}, .services_free = 7, .n_workers = 1},
         {0},
         "ports",
         DMPI_DOUBTFUL,
         NULL},
        {{.services = {30000, 30009}, .services_free = 6, .n_workers = 1},
         {0},
         "ports",
         DMPI_DOUBTFUL,
         "6 of the ports 30000-30009 are free, and sshd and mpirun want 7"},
        {{.services = {30000, 30009}, .services_free = 1, .n_workers = 1},
         {0},
         "ports",
         DMPI_BAD,
         "1 of the ports"},
        {{.ranks = {30000, 30009}, .ranks_free = 3, .n_ranks = 4},
         {0},
         "ports",
         DMPI_BAD,
         "3 of the ports 30000-30009 are free, and the ranks want 8"},
        {{.ranks = {30000, 30009}, .ranks_free = -1, .n_ranks = 4}, {0}, "ports", DMPI_BAD, NULL},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        struct dmpi_report r = {0};
        struct dmpi_probe p[] = {cases[i].first, cases[i].second};
        p[0].node = a;
        p[1].node = b;
        for (size_t k = 0; k < 2; k++)
            p[k].shm = p[k].disk = -1;
        dmpi_probes_judge(&r, p, 2);
        const struct dmpi_finding *f = find(&r, cases[i].check, cases[i].verdict);
        if ((f != NULL) != (cases[i].says != NULL) || (f && !strstr(f->text, cases[i].says)))
            fail_msg("case %zu: %s", i, f ? f->text : "nothing");
        if (f && f->verdict != DMPI_GOOD && !*f->remedy)
            fail_msg("case %zu: no remedy", i);
        dmpi_report_free(&r);
    }
}

/* A clock cannot be said to be off by less than the time that asking took. */
static void slow_answers_hide_skew(void **state)
{
    (void)state;
    struct dmpi_probe p = {.node = a, .shm = -1, .disk = -1, .skew_ms = 4000, .rtt_ms = 8000};
    struct dmpi_report r = {0};
    dmpi_probes_judge(&r, &p, 1);
    assert_null(find(&r, "clock", DMPI_DOUBTFUL));
    dmpi_report_free(&r);
}

static void reads_a_dial(void **state)
{
    (void)state;
    struct dmpi_dial d;
    assert_true(dmpi_dial_parse(&d, "worker-12 0.105 940.5"));
    assert_string_equal(d.to, "worker-12");
    assert_true(d.rtt_ms > 0.1 && d.rtt_ms < 0.11 && d.mib_s > 940 && d.mib_s < 941);
    assert_null(d.error);
    assert_true(dmpi_dial_parse(&d, "worker-1 failed port 5 does not answer\r"));
    assert_string_equal(d.error, "port 5 does not answer\\x0d");
    free(d.error);
    static const char *const odd[] = {"", "worker-1", "worker-1 x y", "worker-1 1",
                                      "worker-1 failed"};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(odd); i++)
        assert_false(dmpi_dial_parse(&d, odd[i]));
}

static struct dmpi_dial dial(double rtt_ms, double mib_s, char *error)
{
    return (struct dmpi_dial){"worker-0", "worker-1", a, rtt_ms, mib_s, error};
}

static void judges_dials(void **state)
{
    (void)state;
    struct dmpi_dial d[40];
    struct dmpi_report r = {0};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(d); i++)
        d[i] = dial(0.1, 1000, NULL);
    dmpi_dials_judge(&r, d, DMPI_ARRAY_LEN(d), &anywhere);
    assert_int_equal(r.n, 1);
    assert_int_equal(r.findings[0].verdict, DMPI_GOOD);
    dmpi_report_free(&r);

    d[3] = dial(0.2, 9, NULL);
    d[4] = dial(80, 1000, NULL);
    d[5] = dial(0.1, 240, NULL); // much less than the others, but no hindrance
    dmpi_dials_judge(&r, d, DMPI_ARRAY_LEN(d), &anywhere);
    assert_int_equal(r.doubtful, 2);
    assert_string_equal(r.findings[0].node, "a");
    assert_non_null(strstr(r.findings[0].text, "worker-0 to worker-1: latency 0.20 ms, 9.0 MiB/s"));
    dmpi_report_free(&r);

    d[7] = dial(-1, -1, five);
    dmpi_dials_judge(&r, d, DMPI_ARRAY_LEN(d), &anywhere);
    assert_int_equal(r.bad, 1);
    assert_string_equal(r.findings[0].text, "worker-0 cannot reach worker-1: 5.0");
    assert_null(find(&r, "network", DMPI_GOOD));
    dmpi_report_free(&r);

    for (size_t i = 0; i < DMPI_ARRAY_LEN(d); i++)
        d[i] = dial(-1, -1, i < 2 ? NULL : five);
    dmpi_dials_judge(&r, d, DMPI_ARRAY_LEN(d),
                     &anywhere); // a whole network that is closed is one story
    assert_int_equal(r.bad, 13);
    assert_string_equal(r.findings[12].text, "26 more pairs cannot, either");
    dmpi_report_free(&r);

    dmpi_dials_judge(&r, d, 2, &anywhere);
    assert_int_equal(r.n, 1);
    assert_non_null(strstr(r.findings[0].text, "other ports were not tried"));
    dmpi_report_free(&r);

    // One slow host of three: its links are most of all.
    struct dmpi_dial three[] = {dial(0.1, 1.1, NULL), dial(0.1, 1.2, NULL), dial(0.1, 3.9, NULL),
                                dial(0.1, 3.7, NULL), dial(0.1, 900, NULL), dial(0.1, 950, NULL)};
    r = (struct dmpi_report){0};
    dmpi_dials_judge(&r, three, DMPI_ARRAY_LEN(three), &anywhere);
    assert_non_null(find(&r, "network", DMPI_DOUBTFUL));
    assert_int_equal(r.n, 5);
    dmpi_report_free(&r);
}

// users: what an engine answers. options: those of the node. NULL: nothing is found.
static void judges_users_of_an_engine(void **state)
{
    static const struct {
        const char *users, *options;
        size_t nodes;
        bool podman;
        enum dmpi_verdict verdict;
        const char *text;
    } rows[] = {
        {"name=seccomp,profile=builtin", NULL, 2, false, DMPI_GOOD, NULL},
        {"name=rootless", NULL, 1, false, DMPI_GOOD, "a rootless engine: enough for workers"},
        {"name=rootless", NULL, 2, false, DMPI_BAD, "no other node can dial"},
        {"name=rootless", NULL, 2, true, DMPI_GOOD, NULL},
        {"name=userns", NULL, 1, false, DMPI_BAD, "only to containers that it exempts"},
        {"name=userns", "{\"UsernsMode\":\"host\"}", 1, false, DMPI_GOOD, "exempts the containers"},
        {"name=userns", "{\"UsernsMode\":\"\"}", 1, false, DMPI_BAD, "only to containers"},
    };
    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        const char *options = rows[i].options ? rows[i].options : "{}";
        dmpi_json_auto json_t *info = json_pack("{s:[s]}", "SecurityOptions", rows[i].users);
        dmpi_json_auto json_t *parsed = NULL;
        assert_int_equal(dmpi_json_parse(&parsed, options, strlen(options), &err), 0);
        struct dmpi_node nodes[] = {{.name = a, .options = parsed}, {.name = b}};
        struct dmpi_report r = {0};
        const struct dmpi_spec spec = {.nodes = nodes, .n_nodes = rows[i].nodes};
        struct dmpi_exam x = {.report = &r, .spec = &spec};
        dmpi_exam_security(&x, 0, rows[i].podman, info);
        assert_int_equal(r.n, rows[i].text ? 1 : 0);
        const struct dmpi_finding *f = find(&r, "engine", rows[i].verdict);
        if (rows[i].text && (!f || !strstr(f->text, rows[i].text) ||
                             (f->verdict == DMPI_BAD) != (f->remedy[0] != '\0')))
            fail_msg("row %zu", i);
        dmpi_report_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_probe),
        cmocka_unit_test(judges),
        cmocka_unit_test(tells_the_fabric),
        cmocka_unit_test(warns_of_a_rival),
        cmocka_unit_test(judges_what_nodes_have),
        cmocka_unit_test(slow_answers_hide_skew),
        cmocka_unit_test(reads_a_dial),
        cmocka_unit_test(judges_dials),
        cmocka_unit_test(judges_users_of_an_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
