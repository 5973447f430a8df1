// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/shquote.h"
#include "job/code.h"
#include "job/manifest.h"

static char base[] = "/tmp/dockmpi-test-XXXXXX";

static const char make_files[] =
    "set -e; mkdir -p images/jobs/train dir1 dir2 dir3 train 'odd dir'\n"
    "printf 'program: t.py\\nargs: [\"3\", \"10\"]\\nenv: [A=b]\\nnp: 2\\n"
    "backend_option: --backend\\n' >images/jobs/train/job.yaml\n"
    "echo 'print(1)' >images/jobs/train/t.py\n"
    "echo 'print(1)' >a.py; echo 'echo' >b.sh; echo text >notes.txt; : >empty\n"
    "printf '#!/bin/sh\\n' >tool; cp tool notexec; chmod +x tool; cp /bin/true elf\n"
    "echo 'program: run.sh' >dir1/job.yaml; echo echo >dir1/run.sh\n"
    "echo 'print(1)' >dir2/__main__.py; echo 'program: gone.py' >dir3/job.yaml\n"
    "echo 'print(1)' >'odd dir/x y.py'; mkdir .git && echo x >.git/x\n"
    "ln -s a.py link.py; mkfifo pipe.py\n";

static int make_base(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(base));
    assert_int_equal(chdir(base), 0);
    return system(make_files);
}

static int drop_base(void **state)
{
    (void)state;
    dmpi_autofree char *command = dmpi_xasprintf("rm -rf %s", base);
    assert_int_equal(chdir("/"), 0);
    return system(command);
}

static struct dmpi_strv split(const char *line)
{
    return dmpi_strv_split(line, '|');
}

