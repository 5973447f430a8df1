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
#include "spec/profile.h"

static void everything(void **state)
{
    (void)state;
    static const char text[] = "summary: all keys\n"
                               "image: lab/gpu:7\n"
                               "from: cpu\n"
                               "interpreter: /usr/bin/python3\n"
                               "sshd: /opt/sshd\n"
                               "mpirun: /opt/mpirun\n"
                               "shell: /bin/bash\n"
                               "tune: ucx\n"
                               "backend: nccl\n"
                               "env: { A: 1, B: 'x y', C: true, D: }\n"
                               "mpirun_args: [-mca, pml, ucx]\n"
                               "devices: [/dev/kfd, '/dev/a:/dev/b:rw']\n"
                               "groups: [video]\n"
                               "cap_add: [SYS_PTRACE]\n"
                               "security_opt: [seccomp=unconfined]\n"
                               "gpu: nvidia\n"
                               "shm_size: 8G\n"
                               "ipc: private\n"
                               "memlock: unlimited\n"
                               "library_path: [/opt/lib, /usr/local/lib]\n"
                               "launcher: head\n"
                               "launcher_only: true\n"
                               "context: [../../cmd/x, /opt/y]\n"
                               "host_config: { IpcMode: host }\n";
    struct dmpi_err err = DMPI_ERR_INIT;
    DMPI_AUTO(dmpi_profile_free) struct dmpi_profile p;
    if (dmpi_profile_parse(&p, text, strlen(text), "gpu", "image.yaml", &err))
        fail_msg("%s", err.msg);
    assert_string_equal(p.name, "gpu");
    assert_string_equal(p.image, "lab/gpu:7");
    assert_string_equal(p.from, "cpu");
    assert_string_equal(p.interpreter, "/usr/bin/python3");
    assert_string_equal(p.sshd, "/opt/sshd");
    assert_string_equal(p.mpirun, "/opt/mpirun");
    assert_string_equal(p.shell, "/bin/bash");
    assert_string_equal(p.tune, "ucx");
    assert_string_equal(p.backend, "nccl");
    dmpi_autofree char *env = dmpi_strv_join(&p.env, "|");
    assert_string_equal(env, "A=1|B=x y|C=true|D=");
    assert_int_equal(p.mpirun_args.n, 3);
    assert_int_equal(p.devices.n, 2);
    assert_string_equal(p.groups.v[0], "video");
    assert_string_equal(p.cap_add.v[0], "SYS_PTRACE");
    assert_string_equal(p.security_opt.v[0], "seccomp=unconfined");
    assert_int_equal(p.gpu, DMPI_GPU_NVIDIA);
    assert_true(p.memlock == DMPI_MEMLOCK_UNLIMITED);
    assert_false(p.ipc_host);
    assert_int_equal(p.library_path.n, 2);
    assert_string_equal(p.launcher, "head");
    assert_true(p.launcher_only);
    assert_true(p.shm_size == 8LL << 30);
    assert_string_equal(dmpi_json_str(p.host_config, "IpcMode"), "host");
    assert_false(p.build);
    assert_int_equal(p.context.n, 2);
    assert_string_equal(p.context.v[0], "../../cmd/x");
}

