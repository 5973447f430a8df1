// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "spec/spec.h"

static int make(struct dmpi_spec *out, struct dmpi_flags flags, const char *text,
                struct dmpi_err *err)
{
    struct dmpi_endpoint local;
    assert_int_equal(dmpi_endpoint_parse(&local, "unix:///local.sock", err), 0);
    if (text)
        flags.file = "c.yaml";
    int rc = dmpi_spec_make_text(out, &flags, text, text ? strlen(text) : 0, &local, err);
    dmpi_endpoint_free(&local);
    return rc;
}

// One line for each node: "NAME URL ADDR slots=N image*workers,..."; or the error.
static char *nodes_of(struct dmpi_flags flags, const char *text)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    DMPI_AUTO(dmpi_spec_free) struct dmpi_spec s;
    if (make(&s, flags, text, &err))
        return dmpi_xstrdup(err.msg);
    struct dmpi_buf out = DMPI_BUF_INIT(1 << 20);
    for (size_t i = 0; i < s.n_nodes; i++) {
        const struct dmpi_node *n = &s.nodes[i];
        dmpi_autofree char *url = dmpi_endpoint_str(&n->ep);
        dmpi_buf_addf(&out, "%s%s%s %s %s %d:", i ? "\n" : "", i == s.launcher_node ? "*" : "",
                      n->name, url, n->addr ? n->addr : "-", n->slots);
        for (size_t g = 0; g < n->n_groups; g++)
            dmpi_buf_addf(&out, " %s*%d", n->groups[g].image, n->groups[g].workers);
    }
    return dmpi_buf_steal(&out);
}

#define FLAGS(...) ((struct dmpi_flags){__VA_ARGS__})
#define LOCAL "*local unix:///local.sock 127.0.0.1 "

