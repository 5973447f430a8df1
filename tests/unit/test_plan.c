// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "spec/given.h"
#include "spec/plan.h"

static char images[] = "/tmp/dockmpi-test-XXXXXX";

static int make_images(void **state)
{
    (void)state;
    if (!mkdtemp(images))
        return -1;
    dmpi_autofree char *make = dmpi_xasprintf(
        "cd %s && mkdir launcher cpu gpu head && echo 'summary: l' >launcher/image.yaml && "
        "echo 'env: { A: profile, B: profile }' >cpu/image.yaml && "
        "echo 'launcher_only: true' >head/image.yaml && cat >gpu/image.yaml <<'E'\n"
        "image: lab/gpu:1\n"
        "gpu: nvidia\n"
        "devices: [/dev/kfd, '/dev/x:/dev/y:r']\n"
        "groups: [video, '44']\n"
        "cap_add: [SYS_PTRACE]\n"
        "security_opt: [seccomp=unconfined]\n"
        "shm_size: 8G\n"
        "host_config: { IpcMode: host, Ulimits: [{ Name: memlock, Soft: -1, Hard: -1 }] }\n"
        "E\n",
        images);
    return system(make);
}

static int remove_images(void **state)
{
    (void)state;
    dmpi_autofree char *rm = dmpi_xasprintf("rm -rf %s", images);
    return system(rm);
}

static int try_plan(struct dmpi_plan *plan, const char *text, struct dmpi_flags flags,
                    struct dmpi_err *err)
{
    struct dmpi_spec spec;
    struct dmpi_endpoint local;
    assert_int_equal(dmpi_endpoint_parse(&local, "unix:///local.sock", err), 0);
    flags.file = text ? "c.yaml" : NULL;
    if (dmpi_spec_make_text(&spec, &flags, text, text ? strlen(text) : 0, &local, err))
        fail_msg("%s", err->msg);
    int rc = dmpi_plan_make(plan, &spec, images, err);
    dmpi_spec_free(&spec);
    dmpi_endpoint_free(&local);
    return rc;
}

static struct dmpi_plan plan_of(const char *text, struct dmpi_flags flags)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_plan plan;
    if (try_plan(&plan, text, flags, &err))
        fail_msg("%s", err.msg);
    return plan;
}

#define FLAGS(...) ((struct dmpi_flags){__VA_ARGS__})

static void members(void **state)
{
    (void)state;
    static const char text[] =
        "name: lab\n"
        "launcher: { node: b }\n"
        "nodes:\n"
        "- { name: a, docker: ssh://a, addr: 10.0.0.1, slots: 4, workers: 2 }\n"
        "- { name: b, docker: ssh://b, image: 'cpu:1,gpu:1' }\n";
    DMPI_AUTO(dmpi_plan_free) struct dmpi_plan plan = plan_of(text, FLAGS(.name = NULL));
    static const struct {
        const char *container, *alias, *profile, *addr;
        enum dmpi_role role;
        int index, slots;
        size_t node;
    } want[] = {
        {"dockmpi-lab-launcher", "launcher", "launcher", NULL, DMPI_LAUNCHER, 0, 0, 1},
        {"dockmpi-lab-worker-0", "worker-0", "cpu", "10.0.0.1", DMPI_WORKER, 0, 4, 0},
        {"dockmpi-lab-worker-1", "worker-1", "cpu", "10.0.0.1", DMPI_WORKER, 1, 4, 0},
        {"dockmpi-lab-worker-2", "worker-2", "cpu", NULL, DMPI_WORKER, 2, 1, 1},
        {"dockmpi-lab-worker-3", "worker-3", "gpu", NULL, DMPI_WORKER, 3, 1, 1},
    };
    assert_int_equal(plan.n, DMPI_ARRAY_LEN(want));
    assert_int_equal(plan.n_profiles, 3);
    for (size_t i = 0; i < plan.n; i++) {
        const struct dmpi_plan_member *m = &plan.members[i];
        assert_string_equal(m->container, want[i].container);
        assert_string_equal(m->alias, want[i].alias);
        assert_string_equal(m->profile->name, want[i].profile);
        assert_int_equal(m->role, want[i].role);
        assert_int_equal(m->index, want[i].index);
        assert_int_equal(m->slots, want[i].slots);
        assert_int_equal(m->node, want[i].node);
        if (want[i].addr)
            assert_string_equal(m->addr, want[i].addr);
        else
            assert_null(m->addr);
    }
}