static void defaults(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    DMPI_AUTO(dmpi_profile_free) struct dmpi_profile p;
    assert_int_equal(dmpi_profile_parse(&p, "summary: x\n", 11, "mine", "f", &err), 0);
    assert_string_equal(p.image, "dockmpi/mine:latest");
    assert_string_equal(p.shell, "/bin/sh");
    assert_null(p.sshd);
    assert_null(p.interpreter);
    assert_null(p.host_config);
    assert_true(p.shm_size == 0);
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"[a]", "f:1: expected a mapping with keys such as image, not a list"},
        {"image: a\nimge: b\n", "f:2: unknown key 'imge'"},
        {"image: 7\n", "f:1: image: expected a string, not"},
        {"image: 'a b'\n", "f:1: image: 'a b' is not an image reference"},
        {"image: -x\n", "f:1: image: '-x' is not an image reference"},
        {"summary: a\nsshd: sshd\n", "f:2: sshd: expected an absolute path"},
        {"gpu: true\n", "f:1: gpu: expected a string, not"},
        {"gpu: intel\n", "f:1: gpu: 'intel': expected nvidia or amd"},
        {"launcher_only: 1\n", "f:1: launcher_only: expected true or false, not"},
        {"ipc: shareable\n", "f:1: ipc: 'shareable': expected host or private"},
        {"ipc: host\nshm_size: 8G\n", "f:2: shm_size: with ipc: host the size of"},
        {"memlock: much\n", "f:1: memlock: "},
        {"library_path: [lib]\n", "f:1: library_path: 'lib': expected an absolute path"},
        {"library_path: ['/a:/b']\n", "f:1: library_path: '/a:/b': expected an absolute path"},
        {"launcher: ../x\n", "f:1: launcher: image profile"},
        {"devices: /dev/kfd\n", "f:1: devices: expected a list of strings, not"},
        {"devices: [/etc]\n", "f:1: devices: '/etc': expected /dev/..."},
        {"devices:\n- /dev/a\n- 3\n", "f:3: devices[1]: expected a string, not"},
        {"context: [../x/]\n", "f:1: context: '../x/': expected a folder that ends in a name"},
        {"context: [../..]\n", "f:1: context: '../..': expected a folder that ends in a name"},
        {"shm_size: lots\n", "f:1: shm_size: "},
        {"shm_size: 0\n", "f:1: shm_size: expected a size such as 8G"},
        {"env: { 1X: a }\n", "f:1: env.1X: not a name for an environment variable"},
        {"env: { X: 1.5 }\n", "f:1: env.X: expected a string (in quotes), not"},
        {"env: [X]\n", "f:1: env[0]: expected KEY=VALUE"},
        {"host_config: { Binds: [] }\n", "'Binds' is decided by dockmpi"},
        {"host_config: { NetworkMode: none }\n", "'NetworkMode' is decided by dockmpi"},
        {"host_config: { binds: [] }\n", "'binds' is decided by dockmpi"},
        {"host_config: { ulimits: [] }\n", "keys are those of the engine's HostConfig"},
        {"host_config: []\n", "f:1: host_config: expected a mapping, not"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        struct dmpi_profile p;
        if (!dmpi_profile_parse(&p, rows[i].text, strlen(rows[i].text), "x", "f", &err))
            fail_msg("accepted: %s", rows[i].text);
        if (!strstr(err.msg, rows[i].want))
            fail_msg("%s\n%s", rows[i].text, err.msg);
        assert_null(p.name);
    }
}

static void folder(void **state)
{
    (void)state;
    char dir[] = "/tmp/dockmpi-test-XXXXXX";
    struct dmpi_err err = DMPI_ERR_INIT;
    assert_non_null(mkdtemp(dir));
    dmpi_autofree char *make =
        dmpi_xasprintf("cd %s && mkdir g4dn cpu jobs empty && echo 'summary: c' >cpu/image.yaml && "
                       "echo 'summary: g' >g4dn/image.yaml && echo FROM x >g4dn/Dockerfile",
                       dir);
    assert_int_equal(system(make), 0);

    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv names = DMPI_STRV_INIT;
    assert_int_equal(dmpi_profile_list(&names, dir, &err), 0);
    dmpi_autofree char *all = dmpi_strv_join(&names, " ");
    assert_string_equal(all, "cpu g4dn");

    DMPI_AUTO(dmpi_profile_free) struct dmpi_profile cpu, g4dn, none;
    assert_int_equal(dmpi_profile_load(&cpu, dir, "cpu", &err), 0);
    assert_false(cpu.build);
    assert_int_equal(dmpi_profile_load(&g4dn, dir, "g4dn", &err), 0);
    assert_true(g4dn.build);
    assert_true(strncmp(g4dn.dir, dir, strlen(dir)) == 0);

    assert_int_equal(dmpi_profile_load(&none, dir, "g4nd", &err), -1);
    assert_int_equal(err.code, DMPI_ENOTFOUND);
    assert_string_equal(err.msg,
                        "no image profile 'g4nd': did you mean 'g4dn'? (there are: cpu, g4dn)");
    assert_int_equal(dmpi_profile_load(&none, dir, "tensorflow", &err), -1);
    assert_string_equal(err.msg, "no image profile 'tensorflow': there are: cpu, g4dn");
    assert_int_equal(dmpi_profile_load(&none, dir, "../cpu", &err), -1);
    assert_int_equal(err.code, DMPI_EINVAL);

    setenv("DOCKMPI_IMAGES", dir, 1);
    dmpi_autofree char *found = NULL;
    assert_int_equal(dmpi_images_dir(&found, &err), 0);
    assert_string_equal(found, dir);
    dmpi_autofree char *rm = dmpi_xasprintf("rm -rf %s", dir);
    assert_int_equal(system(rm), 0);
    char *gone = NULL;
    assert_int_equal(dmpi_images_dir(&gone, &err), -1);
    assert_non_null(strstr(err.msg, "DOCKMPI_IMAGES"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything),
        cmocka_unit_test(defaults),
        cmocka_unit_test(refuses),
        cmocka_unit_test(folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