static void workers_and_images(void **state)
{
    (void)state;
    static const char three[] = "nodes:\n"
                                "- { name: a, docker: ssh://10.0.0.1 }\n"
                                "- { name: b, docker: ssh://10.0.0.2, workers: 2 }\n"
                                "- { name: c, docker: ssh://10.0.0.3, image: 'cpu:2,g4dn:1' }\n";
    static const char head[] = "launcher: { node: head }\n"
                               "defaults: { workers: 2, slots: 4, image: g4dn }\n"
                               "nodes:\n"
                               "- { name: a, docker: ssh://a, slots: 1 }\n"
                               "- { name: head, docker: ssh://h }\n";
    struct {
        struct dmpi_flags flags;
        const char *text, *want;
    } rows[] = {
        {FLAGS(.name = NULL), NULL, LOCAL "1: cpu*2"},
        {FLAGS(.workers = "5"), NULL, LOCAL "1: cpu*5"},
        {FLAGS(.image = "g4dn"), NULL, LOCAL "1: g4dn*2"},
        {FLAGS(.image = "g4dn:1,cpu:2"), NULL, LOCAL "1: g4dn*1 cpu*2"},
        {FLAGS(.image = "g4dn,cpu"), NULL, LOCAL "1: g4dn*1 cpu*1"},
        {FLAGS(.image = "cpu:3", .workers = "3"), NULL, LOCAL "1: cpu*3"},
        {FLAGS(.image = "cpu:3", .slots = "2"), NULL, LOCAL "2: cpu*3"},
        {FLAGS(.name = NULL), "name: x\n", LOCAL "1: cpu*2"},
        {FLAGS(.name = NULL), "defaults: { workers: 3, slots: 2 }\n", LOCAL "2: cpu*3"},
        {FLAGS(.name = NULL), "defaults: { image: 'cpu:2,g4dn:1' }\n",
         "node local: image 'cpu:2,g4dn:1' counts workers already"},
        {FLAGS(.name = NULL), "nodes: [{ name: a, docker: ssh://h }]\n",
         "*a ssh://h 127.0.0.1 1: cpu*1"},
        {FLAGS(.name = NULL), three,
         "*a ssh://10.0.0.1 10.0.0.1 1: cpu*1\n"
         "b ssh://10.0.0.2 10.0.0.2 1: cpu*2\n"
         "c ssh://10.0.0.3 10.0.0.3 1: cpu*2 g4dn*1"},
        {FLAGS(.image = "g4ad"), three,
         "*a ssh://10.0.0.1 10.0.0.1 1: g4ad*1\n"
         "b ssh://10.0.0.2 10.0.0.2 1: g4ad*2\n"
         "c ssh://10.0.0.3 10.0.0.3 1: g4ad*3"},
        {FLAGS(.name = NULL), head, "a ssh://a - 1: g4dn*2\n*head ssh://h - 4: g4dn*0"},
        {FLAGS(.workers = "7"), head, "a ssh://a - 1: g4dn*7\n*head ssh://h - 4: g4dn*0"},
        {FLAGS(.workers = "3", .image = "cpu"),
         "nodes: [{name: a, docker: ssh://a}, {name: b, docker: ssh://b}]\n",
         "*a ssh://a - 1: cpu*2\nb ssh://b - 1: cpu*1"},
        {FLAGS(.workers = "0"), NULL, "--workers 0: at least 1"},
        {FLAGS(.workers = "-1"), NULL, "--workers -1: at least 1"},
        {FLAGS(.workers = "1000000000"), NULL, "--workers 1000000000: at most 4096"},
        {FLAGS(.workers = "1e9"), NULL, "--workers 1e9: expected a whole number"},
        {FLAGS(.workers = ""), NULL, "--workers : expected a whole number"},
        {FLAGS(.slots = "0"), NULL, "--slots 0: at least 1"},
        {FLAGS(.image = "cpu:0"), NULL,
         "--image: 'cpu:0': expected a number of workers from 1 to 4096"},
        {FLAGS(.image = "cpu:4096,g4dn:1"), NULL, "4097 workers in all: at most 4096"},
        {FLAGS(.image = "cpu:1,cpu:2"), NULL, "--image: image profile 'cpu' is named twice"},
        {FLAGS(.image = ""), NULL, "--image: is empty"},
        {FLAGS(.image = "cpu:2,g4dn:1", .workers = "4"), NULL,
         "--workers 4: the images of node local say 3 workers: change these"},
        {FLAGS(.image = "cpu:2"), three,
         "--image cpu:2: counts of workers need a single node with workers; here are 3: use image: "
         "in the cluster file"},
        {FLAGS(.workers = "9"), three,
         "--workers 9: the images of node c say 3 workers: change these"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        dmpi_autofree char *got = nodes_of(rows[i].flags, rows[i].text);
        assert_string_equal(got, rows[i].want);
    }
}

static void endpoints_and_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"defaults: { user: ubuntu }\n"
         "nodes:\n"
         "- { name: a, docker: ssh://18.0.0.1, addr: 172.31.0.1 }\n"
         "- { name: b, docker: 'ssh://root@18.0.0.2' }\n"
         "- { name: c, docker: ssh://18.0.0.3, user: me }\n"
         "- { name: d }\n",
         "*a ssh://ubuntu@18.0.0.1 172.31.0.1 1: cpu*1\n"
         "b ssh://root@18.0.0.2 18.0.0.2 1: cpu*1\n"
         "c ssh://me@18.0.0.3 18.0.0.3 1: cpu*1\n"
         "d unix:///local.sock - 1: cpu*1"},
        {"defaults: { subnet: 172.31.0.0/16 }\n"
         "nodes: [{ name: a, docker: ssh://18.0.0.1 }]\n",
         "*a ssh://18.0.0.1 - 1: cpu*1"},
        {"nodes: [{ name: a, docker: tcp://10.0.0.1, tls: /certs }]\n",
         "*a https://10.0.0.1:2376 127.0.0.1 1: cpu*1"},
        {"nodes: [{ name: a, docker: tcp://10.0.0.1, insecure: true }]\n",
         "*a tcp://10.0.0.1:2375 127.0.0.1 1: cpu*1"},
        {"nodes: [{ name: a, docker: tcp://10.0.0.1 }]\n",
         "c.yaml:1: nodes[0].docker: endpoint 'tcp://10.0.0.1': plain tcp lets everybody on the "
         "network be root on that host: give the folder of the TLS certificates (tls: DIR, or "
         "DOCKER_TLS_VERIFY=1), use ssh://, or say insecure: true"},
        {"# hosts\nubuntu@10.0.0.1 slots=4 max-slots=4\nGPU1:2\nlocalhost\n",
         "*10.0.0.1 ssh://ubuntu@10.0.0.1 10.0.0.1 4: cpu*1\n"
         "gpu1 ssh://GPU1 - 2: cpu*1\n"
         "localhost unix:///local.sock - 1: cpu*1"},
        {"fe80::1\n10.0.0.1", "*fe80--1 ssh://[fe80::1] fe80::1 1: cpu*1\n"
                              "10.0.0.1 ssh://10.0.0.1 10.0.0.1 1: cpu*1"},
        {"::1:zz\n", "c.yaml:1: malformed host: '::1:zz'"},
        {"- a\n- b\n", "c.yaml: neither a cluster file (a mapping with nodes) nor a hostfile"},
        {"nodes: [\n", "c.yaml:2: "},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        dmpi_autofree char *got = nodes_of(FLAGS(.name = NULL), rows[i].text);
        if (strncmp(got, rows[i].want, strlen(rows[i].want)) != 0 ||
            (strncmp(got, "c.yaml:2", 8) != 0 && strlen(got) != strlen(rows[i].want)))
            fail_msg("got: %s\nwant: %s", got, rows[i].want);
    }
}