static void worker_body(void **state)
{
    (void)state;
    struct dmpi_flags flags = {.workers = "1", .name = "a.b"};
    dmpi_strv_add(&flags.env, "B=user");
    dmpi_strv_add(&flags.volumes, "/data:/data:ro");
    DMPI_AUTO(dmpi_plan_free) struct dmpi_plan plan = plan_of(NULL, flags);
    const json_t *body = plan.members[1].create;
    dmpi_autofree char *env = dmpi_json_dump(json_object_get(body, "Env"));
    assert_string_equal(env, "[\"A=profile\",\"B=user\"]");
    assert_string_equal(dmpi_json_str(body, "Image"), "dockmpi/cpu:latest");
    assert_string_equal(dmpi_json_str(body, "User"), "root");
    assert_string_equal(dmpi_json_str(body, "WorkingDir"), "/work");
    // No dots, and never an alias: Open MPI cuts names at dots and runs locally what it takes for itself.
    assert_string_equal(dmpi_json_str(body, "Hostname"), "dockmpi-a-b-worker-0");
    assert_true(dmpi_json_bool(body, "OpenStdin", false));
    assert_true(dmpi_json_bool(body, "StdinOnce", false));
    assert_false(dmpi_json_bool(body, "Tty", true));
    dmpi_autofree char *hc = dmpi_json_dump(json_object_get(body, "HostConfig"));
    assert_string_equal(hc, "{\"Binds\":[\"/data:/data:ro\"],"
                            "\"CapAdd\":[\"AUDIT_WRITE\",\"SYS_CHROOT\",\"CHOWN\",\"DAC_OVERRIDE\","
                            "\"FOWNER\",\"KILL\",\"SETGID\",\"SETUID\"],"
                            "\"CapDrop\":[\"ALL\"],\"Init\":true,\"LogConfig\":{\"Config\":"
                            "{\"max-file\":\"2\",\"max-size\":\"10m\"},\"Type\":\"json-file\"},"
                            "\"NetworkMode\":\"host\",\"SecurityOpt\":[\"no-new-privileges\"],"
                            "\"ShmSize\":1073741824,\"Tmpfs\":"
                            "{\"/etc/dockmpi\":\"mode=0700,size=16m\"}}");
    const json_t *labels = dmpi_json_obj(body, "Labels");
    static const char *const want[][2] = {
        {DMPI_LABEL_CLUSTER, "a.b"},   {DMPI_LABEL_ROLE, "worker"}, {DMPI_LABEL_INDEX, "0"},
        {DMPI_LABEL_NODE, "local"},    {DMPI_LABEL_SLOTS, "1"},     {DMPI_LABEL_PROFILE, "cpu"},
        {DMPI_LABEL_ADDR, "127.0.0.1"}};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(want); i++)
        assert_string_equal(dmpi_json_str(labels, want[i][0]), want[i][1]);
    assert_string_equal(dmpi_json_str(labels, DMPI_LABEL_SPEC), plan.members[1].spec_hash);
    assert_int_equal(strlen(plan.members[1].spec_hash), 16);
    dmpi_strv_free(&flags.env);
    dmpi_strv_free(&flags.volumes);
}

