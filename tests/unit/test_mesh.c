// SPDX-License-Identifier: MIT
/* The mesh: its JSON, the members' files and configuration texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/tar.h"
#include "mesh/files.h"

static const unsigned char seed[DMPI_KEY_BYTES] = "an unsurprising seed for tests.";
#define HOST_PUBLIC                                                                                \
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"

// The structs own their strings, but putting a worker copies them.
#define TEXT(literal) ((char *)(literal))

static struct dmpi_mesh_worker worker(int index, const char *alias, const char *addr, int port)
{
    return (struct dmpi_mesh_worker){.index = index,
                                     .alias = TEXT(alias),
                                     .node = TEXT("gpu 0"),
                                     .addr = TEXT(addr),
                                     .port = port,
                                     .slots = 2,
                                     .profile = TEXT("cpu"),
                                     .host_public = TEXT(HOST_PUBLIC),
                                     .iface = TEXT("ens5"),
                                     .cidr = TEXT("172.31.16.0/20"),
                                     .mtu = 9001,
                                     .cpus = 4,
                                     .ompi = 5,
                                     .gpus = 1,
                                     .rdma = true};
}

static void put(struct dmpi_mesh *mesh, const struct dmpi_mesh_worker *w)
{
    struct dmpi_err err = DMPI_ERR_INIT;

    if (dmpi_mesh_put(mesh, w, &err) != 0)
        fail_msg("%s", err.msg);
}

static void make_mesh(struct dmpi_mesh *mesh)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_mesh_worker one = worker(1, "worker-1", "172.31.19.12", 20002);
    struct dmpi_mesh_worker zero = worker(0, "worker-0", "172.31.19.11", 20001);

    assert_int_equal(dmpi_mesh_make(mesh, &err), 0);
    snprintf(mesh->id, sizeof(mesh->id), "%s", "00112233445566778899aabbccddeeff");
    assert_int_equal(dmpi_key_from_seed(&mesh->key, seed, &err), 0);
    put(mesh, &one);
    put(mesh, &zero);
}

static void make_facts(struct dmpi_facts *facts)
{
    static const char text[] =
        "dockmpi: facts 1\ncpus 0-3\npenalties\npdeathsig\nguard\nrdma ens5 mlx5_0\nmtu ens5 9001\n"
        "begin route\nens5\t00101FAC\t00000000\t0001\t0\t0\t0\t00F0FFFF\t0\t0\t0\nend\n"
        "begin trie\n|-- 172.31.19.11\nend\n"
        "begin env\nPATH=/opt/bin:/usr/bin\nHOME=/root\nHOSTNAME=x\nSPACED=a b\nSSH_TTY=1\n"
        "QUOTED=it's \"it\"\nLINES2=a\001b\nend\ndockmpi: facts end\n";
    struct dmpi_err err = DMPI_ERR_INIT;

    assert_int_equal(dmpi_facts_parse(facts, text, strlen(text), &err), 0);
}

static void test_order_and_drop(void **state)
{
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh;
    struct dmpi_mesh_worker moved = worker(1, "worker-1", "172.31.19.13", 20009);

    (void)state;
    make_mesh(&mesh);
    assert_int_equal(mesh.n, 2);
    assert_int_equal(mesh.workers[0].index, 0);
    put(&mesh, &moved);
    assert_int_equal(mesh.n, 2);
    assert_string_equal(dmpi_mesh_find(&mesh, 1)->addr, "172.31.19.13");
    assert_true(dmpi_mesh_drop(&mesh, 0));
    assert_false(dmpi_mesh_drop(&mesh, 0));
    assert_null(dmpi_mesh_find(&mesh, 0));
    assert_non_null(dmpi_mesh_find(&mesh, 1));
}

// Nothing that could add a line or a word to a configuration file gets in.
static void test_refused_workers(void **state)
{
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh;
    const struct dmpi_mesh_worker good = worker(2, "worker-2", "172.31.19.12", 20002);

    (void)state;
    make_mesh(&mesh);
#define BAD(field, value)                                                                          \
    do {                                                                                           \
        struct dmpi_mesh_worker w = good;                                                          \
        struct dmpi_err err = DMPI_ERR_INIT;                                                       \
        w.field = (value);                                                                         \
        assert_int_equal(dmpi_mesh_put(&mesh, &w, &err), -1);                                      \
        assert_int_equal(err.code, DMPI_EINVAL);                                                   \
    } while (0)
    BAD(index, -1);
    BAD(index, DMPI_MESH_WORKERS_MAX);
    BAD(alias, NULL);
    BAD(alias, TEXT("worker.2")); // Open MPI cuts names at the dot
    BAD(alias, TEXT("worker-2\nProxyCommand x"));
    BAD(alias, TEXT("-oProxyCommand=x"));
    BAD(addr, TEXT("1.2.3.4 x"));
    BAD(addr, TEXT(""));
    BAD(port, 0);
    BAD(port, 65536);
    BAD(slots, 0);
    BAD(node, TEXT("a\nb"));
    BAD(profile, TEXT("a b"));
    BAD(interpreter, TEXT("python\n"));
    BAD(host_public, TEXT("ssh-ed25519 A B"));
    BAD(host_public, TEXT("ssh-rsa AAAA"));
    BAD(iface, TEXT("a,b"));
    BAD(cidr, TEXT("10.0.0.0/8;"));
    BAD(mtu, -1);
    assert_int_equal(mesh.n, 2);
}

static void test_json_round_trip(void **state)
{
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh;
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh back;
    dmpi_json_auto json_t *json = NULL;
    dmpi_json_auto json_t *json_back = NULL;
    struct dmpi_err err = DMPI_ERR_INIT;

    (void)state;
    make_mesh(&mesh);
    mesh.launcher_iface = dmpi_xstrdup("ens5");
    mesh.launcher_cidr = dmpi_xstrdup("172.31.16.0/20");
    mesh.ports = (struct dmpi_ports){30000, 30199};
    mesh.launcher_guard = true;
    mesh.workers[1].guard = true;
    json = dmpi_mesh_to_json(&mesh);
    dmpi_autofree char *text = dmpi_json_dump(json);
    assert_int_equal(dmpi_mesh_from_json(&back, text, strlen(text), &err), 0);
    json_back = dmpi_mesh_to_json(&back);
    assert_true(json_equal(json, json_back));
    assert_true(back.launcher_guard && back.workers[1].guard && !back.workers[0].guard);
    assert_null(strstr(text, "PRIVATE"));
}

static void test_json_refused(void **state)
{
    static const struct {
        const char *path, *key;
        const char *value; // JSON; NULL removes the key
        const char *says;
    } cases[] = {
        {"", "version", NULL, "version"},
        {"", "version", "99", "another version"},
        {"", "id", "\"short\"", "id"},
        {"", "workers", "{}", "workers"},
        {"", "launcher_cidr", "\"10.0.0.0/8 -x\"", "launcher_cidr"},
        {"", "ports", "\"80-90\"", "ports"},
        {"worker", "port", "\"22\"", "workers[1].port"},
        {"worker", "port", "1e3", "workers[1].port"},
        {"worker", "port", "70000", "port"},
        {"worker", "index", "0", "twice"},
        {"worker", "slots", "-1", "slots"},
        {"worker", "addr", "\"a b\"", "addr"},
        {"worker", "alias", NULL, "alias"},
    };

    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh;
        DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh back;
        dmpi_json_auto json_t *json = NULL;
        struct dmpi_err err = DMPI_ERR_INIT;

        make_mesh(&mesh);
        json = dmpi_mesh_to_json(&mesh);
        json_t *at = *cases[i].path ? json_array_get(dmpi_json_arr(json, "workers"), 1) : json;
        if (cases[i].value)
            dmpi_json_set(at, cases[i].key, json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
        else
            json_object_del(at, cases[i].key);
        dmpi_autofree char *text = dmpi_json_dump(json);
        assert_int_equal(dmpi_mesh_from_json(&back, text, strlen(text), &err), -1);
        if (!strstr(err.msg, cases[i].says))
            fail_msg("case %zu: \"%s\" does not say \"%s\"", i, err.msg, cases[i].says);
    }
}

static void test_digest(void **state)
{
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh;
    char a[DMPI_SHA256_HEX];
    char b[DMPI_SHA256_HEX];

    (void)state;
    make_mesh(&mesh);
    dmpi_mesh_digest(&mesh, a);
    dmpi_mesh_digest(&mesh, b);
    assert_string_equal(a, b);
    mesh.workers[1].port++;
    dmpi_mesh_digest(&mesh, b);
    assert_string_not_equal(a, b);
    mesh.workers[1].port--;
    mesh.key.pub[3] ^= 1;
    dmpi_mesh_digest(&mesh, b);
    assert_string_not_equal(a, b);
}

static void test_ssh_config(void **state)
{
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh;

    (void)state;
    make_mesh(&mesh);
    dmpi_autofree char *config = dmpi_mesh_ssh_config(&mesh);
    dmpi_autofree char *known = dmpi_mesh_known_hosts(&mesh);
    assert_string_equal(config,
                        "# Written by dockmpi.\n"
                        "Host worker-0\n"
                        "    HostName 172.31.19.11\n"
                        "    Port 20001\n"
                        "    HostKeyAlias worker-0\n"
                        "Host worker-1\n"
                        "    HostName 172.31.19.12\n"
                        "    Port 20002\n"
                        "    HostKeyAlias worker-1\n"
                        "Host worker-*\n"
                        "    User root\n"
                        "    IdentityFile /etc/dockmpi/id_ed25519\n"
                        "    IdentitiesOnly yes\n"
                        "    IdentityAgent none\n"
                        "    UserKnownHostsFile /etc/dockmpi/known_hosts\n"
                        "    GlobalKnownHostsFile none\n"
                        "    StrictHostKeyChecking yes\n"
                        "    UpdateHostKeys no\n"
                        "    CheckHostIP no\n"
                        "    KexAlgorithms curve25519-sha256,curve25519-sha256@libssh.org\n"
                        "    Ciphers aes128-gcm@openssh.com,aes256-gcm@openssh.com,"
                        "chacha20-poly1305@openssh.com\n"
                        "    MACs hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com\n"
                        "    HostKeyAlgorithms ssh-ed25519\n"
                        "    PreferredAuthentications publickey\n"
                        "    BatchMode yes\n"
                        "    SendEnv DOCKMPI_DAEMON\n"
                        "    ForwardAgent no\n"
                        "    ForwardX11 no\n"
                        "    ConnectTimeout 10\n"
                        "    ServerAliveInterval 2\n"
                        "    ServerAliveCountMax 7\n"
                        "    LogLevel ERROR\n");
    assert_string_equal(known, "worker-0 " HOST_PUBLIC "\nworker-1 " HOST_PUBLIC "\n");
}

static void test_sshd_config(void **state)
{
    static const char *const lines[] = {
        "Port 20001\n",
        "ListenAddress 172.31.19.11\n",
        "HostKey /etc/dockmpi/host_key\n",
        "AuthorizedKeysFile /etc/dockmpi/authorized_keys\n",
        "PasswordAuthentication no\n",
        "AuthenticationMethods publickey\n",
        "PermitRootLogin prohibit-password\n",
        "AllowTcpForwarding no\n",
        "DisableForwarding yes\n",
        "PubkeyAcceptedKeyTypes ssh-ed25519\n",
        "KexAlgorithms curve25519-sha256,curve25519-sha256@libssh.org\n",
        "MaxAuthTries 2\n",
        "PermitUserEnvironment no\n",
        "UsePAM no\n",
        "StrictModes yes\n",
        "PidFile none\n",
        "PerSourcePenalties no\n",
        "AcceptEnv DOCKMPI_DAEMON\n",
        ("SetEnv DOCKMPI_WORKER=0 PRTE_MCA_prte_if_include=ens5 \"PATH=/opt/bin:/usr/bin\" "
         "\"SPACED=a b\"\n"),
    };
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh;
    DMPI_AUTO(dmpi_facts_free) struct dmpi_facts facts;

    (void)state;
    make_mesh(&mesh);
    make_facts(&facts);
    dmpi_autofree char *config = dmpi_mesh_sshd_config(&mesh.workers[0], &facts);
    for (size_t i = 0; i < DMPI_ARRAY_LEN(lines); i++) {
        const char *at = strstr(config, lines[i]);
        if (!at || (at > config && at[-1] != '\n'))
            fail_msg("no line %s in\n%s", lines[i], config);
    }
    assert_null(strstr(strstr(config, "SetEnv") + 1, "SetEnv")); // sshd takes the first one only
    facts.sshd_penalties = false;
    facts.root_locked = true;
    dmpi_autofree char *old = dmpi_mesh_sshd_config(&mesh.workers[0], &facts);
    assert_null(strstr(old, "PerSourcePenalties"));
    assert_non_null(strstr(old, "UsePAM yes\n"));
}

// Where nothing runs as root, nothing of root's is written, and the member that everybody is logs in.
static void test_unprivileged(void **state)
{
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh;
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh again = {0};
    DMPI_AUTO(dmpi_facts_free) struct dmpi_facts facts;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf tar = DMPI_BUF_INIT_SECRET(DMPI_MESH_TAR_MAX);
    DMPI_AUTO(dmpi_mesh_shared_free) struct dmpi_mesh_shared shared = {0};
    struct dmpi_err err = DMPI_ERR_INIT;

    (void)state;
    make_mesh(&mesh);
    make_facts(&facts);
    mesh.unprivileged = true;
    facts.uid = 1000;
    facts.root_locked = true;
    dmpi_autofree char *sshd = dmpi_mesh_sshd_config(&mesh.workers[0], &facts);
    dmpi_autofree char *ssh = dmpi_mesh_ssh_config(&mesh);
    assert_non_null(strstr(sshd, "AllowUsers dockmpi\nPermitRootLogin no\n"));
    assert_non_null(strstr(sshd, "UsePAM no\n"));
    assert_non_null(strstr(ssh, "    User dockmpi\n"));
    assert_int_equal(dmpi_mesh_share(&shared, &mesh, &err), 0);
    assert_int_equal(dmpi_mesh_tar_launcher(&tar, &shared, &err), 0);
    assert_null(memmem(shared.tar.data, shared.tar.len, "root/", 5));
    assert_null(memmem(tar.data, tar.len, "root/", 5));
    dmpi_json_auto json_t *json = dmpi_mesh_to_json(&mesh);
    dmpi_autofree char *text = dmpi_json_dump(json);
    assert_int_equal(dmpi_mesh_from_json(&again, text, strlen(text), &err), 0);
    assert_true(again.unprivileged);
}

static void test_rank_env(void **state)
{
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh;
    DMPI_AUTO(dmpi_facts_free) struct dmpi_facts facts;

    (void)state;
    make_mesh(&mesh);
    make_facts(&facts);
    dmpi_autofree char *env = dmpi_mesh_rank_env(&mesh.workers[0], &facts);
    assert_string_equal(env, "# Written by dockmpi.\n"
                             "_d_guard='setpriv --pdeathsig KILL --'\n"
                             "[ \"${QUOTED+x}\" ] || export QUOTED='it'\\''s \"it\"'\n"
                             "[ \"${LINES2+x}\" ] || export LINES2='a\nb'\n"
                             "[ \"${GLOO_SOCKET_IFNAME+x}\" ] || export GLOO_SOCKET_IFNAME=ens5\n"
                             "[ \"${NCCL_SOCKET_IFNAME+x}\" ] || export NCCL_SOCKET_IFNAME==ens5\n"
                             "[ \"${UCX_NET_DEVICES+x}\" ] || export "
                             "UCX_NET_DEVICES=mlx5_0:1,ens5\n");
    dmpi_mesh_worker_locate(&mesh.workers[1], &facts); // not an address of that node
    assert_null(mesh.workers[1].iface);
    dmpi_mesh_worker_locate(&mesh.workers[0], &facts);
    assert_string_equal(mesh.workers[0].cidr, "172.31.16.0/20");
    assert_int_equal(mesh.workers[0].mtu, 9001);
    assert_int_equal(mesh.workers[0].cpus, 4);
    assert_true(mesh.workers[0].rdma);
    assert_false(mesh.workers[1].rdma);
}

// A launch agent of the user's own is not guarded: then nothing is.
static void test_guard_facts(void **state)
{
    static const struct {
        const char *said, *env;
        bool can;
    } rows[] = {
        {"guard\n", "HOME=/root", true},
        {"", "HOME=/root", false},
        {"guard\n", "PRTE_MCA_prte_launch_agent=prted", false},
        {"guard\n", "OMPI_MCA_orte_launch_agent=orted", false},
    };

    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        DMPI_AUTO(dmpi_facts_free) struct dmpi_facts facts;
        DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh;
        struct dmpi_err err = DMPI_ERR_INIT;
        dmpi_autofree char *text =
            dmpi_xasprintf("dockmpi: facts 1\n%sbegin env\n%s\nend\ndockmpi: facts end\n",
                           rows[i].said, rows[i].env);

        make_mesh(&mesh);
        assert_int_equal(dmpi_facts_parse(&facts, text, strlen(text), &err), 0);
        assert_int_equal(dmpi_mesh_can_guard(&facts), rows[i].can);
        dmpi_mesh_worker_locate(&mesh.workers[0], &facts);
        assert_int_equal(mesh.workers[0].guard, rows[i].can);
    }
}

static int list_entry(const struct dmpi_tar_entry *entry, void *arg, struct dmpi_err *err)
{
    (void)err;
    dmpi_buf_addf(arg, "%c %04o %d:%d %s\n", entry->type, entry->mode, (int)entry->uid,
                  (int)entry->gid, entry->path);
    return 0;
}

// Of an archive that is in two parts or, where there is nothing shared, in one.
static void assert_listing(const struct dmpi_mesh_shared *shared, const struct dmpi_buf *tar,
                           const char *expected)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf listing = DMPI_BUF_INIT(65536);
    DMPI_AUTO(dmpi_tar_reader_free) struct dmpi_tar_reader reader;
    const struct dmpi_tar_handler handler = {.entry = list_entry, .arg = &listing};
    struct dmpi_err err = DMPI_ERR_INIT;
    size_t before = shared ? shared->tar.len : 0;

    assert_int_equal((before + tar->len) % 10240, 0);
    dmpi_tar_reader_init(&reader, &handler);
    if (shared)
        assert_int_equal(dmpi_tar_reader_feed(&reader, shared->tar.data, before, &err), 0);
    assert_int_equal(dmpi_tar_reader_feed(&reader, tar->data, tar->len, &err), 0);
    assert_true(dmpi_tar_reader_ended(&reader));
    assert_string_equal(dmpi_buf_str(&listing), expected);
}

#define CLIENT_FILES                                                                               \
    "0 0600 0:0 etc/dockmpi/id_ed25519\n"                                                          \
    "0 0600 0:0 etc/dockmpi/daemon_key\n"                                                          \
    "0 0644 0:0 etc/dockmpi/daemon\n"                                                              \
    "0 0600 0:0 etc/dockmpi/known_hosts\n"                                                         \
    "0 0600 0:0 etc/dockmpi/ssh_config\n"                                                          \
    "5 0700 0:0 root/.ssh\n"                                                                       \
    "0 0600 0:0 root/.ssh/config\n"
#define SHARED_FILES CLIENT_FILES "0 0600 0:0 etc/dockmpi/mesh.json\n0 0644 0:0 etc/dockmpi/rank\n"

static void test_tars(void **state)
{
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh;
    DMPI_AUTO(dmpi_facts_free) struct dmpi_facts facts;
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_key host_key;
    const struct dmpi_mesh_local local = {.host_key = &host_key, .facts = &facts};
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf w = DMPI_BUF_INIT_SECRET(DMPI_MESH_TAR_MAX);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf l = DMPI_BUF_INIT_SECRET(DMPI_MESH_TAR_MAX);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf u = DMPI_BUF_INIT_SECRET(DMPI_MESH_TAR_MAX);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf j = DMPI_BUF_INIT_SECRET(DMPI_MESH_TAR_MAX);
    DMPI_AUTO(dmpi_mesh_shared_free) struct dmpi_mesh_shared shared = {0};

    (void)state;
    make_mesh(&mesh);
    make_facts(&facts);
    assert_int_equal(dmpi_key_make(&host_key, &err), 0);
    assert_int_equal(dmpi_mesh_share(&shared, &mesh, &err), 0);
    assert_int_equal(dmpi_mesh_tar_worker(&w, &shared, 0, &local, &err), 0);
    assert_listing(&shared, &w,
                   SHARED_FILES "0 0600 0:0 etc/dockmpi/host_key\n"
                                "0 0600 0:0 etc/dockmpi/sshd_config\n"
                                "0 0600 0:0 etc/dockmpi/env\n"
                                "5 0755 0:0 run/sshd\n"
                                "0 0600 0:0 etc/dockmpi/authorized_keys\n"
                                "0 0644 0:0 etc/dockmpi/index\n"
                                "0 0600 0:0 etc/dockmpi/self.json\n");
    assert_int_equal(dmpi_mesh_tar_launcher(&l, &shared, &err), 0);
    assert_listing(&shared, &l, SHARED_FILES "0 0600 0:0 etc/dockmpi/self.json\n");
    assert_int_equal(dmpi_mesh_tar_update(&u, &shared, 1, &err), 0);
    assert_listing(&shared, &u,
                   SHARED_FILES "0 0600 0:0 etc/dockmpi/authorized_keys\n"
                                "0 0644 0:0 etc/dockmpi/index\n"
                                "0 0600 0:0 etc/dockmpi/self.json\n");
    assert_int_equal(dmpi_mesh_tar_job(&j, &mesh, "worker-0 slots=1\n", "true\n", &err), 0);
    assert_listing(NULL, &j,
                   CLIENT_FILES "0 0644 0:0 etc/dockmpi/rank\n"
                                "0 0644 0:0 etc/dockmpi/index\n"
                                "0 0644 0:0 etc/dockmpi/hostfile\n"
                                "0 0600 0:0 etc/dockmpi/job\n"
                                "0 0644 0:0 etc/dockmpi/end\n"
                                "0 0644 0:0 etc/dockmpi/run-job\n");
    dmpi_buf_clear(&u);
    assert_int_equal(dmpi_mesh_tar_update(&u, &shared, 7, &err), -1);
    assert_int_equal(err.code, DMPI_ENOTFOUND);
}

// What follows "daemon_key" in an archive: a block of header, then the content.
static const char *daemon_key(const struct dmpi_buf *tar)
{
    const char *header = memmem(tar->data, tar->len, "etc/dockmpi/daemon_key", 22);

    assert_non_null(header);
    assert_true((size_t)(header - tar->data) + 512 + 64 <= tar->len);
    return header + 512;
}

// The same in all members and at all times; another cluster has another.
static void test_daemon_key(void **state)
{
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh;
    DMPI_AUTO(dmpi_mesh_shared_free) struct dmpi_mesh_shared shared = {0};
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf job = DMPI_BUF_INIT_SECRET(DMPI_MESH_TAR_MAX);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf other = DMPI_BUF_INIT_SECRET(DMPI_MESH_TAR_MAX);
    struct dmpi_err err = DMPI_ERR_INIT;

    (void)state;
    make_mesh(&mesh);
    assert_int_equal(dmpi_mesh_share(&shared, &mesh, &err), 0);
    assert_int_equal(dmpi_mesh_tar_job(&job, &mesh, "", "", &err), 0);
    assert_memory_equal(daemon_key(&shared.tar), daemon_key(&job), 65); // 64 digits, then nothing
    assert_int_equal(strspn(daemon_key(&job), "0123456789abcdef"), 64);
    mesh.key.seed[0] ^= 1;
    assert_int_equal(dmpi_mesh_tar_job(&other, &mesh, "", "", &err), 0);
    assert_memory_not_equal(daemon_key(&other), daemon_key(&job), 64);
}

// A member's own archive is enough to go on with the cluster.
static void test_from_tar(void **state)
{
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh;
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh back;
    DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh none;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf tar = DMPI_BUF_INIT_SECRET(DMPI_MESH_TAR_MAX);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf job = DMPI_BUF_INIT_SECRET(DMPI_MESH_TAR_MAX);
    DMPI_AUTO(dmpi_mesh_shared_free) struct dmpi_mesh_shared shared = {0};
    struct dmpi_err err = DMPI_ERR_INIT;
    char a[DMPI_SHA256_HEX];
    char b[DMPI_SHA256_HEX];

    (void)state;
    make_mesh(&mesh);
    assert_int_equal(dmpi_mesh_share(&shared, &mesh, &err), 0);
    dmpi_buf_add(&tar, shared.tar.data, shared.tar.len);
    assert_int_equal(dmpi_mesh_tar_launcher(&tar, &shared, &err), 0);
    assert_int_equal(dmpi_mesh_from_tar(&back, tar.data, tar.len, &err), 0);
    dmpi_mesh_digest(&mesh, a);
    dmpi_mesh_digest(&back, b);
    assert_string_equal(a, b);
    assert_memory_equal(&mesh.key, &back.key, sizeof(mesh.key));
    assert_int_equal(dmpi_mesh_tar_job(&job, &mesh, "", "", &err), 0);
    assert_int_equal(dmpi_mesh_from_tar(&none, job.data, job.len, &err), -1);
    assert_int_equal(err.code, DMPI_ENOTFOUND);
}

static void test_self(void **state)
{
    static const char *const bad[] = {
        "", "{}", "[]", "{\"mesh\":\"x\",\"digest\":\"y\",\"role\":\"worker\",\"index\":0}",
        ("{\"mesh\":\"00112233445566778899aabbccddeeff\",\"digest\":\"\",\"role\":\"w\","
         "\"index\":0}")};
    char digest[DMPI_SHA256_HEX];
    struct dmpi_mesh_self self;
    struct dmpi_err err = DMPI_ERR_INIT;

    (void)state;
    memset(digest, 'a', sizeof(digest) - 1);
    digest[sizeof(digest) - 1] = '\0';
    dmpi_autofree char *good =
        dmpi_xasprintf("{\"mesh\":\"00112233445566778899aabbccddeeff\",\"digest\":\"%s\","
                       "\"role\":\"launcher\",\"index\":-1}",
                       digest);
    assert_int_equal(dmpi_mesh_self_parse(&self, good, strlen(good), &err), 0);
    assert_string_equal(self.role, "launcher");
    assert_string_equal(self.digest, digest);
    assert_int_equal(self.index, -1);
    for (size_t i = 0; i < DMPI_ARRAY_LEN(bad); i++)
        assert_int_equal(dmpi_mesh_self_parse(&self, bad[i], strlen(bad[i]), &err), -1);
}

// ORTE and PRRTE do not understand each other.
static void test_generations(void **state)
{
    static const struct {
        int launcher, zero, one;
        const char *says; // NULL: they fit
    } rows[] = {
        {5, 5, 5, NULL},
        {0, 0, 0, NULL},
        {0, 4, 0, NULL},
        {4, 0, 4, NULL},
        {5, 4, 5,
         "worker-0 has Open MPI 4 (image cpu) and the launcher Open MPI 5 (image head): one world"},
        {5, 5, 4, "worker-1 has Open MPI 4 (image cpu) and the launcher Open MPI 5 (image head)"},
        {0, 4, 5, "worker-1 has Open MPI 5 (image cpu) and worker-0 Open MPI 4 (image cpu)"},
    };

    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        DMPI_AUTO(dmpi_mesh_free) struct dmpi_mesh mesh;
        struct dmpi_err err = DMPI_ERR_INIT;

        make_mesh(&mesh);
        mesh.launcher_ompi = rows[i].launcher;
        mesh.workers[0].ompi = rows[i].zero;
        mesh.workers[1].ompi = rows[i].one;
        int rc = dmpi_mesh_check_ompi(&mesh, "head", &err);
        if ((rc == 0) != (rows[i].says == NULL) || (rc != 0 && !strstr(err.msg, rows[i].says)))
            fail_msg("row %zu: %s", i, rc == 0 ? "accepted" : err.msg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generations),
        cmocka_unit_test(test_order_and_drop),
        cmocka_unit_test(test_refused_workers),
        cmocka_unit_test(test_json_round_trip),
        cmocka_unit_test(test_json_refused),
        cmocka_unit_test(test_digest),
        cmocka_unit_test(test_ssh_config),
        cmocka_unit_test(test_sshd_config),
        cmocka_unit_test(test_unprivileged),
        cmocka_unit_test(test_rank_env),
        cmocka_unit_test(test_guard_facts),
        cmocka_unit_test(test_tars),
        cmocka_unit_test(test_daemon_key),
        cmocka_unit_test(test_from_tar),
        cmocka_unit_test(test_self),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