static void tls_and_ssh_defaults(void **state)
{
    (void)state;
    static const char text[] = "defaults: { identity: keys/id, known_hosts: /kh, tls: certs }\n"
                               "nodes:\n"
                               "- { name: a, docker: ssh://a }\n"
                               "- { name: b, docker: ssh://b, identity: /other }\n"
                               "- { name: c, docker: tcp://c:2376 }\n"
                               "- { name: d, docker: tcp://127.0.0.1 }\n";
    struct dmpi_err err = DMPI_ERR_INIT;
    DMPI_AUTO(dmpi_spec_free) struct dmpi_spec s;
    struct dmpi_flags flags = {.file = "/lab/c.yaml"};
    if (dmpi_spec_make_text(&s, &flags, text, strlen(text), NULL, &err))
        fail_msg("%s", err.msg);
    // Relative to the cluster file.
    assert_string_equal(s.nodes[0].ep.identity, "/lab/keys/id");
    assert_string_equal(s.nodes[0].ep.known_hosts, "/kh");
    assert_string_equal(s.nodes[1].ep.identity, "/other");
    assert_string_equal(s.nodes[2].ep.tls_dir, "/lab/certs");
    assert_true(s.nodes[2].ep.tls);
    assert_false(s.nodes[3].ep.tls);
    assert_null(s.nodes[3].ep.tls_dir);
    assert_null(s.nodes[2].ep.identity);
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"nmae: x\n", "c.yaml:1: unknown key 'nmae': did you mean 'name'?"},
        {"name: Lab\n", "c.yaml:1: "},
        {"name: 7\n", "c.yaml:1: name: expected a string, not"},
        {"name: ''\n", "c.yaml:1: name: is empty"},
        {"nodes: x\n", "c.yaml:1: nodes: expected a list, not"},
        {"nodes: []\n", "c.yaml:1: nodes: expected 1 to 4096 nodes"},
        {"nodes:\n- a\n", "c.yaml:2: nodes[0]: expected a mapping such as"},
        {"nodes:\n- { docker: ssh://h }\n", "c.yaml:2: nodes[0]: name: missing"},
        {"nodes:\n- { name: a.B }\n", "c.yaml:2: "},
        {"nodes:\n- name: a\n  dokcer: x\n", "c.yaml:3: unknown key 'dokcer'"},
        {"nodes:\n- name: a\n  docker: ftp://h\n",
         "c.yaml:3: nodes[0].docker: endpoint 'ftp://h': expected"},
        {"nodes:\n- name: a\n  addr: host7\n",
         "c.yaml:3: nodes[0].addr: 'host7': expected an IP address"},
        {"nodes:\n- name: a\n  slots: 0\n", "c.yaml:3: nodes[0].slots: 0: at least 1"},
        {"nodes:\n- name: a\n  slots: 5000\n", "c.yaml:3: nodes[0].slots: 5000: at most 4096"},
        {"nodes:\n- name: a\n  workers: -1\n", "c.yaml:3: nodes[0].workers: -1: at least 0"},
        {"nodes:\n- name: a\n  workers: two\n",
         "c.yaml:3: nodes[0].workers: expected a whole number, not"},
        {"nodes:\n- name: a\n  workers: 2.5\n",
         "c.yaml:3: nodes[0].workers: expected a whole number, not"},
        {"nodes: [{ name: a, workers: 0 }]\n", "c.yaml: no node has workers"},
        {"nodes:\n- name: a\n  image: 'cpu:2'\n  workers: 3\n",
         "c.yaml:4: nodes[0].workers: image 'cpu:2' counts workers already"},
        {"nodes:\n- name: a\n  image: CPU\n", "c.yaml:3: nodes[0].image: image profile"},
        {"nodes:\n- name: a\n  docker: ssh://h\n  tls: /x\n",
         "c.yaml:4: nodes[0].tls: is for tcp:// endpoints only"},
        {"nodes:\n- name: a\n  docker: tcp://127.0.0.1\n  identity: /x\n",
         "c.yaml:4: nodes[0].identity: is for ssh:// endpoints only"},
        {"nodes:\n- name: a\n  docker: ssh://h\n  user: -x\n",
         "c.yaml:4: nodes[0].user: user '-x': malformed"},
        {"nodes:\n- name: a\n  options: { Binds: [] }\n",
         "c.yaml:3: nodes[0].options: HostConfig: 'Binds' is decided by dockmpi"},
        {"nodes: [{name: a, docker: ssh://a}, {name: a, docker: ssh://b}]\n",
         "c.yaml: two nodes are called 'a'"},
        {"nodes: [{name: a, docker: ssh://h}, {name: b, docker: ssh://h}]\n",
         "c.yaml: two nodes have the engine ssh://h"},
        {"launcher: { node: haed }\nnodes: [{ name: head }]\n",
         "c.yaml:1: launcher.node: no node is called 'haed': did you mean 'head'?"},
        {"launcher: head\n", "c.yaml:1: launcher: expected a mapping, not"},
        {"launcher: { nodes: head }\n", "c.yaml:1: unknown key"},
        {"launcher: { image: A }\n", "launcher: image profile"},
        {"defaults: { subnet: 172.31.0.0 }\n",
         "c.yaml:1: defaults.subnet: '172.31.0.0': expected ADDRESS/BITS"},
        {"defaults: { name: x }\n", "c.yaml:1: unknown key"},
        {"volumes: /a:/b\n", "c.yaml:1: volumes: expected a list of strings, not"},
        {"volumes:\n- /a:/b\n- /c:/b/\n",
         "c.yaml:3: volumes[1]: volume '/c:/b/': another volume has that path"},
        {"env: [NOPE]\n", "c.yaml:1: env[0]: expected KEY=VALUE"},
        {"env: { A-B: 1 }\n", "c.yaml:1: env.A-B: not a name"},
        {"shm_size: -1\n", "c.yaml:1: shm_size: expected a size such as 8G"},
        {"ttl: 1h30\n", "c.yaml:1: ttl: "},
        {"ttl: 9s\n", "c.yaml:1: ttl: '9s': expected 10s to 365d"},
        {"workdir: work\n", "workdir 'work': expected an absolute path"},
        {"workdir: /a/../b\n", "workdir '/a/../b': expected an absolute path"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        struct dmpi_spec s;
        if (!make(&s, FLAGS(.name = NULL), rows[i].text, &err))
            fail_msg("accepted: %s", rows[i].text);
        if (strncmp(err.msg, rows[i].want, strlen(rows[i].want)) != 0)
            fail_msg("%s\ngot: %s\nwant: %s", rows[i].text, err.msg, rows[i].want);
        assert_null(s.nodes);
    }
}