static void hardware(void **state)
{
    (void)state;
    static const char text[] = "nodes: [{ name: a, image: gpu, options: { NanoCpus: 7 } }]\n";
    DMPI_AUTO(dmpi_plan_free) struct dmpi_plan plan = plan_of(text, FLAGS(.name = NULL));
    dmpi_autofree char *hc = dmpi_json_dump(json_object_get(plan.members[1].create, "HostConfig"));
    assert_string_equal(
        hc, "{\"CapAdd\":[\"AUDIT_WRITE\",\"SYS_CHROOT\",\"CHOWN\",\"DAC_OVERRIDE\",\"FOWNER\","
            "\"KILL\",\"SETGID\","
            "\"SETUID\",\"SYS_PTRACE\"],\"CapDrop\":[\"ALL\"],\"DeviceRequests\":[{"
            "\"Capabilities\":[[\"gpu\"]],"
            "\"Count\":-1,\"DeviceIDs\":null,\"Driver\":\"\",\"Options\":{}}],\"Devices\":[{"
            "\"CgroupPermissions\":\"rwm\","
            "\"PathInContainer\":\"/dev/kfd\",\"PathOnHost\":\"/dev/kfd\"},{\"CgroupPermissions\":"
            "\"r\",\"PathInContainer\":\"/dev/y\",\"PathOnHost\":\"/dev/x\"}],\"GroupAdd\":"
            "[\"video\",\"44\"],\"Init\":true,\"IpcMode\":\"host\",\"LogConfig\":{\"Config\":"
            "{\"max-file\":\"2\",\"max-size\":\"10m\"},\"Type\":\"json-file\"},\"NanoCpus\":7,"
            "\"NetworkMode\":\"host\",\"SecurityOpt\":[\"no-new-privileges\",\"seccomp="
            "unconfined\"],\"Tmpfs\":"
            "{\"/etc/dockmpi\":\"mode=0700,size=16m\"},\"Ulimits\":[{\"Hard\":-1,\"Name\":"
            "\"memlock\",\"Soft\":-1}]}");
}

// Workers that share a node's GPUs know of each other, and are others without.
static void gpu_workers(void **state)
{
    (void)state;
    static const char text[] = "nodes:\n- { name: a, docker: ssh://a, image: 'gpu:2,cpu:1' }\n"
                               "- { name: b, docker: ssh://b, image: gpu }\n";
    static const char lone[] = "nodes:\n- { name: a, docker: ssh://a, image: 'gpu:1,cpu:1' }\n"
                               "- { name: b, docker: ssh://b, image: gpu }\n";
    static const char *const want[] = {NULL, "0/2", "1/2", NULL, NULL};
    DMPI_AUTO(dmpi_plan_free) struct dmpi_plan plan = plan_of(text, FLAGS(.name = NULL));
    DMPI_AUTO(dmpi_plan_free) struct dmpi_plan one = plan_of(lone, FLAGS(.name = NULL));
    assert_int_equal(plan.n, DMPI_ARRAY_LEN(want));
    for (size_t i = 0; i < plan.n; i++) {
        const json_t *labels = dmpi_json_obj(plan.members[i].create, "Labels");
        const char *got = dmpi_json_str(labels, DMPI_LABEL_GPUS);
        if (!got != !want[i] || (got && strcmp(got, want[i]) != 0))
            fail_msg("member %zu: %s", i, got ? got : "none");
    }
    assert_false(plan.members[1].slots_given);
    assert_string_not_equal(plan.members[1].spec_hash, one.members[1].spec_hash);
    DMPI_AUTO(dmpi_plan_free)
    struct dmpi_plan given = plan_of(text, FLAGS(.name = NULL, .slots = "1"));
    assert_true(given.members[1].slots_given);
}