static void finds(void **state)
{
    (void)state;
    static const struct {
        const char *words;
        bool program;
        const char *backend;
        const char *place; // NULL: nothing is synced
        const char *argv;
    } rows[] = {
        {"a.py|x|b c|$HOME", false, NULL, "a.py", "/py /w/a.py x 'b c' '$HOME'"},
        {"./a.py", false, NULL, "a.py", "/py /w/a.py"},
        {"link.py", false, NULL, "link.py", "/py /w/link.py"},
        {"odd dir/x y.py", false, NULL, "x y.py", "/py '/w/x y.py'"},
        {"b.sh|1", false, NULL, "b.sh", "sh /w/b.sh 1"},
        {"./tool|--flag", false, NULL, "tool", "/w/tool --flag"},
        {"tool", false, NULL, "tool", "/w/tool"},
        {"./elf", false, NULL, "elf", "/w/elf"},
        {"dir1", false, NULL, "dir1", "sh /w/dir1/run.sh"},
        {"dir2/|a", false, NULL, "dir2", "/py /w/dir2/__main__.py a"},
        {"./dir2", false, NULL, "dir2", "/py /w/dir2/__main__.py"},
        {"train", false, NULL, ".dockmpi/train", "/py /w/.dockmpi/train/t.py 3 10"},
        {"train|5", false, "gloo", ".dockmpi/train", "/py /w/.dockmpi/train/t.py --backend gloo 5"},
        {"train|5|--backend=mpi", false, "gloo", ".dockmpi/train",
         "/py /w/.dockmpi/train/t.py 5 --backend=mpi"},
        {"a.py|x", true, NULL, NULL, "a.py x"},
        {"train", true, NULL, NULL, "train"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        struct dmpi_job_code code DMPI_AUTO(dmpi_job_code_free);
        struct dmpi_strv words DMPI_AUTO(dmpi_strv_free) = split(rows[i].words);
        struct dmpi_strv argv DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
        if (dmpi_job_code_find(&code, "images", &words, rows[i].program, &err) < 0 ||
            dmpi_job_code_argv(&argv, &code, "/w", "/py", rows[i].backend, &err) < 0)
            fail_msg("%s: %s", rows[i].words, err.msg);
        dmpi_autofree char *line = dmpi_shquote_argv(&argv);
        assert_string_equal(line, rows[i].argv);
        if (rows[i].place)
            assert_string_equal(code.place, rows[i].place);
        else
            assert_null(code.place);
    }
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *words, *backend, *want;
    } rows[] = {
        {"./gone.py", NULL, "script not found: ./gone.py"},
        {"gone.py", NULL, "script not found: gone.py"},
        {"trian", NULL, "did you mean 'train'? (built-in jobs: train;"},
        {"zzz", NULL, "no built-in job, file or folder is called 'zzz' (built-in jobs: train;"},
        {"notes.txt", NULL, "script without an interpreter: notes.txt"},
        {"empty", NULL, "script without an interpreter: empty"},
        {"notexec", NULL, "notexec is not executable: chmod +x notexec"},
        {"./train", NULL, "neither job.yaml (with `program:`) nor __main__.py"},
        {"dir3", NULL, "dir3/job.yaml: program: there is no dir3/gone.py"},
        {"/", NULL, "is the root folder"},
        {"pipe.py", NULL, "neither a file nor a folder"},
        {"", NULL, "nothing to run"},
        {"a.py", "gloo", "--backend: a.py has no option for it"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        struct dmpi_job_code code DMPI_AUTO(dmpi_job_code_free);
        struct dmpi_strv words DMPI_AUTO(dmpi_strv_free) = split(rows[i].words);
        struct dmpi_strv argv DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
        int rc = dmpi_job_code_find(&code, "images", &words, false, &err);
        if (rc == 0)
            rc = dmpi_job_code_argv(&argv, &code, "/w", NULL, rows[i].backend, &err);
        if (rc == 0)
            fail_msg("%s: not refused", rows[i].words);
        if (!strstr(err.msg, rows[i].want))
            fail_msg("%s: %s", rows[i].words, err.msg);
    }
}

static void job_brings_its_settings(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_job_code code DMPI_AUTO(dmpi_job_code_free);
    struct dmpi_strv words DMPI_AUTO(dmpi_strv_free) = split("train");
    assert_int_equal(dmpi_job_code_find(&code, "images", &words, false, &err), 0);
    assert_int_equal(code.np, 2);
    assert_string_equal(code.env.v[0], "A=b");
    assert_string_equal(code.local, "images/jobs/train");
}

static void manifest_lists_everything(void **state)
{
    (void)state;
    static const char *const want[] = {"d p", "f p/__main__.py", "l p/link", "d p/sub",
                                       "f p/sub/x"};
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_manifest m DMPI_AUTO(dmpi_manifest_free);
    assert_int_equal(system("mkdir -p dir2/sub dir2/.git dir2/__pycache__; ln -s sub dir2/link\n"
                            "printf abc >dir2/sub/x; chmod 640 dir2/sub/x; echo x >dir2/.git/x"),
                     0);
    if (dmpi_manifest_read(&m, "dir2", "p", true, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(m.n, DMPI_ARRAY_LEN(want));
    for (size_t i = 0; i < m.n; i++) {
        char letter = m.v[i].type == '5' ? 'd' : m.v[i].type == '2' ? 'l' : 'f';
        dmpi_autofree char *line = dmpi_xasprintf("%c %s", letter, m.v[i].path);
        assert_string_equal(line, want[i]);
    }
    assert_int_equal(m.files, 2);
    assert_string_equal(m.v[2].link, "sub");
    assert_int_equal(m.v[4].mode, 0640);
    assert_int_equal(m.v[4].size, 3);
    assert_string_equal(m.v[4].sha256, ""); // nobody has asked yet
    assert_string_equal(dmpi_manifest_hash(&m, 4),
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void manifest_refuses_devices(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_manifest m DMPI_AUTO(dmpi_manifest_free);
    assert_int_equal(system("mkdir -p bad && mkfifo bad/pipe"), 0);
    assert_int_equal(dmpi_manifest_read(&m, "bad", "p", true, &err), -1);
    assert_non_null(strstr(err.msg, "p/pipe is a named pipe"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds),
        cmocka_unit_test(refuses),
        cmocka_unit_test(job_brings_its_settings),
        cmocka_unit_test(manifest_lists_everything),
        cmocka_unit_test(manifest_refuses_devices),
    };
    return cmocka_run_group_tests(tests, make_base, drop_base);
}