static void flags_win(void **state)
{
    (void)state;
    static const char text[] = "name: filed\n"
                               "env: { A: 1, B: 2 }\n"
                               "shm_size: 1G\n"
                               "ttl: 2d\n"
                               "workdir: /filed\n"
                               "launcher: { image: cpu }\n"
                               "volumes: ['/a:/data', '/b:/x:ro']\n";
    struct dmpi_err err = DMPI_ERR_INIT;
    DMPI_AUTO(dmpi_spec_free) struct dmpi_spec s;
    struct dmpi_flags flags = {.name = "flagged", .shm_size = "512m", .workdir = "/flagged//x/"};
    dmpi_strv_add(&flags.env, "B=3");
    dmpi_strv_add(&flags.env, "DOCKMPI_TEST_ENV");
    dmpi_strv_add(&flags.volumes, "/c:/data:rw");
    setenv("DOCKMPI_TEST_ENV", "from here", 1);
    if (make(&s, flags, text, &err))
        fail_msg("%s", err.msg);
    assert_string_equal(s.name, "flagged");
    assert_string_equal(s.workdir, "/flagged/x");
    assert_string_equal(s.launcher_image, "cpu");
    assert_true(s.shm_size == 512LL << 20);
    assert_int_equal(s.ttl_s, 2 * 24 * 3600);
    dmpi_autofree char *env = dmpi_strv_join(&s.env, "|");
    assert_string_equal(env, "A=1|B=3|DOCKMPI_TEST_ENV=from here");
    assert_int_equal(s.n_volumes, 2);
    assert_string_equal(s.volumes[0].host, "/c");
    assert_string_equal(s.volumes[0].container, "/data");
    assert_false(s.volumes[0].ro);
    assert_true(s.volumes[1].ro);
    dmpi_strv_free(&flags.env);
    dmpi_strv_free(&flags.volumes);
}