// Same wish, same hash; any difference that the container would feel, another one.
static void hashes(void **state)
{
    (void)state;
    DMPI_AUTO(dmpi_plan_free) struct dmpi_plan a = plan_of(NULL, FLAGS(.workers = "2"));
    DMPI_AUTO(dmpi_plan_free) struct dmpi_plan b = plan_of(NULL, FLAGS(.workers = "3"));
    DMPI_AUTO(dmpi_plan_free) struct dmpi_plan c = plan_of(NULL, FLAGS(.shm_size = "2G"));
    DMPI_AUTO(dmpi_plan_free) struct dmpi_plan t = plan_of(NULL, FLAGS(.ttl = "12h"));
    DMPI_AUTO(dmpi_plan_free) struct dmpi_plan d = plan_of("name: default\n", FLAGS(.name = NULL));
    assert_string_equal(a.members[1].spec_hash, b.members[1].spec_hash);
    assert_string_not_equal(a.members[1].spec_hash, a.members[2].spec_hash);
    assert_string_not_equal(a.members[1].spec_hash, c.members[1].spec_hash);
    assert_string_not_equal(a.members[1].spec_hash, t.members[1].spec_hash);
    const json_t *of_t = t.members[1].create;
    assert_true(dmpi_json_bool(dmpi_json_obj(of_t, "HostConfig"), "AutoRemove", false));
    assert_string_equal(dmpi_json_str(dmpi_json_obj(of_t, "Labels"), DMPI_LABEL_TTL), "43200");
    // Who defines the cluster is in the labels, and no reason to replace a container.
    assert_string_equal(a.members[1].spec_hash, d.members[1].spec_hash);
    const json_t *la = dmpi_json_obj(a.members[1].create, "Labels");
    const json_t *ld = dmpi_json_obj(d.members[1].create, "Labels");
    assert_string_not_equal(dmpi_json_str(la, DMPI_LABEL_ORIGIN),
                            dmpi_json_str(ld, DMPI_LABEL_ORIGIN));
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"nodes: [{ name: a, image: cpuu }]\n",
         "node a: no image profile 'cpuu': did you mean 'cpu'?"},
        {"nodes: [{ name: a, image: head }]\n",
         "node a: image profile 'head' is for launchers only"},
        {"launcher: { image: lost }\n", "launcher: no image profile 'lost'"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        struct dmpi_plan plan;
        assert_int_equal(try_plan(&plan, rows[i].text, FLAGS(.name = NULL), &err), -1);
        if (strncmp(err.msg, rows[i].want, strlen(rows[i].want)) != 0)
            fail_msg("got: %s\nwant: %s", err.msg, rows[i].want);
        assert_null(plan.members);
    }
}

// What is other than when a container was made. What it says itself may be anything.
static void says_which_options_changed(void **state)
{
    (void)state;
    static const struct {
        const char *before, *now, *want; // want NULL: not known, or nothing
    } rows[] = {
        {"volume:aaaaaaaa user:bbbbbbbb", "-", "--volume, --user: not given this time"},
        {"env:aaaaaaaa ttl:cccccccc", "env:bbbbbbbb ports:dddddddd",
         "--ttl: not given this time; --env: other than before; --ports: not given before"},
        {"env:aaaaaaaa", "env:aaaaaaaa", NULL},
        {"-", "-", NULL},
        {"", "env:aaaaaaaa", NULL},
        {NULL, "env:aaaaaaaa", NULL},
        {"env:", "env:aaaaaaaa", "--env: other than before"},
        {"xenv:aaaaaaaa env", "-", NULL},
        {"\033[2Jenv:aaaaaaaa evil:aaaaaaaa", "-", NULL},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        dmpi_autofree char *got = dmpi_given_changes(rows[i].before, rows[i].now);
        if (strcmp(got ? got : "", rows[i].want ? rows[i].want : "") != 0)
            fail_msg("row %zu: %s", i, got ? got : "nothing");
    }
    struct dmpi_strv volumes DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    dmpi_strv_add(&volumes, "/data:/data:ro");
    const struct dmpi_flags plain = {.workers = "1"};
    const struct dmpi_flags rich = {
        .workers = "1", .volumes = volumes, .workdir = "/srv", .run_as = "7", .shm_size = "1g"};
    const struct dmpi_flags *const flags[] = {&plain, &rich};
    char *labels[2] = {0};
    for (size_t i = 0; i < 2; i++) {
        struct dmpi_spec spec DMPI_AUTO(dmpi_spec_free) = {0};
        struct dmpi_err err = DMPI_ERR_INIT;
        assert_int_equal(dmpi_spec_make(&spec, flags[i], &err), 0);
        labels[i] = dmpi_given_label(&spec);
    }
    assert_string_equal(labels[0], "-");
    dmpi_autofree char *changes = dmpi_given_changes(labels[1], labels[0]);
    assert_string_equal(changes, "--volume, --shm-size, --workdir, --user: not given this time");
    free(labels[0]);
    free(labels[1]);
}