static void bad_flags(void **state)
{
    (void)state;
    struct {
        struct dmpi_flags flags;
        const char *env, *volume, *want;
    } rows[] = {
        {FLAGS(.name = "Lab"), NULL, NULL, "--name: cluster name 'Lab'"},
        {FLAGS(.name = "../x"), NULL, NULL, "--name: cluster name"},
        {FLAGS(.shm_size = "x"), NULL, NULL, "--shm-size: "},
        {FLAGS(.shm_size = "0"), NULL, NULL, "--shm-size 0: must be greater"},
        {FLAGS(.ttl = "x"), NULL, NULL, "--ttl: "},
        {FLAGS(.ttl = "400d"), NULL, NULL, "--ttl: '400d': expected 10s to 365d"},
        {FLAGS(.user = "-x"), NULL, NULL, "user '-x': malformed"},
        {FLAGS(.name = NULL), "DOCKMPI_TEST_UNSET", NULL,
         "--env: environment 'DOCKMPI_TEST_UNSET': not set here either"},
        {FLAGS(.name = NULL), "=x", NULL, "--env: environment '=x': expected KEY=VALUE"},
        {FLAGS(.name = NULL), NULL, "/data", "--volume: volume '/data': expected HOST:CONTAINER"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        if (rows[i].env)
            dmpi_strv_add(&rows[i].flags.env, rows[i].env);
        if (rows[i].volume)
            dmpi_strv_add(&rows[i].flags.volumes, rows[i].volume);
        dmpi_autofree char *got = nodes_of(rows[i].flags, NULL);
        if (strncmp(got, rows[i].want, strlen(rows[i].want)) != 0)
            fail_msg("got: %s\nwant: %s", got, rows[i].want);
        dmpi_strv_free(&rows[i].flags.env);
        dmpi_strv_free(&rows[i].flags.volumes);
    }
}

static void volumes(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "/a",       "a:/b",          "/a:b",  "/a:/b:rx", "/a:/b:ro:z",      "/a/../b:/c",
        "/a:/",     "/a://",         "/a:/.", "/a:/etc",  "/a:/etc/dockmpi", "/a:/etc/dockmpi/x",
        "/a:/root", "/a:/root/.ssh", ":/b",   "/a:",      "/a:/proc/self",   "/a\n:/b",
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(bad); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        struct dmpi_volume v;
        if (!dmpi_volume_parse(&v, bad[i], &err))
            fail_msg("accepted: %s", bad[i]);
        assert_null(v.host);
        assert_null(strchr(err.msg, '\n'));
    }
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_volume v;
    assert_int_equal(dmpi_volume_parse(&v, "/a//b/:/etc/dockmpi2/./c/:ro", &err), 0);
    assert_string_equal(v.host, "/a/b");
    assert_string_equal(v.container, "/etc/dockmpi2/c");
    assert_true(v.ro);
    dmpi_volume_free(&v);
}

static void subnets(void **state)
{
    (void)state;
    static const char *const good[] = {"172.31.0.0/16", "0.0.0.0/0", "10.1.2.3/32", "fd00::/64"};
    static const char *const bad[] = {"172.31.0.0", "172.31.0.0/33", "172.31/16",  "/16",
                                      "fd00::/129", "10.0.0.0/",     "10.0.0.0/-1"};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(good); i++)
        assert_true(dmpi_subnet_ok(good[i]));
    for (size_t i = 0; i < DMPI_ARRAY_LEN(bad); i++)
        assert_false(dmpi_subnet_ok(bad[i]));
}

static void origins(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    DMPI_AUTO(dmpi_spec_free) struct dmpi_spec a, b, c;
    assert_int_equal(make(&a, FLAGS(.workers = "1"), NULL, &err), 0);
    assert_int_equal(make(&b, FLAGS(.workers = "4"), NULL, &err), 0);
    assert_int_equal(make(&c, FLAGS(.name = NULL), "name: x\n", &err), 0);
    assert_int_equal(strlen(a.origin), 16);
    assert_string_equal(a.origin, b.origin);
    assert_string_not_equal(a.origin, c.origin);
}

static void from_files(void **state)
{
    (void)state;
    char path[] = "/tmp/dockmpi-test-XXXXXX";
    struct dmpi_err err = DMPI_ERR_INIT;
    int fd = mkstemp(path);
    static const char text[] = "name: onfile\nnodes: [{ name: a, docker: 'unix:///x.sock' }]\n";
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    DMPI_AUTO(dmpi_spec_free) struct dmpi_spec s, none;
    struct dmpi_flags flags = {.file = path};
    assert_int_equal(dmpi_spec_make(&s, &flags, &err), 0);
    assert_string_equal(s.name, "onfile");
    assert_int_equal(dmpi_spec_workers(&s), 1);
    unlink(path);
    assert_int_equal(dmpi_spec_make(&none, &flags, &err), -1);
    assert_int_equal(err.code, DMPI_ENOTFOUND);
    assert_non_null(strstr(err.msg, path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_and_images),
        cmocka_unit_test(endpoints_and_addresses),
        cmocka_unit_test(tls_and_ssh_defaults),
        cmocka_unit_test(refuses),
        cmocka_unit_test(flags_win),
        cmocka_unit_test(bad_flags),
        cmocka_unit_test(volumes),
        cmocka_unit_test(subnets),
        cmocka_unit_test(origins),
        cmocka_unit_test(from_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