static void names(void **state)
{
    (void)state;
    char long_name[64];
    enum dmpi_role role;
    static const char *const words[] = {"launcher", "worker", "job"};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(words); i++) {
        assert_int_equal(dmpi_role_parse(&role, words[i]), 0);
        assert_string_equal(dmpi_role_name(role), words[i]);
    }
    assert_int_equal(dmpi_role_parse(&role, "boss"), -1);
    assert_int_equal(dmpi_role_parse(&role, NULL), -1);
    memset(long_name, 'n', sizeof(long_name) - 1);
    long_name[63] = '\0';
    DMPI_AUTO(dmpi_plan_free)
    struct dmpi_plan plan = plan_of(NULL, FLAGS(.name = long_name, .workers = "11"));
    const char *host = dmpi_json_str(plan.members[11].create, "Hostname");
    assert_int_equal(strlen(host), 63);
    assert_string_equal(host + 63 - strlen("-worker-10"), "-worker-10");
}

static void plan_json(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_spec spec;
    struct dmpi_endpoint local;
    struct dmpi_flags flags = {.workers = "1"};
    DMPI_AUTO(dmpi_plan_free) struct dmpi_plan plan;
    assert_int_equal(dmpi_endpoint_parse(&local, "unix:///local.sock", &err), 0);
    assert_int_equal(dmpi_spec_make_text(&spec, &flags, NULL, 0, &local, &err), 0);
    assert_int_equal(dmpi_plan_make(&plan, &spec, images, &err), 0);
    dmpi_json_auto json_t *out = dmpi_plan_json(&plan, &spec);
    assert_string_equal(dmpi_json_str(out, "cluster"), "default");
    dmpi_autofree char *nodes = dmpi_json_dump(json_object_get(out, "nodes"));
    assert_string_equal(nodes, "[{\"addr\":\"127.0.0.1\",\"docker\":\"unix:///local.sock\","
                               "\"launcher\":true,\"name\":\"local\",\"workers\":1}]");
    const json_t *worker = json_array_get(json_object_get(out, "members"), 1);
    assert_string_equal(dmpi_json_str(worker, "container"), "dockmpi-default-worker-0");
    assert_null(json_object_get(json_object_get(worker, "create"), "Entrypoint"));
    assert_non_null(json_object_get(plan.members[1].create, "Entrypoint"));
    dmpi_spec_free(&spec);
    dmpi_endpoint_free(&local);
}

static void check_job(const json_t *body)
{
    const json_t *labels = dmpi_json_obj(body, "Labels"), *hc = dmpi_json_obj(body, "HostConfig");
    assert_string_equal(dmpi_json_str(labels, DMPI_LABEL_ROLE), "job");
    assert_string_equal(dmpi_json_str(labels, DMPI_LABEL_JOB), "abc");
    assert_string_equal(dmpi_json_str(labels, DMPI_LABEL_INDEX), "3");
    assert_string_equal(dmpi_json_str(labels, DMPI_LABEL_RANKS), "8");
    assert_string_equal(dmpi_json_str(labels, DMPI_LABEL_PROGRAM), "train.py 3");
    assert_string_equal(dmpi_json_str(labels, DMPI_LABEL_NODE), "local");
    assert_non_null(dmpi_json_str(labels, DMPI_LABEL_ORIGIN));
    assert_int_equal(strlen(dmpi_json_str(labels, DMPI_LABEL_SPEC)), 16);
    assert_string_equal(dmpi_json_str(body, "Hostname"), "dockmpi-default-job-3");
    assert_string_equal(dmpi_json_str(hc, "NetworkMode"), "host");
    assert_true(dmpi_json_bool(hc, "Init", false));
    assert_non_null(dmpi_json_str(dmpi_json_obj(hc, "Tmpfs"), "/etc/dockmpi"));
    dmpi_autofree char *log = dmpi_json_dump(json_object_get(hc, "LogConfig"));
    assert_string_equal(log, "{\"Config\":{\"max-size\":\"1000p\"},\"Type\":\"json-file\"}");
}

static void job_from_plan(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_flags flags = {.workdir = "/w"};
    dmpi_strv_add(&flags.volumes, "/d:/d");
    dmpi_strv_add(&flags.env, "A=1");
    DMPI_AUTO(dmpi_plan_free) struct dmpi_plan plan = plan_of(NULL, flags);
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv env = DMPI_STRV_INIT;
    dmpi_strv_add(&env, "A=2");
    struct dmpi_plan_job job = {.launcher = plan.members[0].create,
                                .cluster = "default",
                                .index = 3,
                                .job = "abc",
                                .program = "train.py 3",
                                .ranks = 8,
                                .restarts = 2,
                                .env = &env};
    dmpi_json_auto json_t *body = NULL;
    assert_int_equal(dmpi_plan_job(&body, &job, &err), 0);
    check_job(body);
    const json_t *labels = dmpi_json_obj(body, "Labels");
    assert_string_equal(dmpi_json_str(labels, DMPI_LABEL_RESTARTS), "2");
    assert_string_equal(dmpi_json_str(body, "Image"), "dockmpi/launcher:latest");
    assert_string_equal(dmpi_json_str(body, "WorkingDir"), "/w");
    dmpi_autofree char *got = dmpi_json_dump(json_object_get(body, "Env"));
    assert_string_equal(got, "[\"A=2\"]");
    dmpi_autofree char *binds =
        dmpi_json_dump(json_object_get(json_object_get(body, "HostConfig"), "Binds"));
    assert_string_equal(binds, "[\"/d:/d\"]");
    dmpi_strv_free(&flags.volumes);
    dmpi_strv_free(&flags.env);
}

static void job_from_inspect(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    DMPI_AUTO(dmpi_plan_free) struct dmpi_plan plan = plan_of(NULL, FLAGS(.name = NULL));
    // The engine's answer: the same, below Config, with its own defaults filled in.
    dmpi_json_auto json_t *inspect = dmpi_json_new_obj();
    json_t *hc = json_deep_copy(json_object_get(plan.members[0].create, "HostConfig"));
    dmpi_json_set_str(inspect, "Image", "sha256:0123");
    dmpi_json_set(inspect, "Config", json_deep_copy(plan.members[0].create));
    dmpi_json_set(hc, "CapDrop", json_null());
    dmpi_json_set(hc, "ConsoleSize", json_pack("[i, i]", 0, 0));
    dmpi_json_set(hc, "Privileged", json_false());
    dmpi_json_set(hc, "Cgroup", dmpi_json_new_str(""));
    dmpi_json_set(hc, "Dns", dmpi_json_new_arr());
    dmpi_json_set(hc, "MaskedPaths", dmpi_json_new_arr());
    dmpi_json_set(hc, "NanoCpus", json_integer(7));
    dmpi_json_set(inspect, "HostConfig", hc);
    struct dmpi_plan_job job = {.launcher = inspect,
                                .cluster = "default",
                                .index = 3,
                                .job = "abc",
                                .program = "train.py 3",
                                .ranks = 8,
                                .workdir = "/there"};
    dmpi_json_auto json_t *body = NULL;
    assert_int_equal(dmpi_plan_job(&body, &job, &err), 0);
    check_job(body);
    assert_string_equal(dmpi_json_str(body, "Image"), "sha256:0123");
    assert_string_equal(dmpi_json_str(body, "WorkingDir"), "/there");
    const json_t *got = dmpi_json_obj(body, "HostConfig");
    static const char *const gone[] = {"CapDrop", "ConsoleSize", "Privileged", "Cgroup", "Dns"};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(gone); i++)
        assert_null(json_object_get(got, gone[i]));
    assert_int_equal(dmpi_json_int(got, "NanoCpus", 0), 7);
    assert_non_null(dmpi_json_arr(got, "MaskedPaths"));

    json_t *none = NULL;
    job.launcher = got;
    assert_int_equal(dmpi_plan_job(&none, &job, &err), -1);
    assert_int_equal(err.code, DMPI_EPARSE);
    assert_null(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members),
        cmocka_unit_test(worker_body),
        cmocka_unit_test(hardware),
        cmocka_unit_test(hashes),
        cmocka_unit_test(gpu_workers),
        cmocka_unit_test(refuses),
        cmocka_unit_test(says_which_options_changed),
        cmocka_unit_test(names),
        cmocka_unit_test(plan_json),
        cmocka_unit_test(job_from_plan),
        cmocka_unit_test(job_from_inspect),
    };
    return cmocka_run_group_tests(tests, make_images, remove_images);
}
