// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "spec/jobspec.h"

static void everything(void **state)
{
    (void)state;
    static const char text[] = "program: train.py\n"
                               "summary: trains\n"
                               "usage: EPOCHS SAVE_EVERY\n"
                               "args: ['3', '10']\n"
                               "env: [A=b]\n"
                               "np: 2\n"
                               "backend_option: --backend\n";
    struct dmpi_err err = DMPI_ERR_INIT;
    DMPI_AUTO(dmpi_jobspec_free) struct dmpi_jobspec job;
    if (dmpi_jobspec_parse(&job, text, strlen(text), "ddp", "job.yaml", &err))
        fail_msg("%s", err.msg);
    assert_string_equal(job.name, "ddp");
    assert_string_equal(job.program, "train.py");
    assert_string_equal(job.summary, "trains");
    assert_string_equal(job.usage, "EPOCHS SAVE_EVERY");
    assert_int_equal(job.args.n, 2);
    assert_string_equal(job.env.v[0], "A=b");
    assert_int_equal(job.np, 2);
    assert_string_equal(job.backend_option, "--backend");
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"summary: x\n", "f:1: program: missing"},
        {"program: ../x.py\n", "f:1: program: expected a file inside the job's folder"},
        {"program: /x.py\n", "f:1: program: expected a file inside the job's folder"},
        {"program: x.py\nfolder: ../x\n", "f:2: folder: expected the name of another built-in job"},
        {"program: x.py\nnp: 0\n", "f:2: np: 0: at least 1"},
        {"program: x.py\nnp: two\n", "f:2: np: expected a whole number, not"},
        {"program: x.py\nprograms: y\n", "f:2: unknown key 'programs'"},
        {"- program\n", "f:1: expected a mapping"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        struct dmpi_jobspec job;
        assert_int_equal(
            dmpi_jobspec_parse(&job, rows[i].text, strlen(rows[i].text), "x", "f", &err), -1);
        if (!strstr(err.msg, rows[i].want))
            fail_msg("%s\n%s", rows[i].text, err.msg);
        assert_null(job.name);
    }
}

static void folder(void **state)
{
    (void)state;
    char dir[] = "/tmp/dockmpi-test-XXXXXX";
    struct dmpi_err err = DMPI_ERR_INIT;
    assert_non_null(mkdtemp(dir));
    dmpi_autofree char *make = dmpi_xasprintf(
        "cd %s && mkdir -p jobs/ring jobs/twin && echo 'program: ring.py' >jobs/ring/job.yaml && "
        "printf 'program: ring.py\\nfolder: ring\\n' >jobs/twin/job.yaml",
        dir);
    assert_int_equal(system(make), 0);
    DMPI_AUTO(dmpi_jobspec_free) struct dmpi_jobspec job, twin, none;
    assert_int_equal(dmpi_jobspec_load(&job, dir, "ring", &err), 0);
    assert_string_equal(job.program, "ring.py");
    assert_int_equal(dmpi_jobspec_load(&twin, dir, "twin", &err), 0);
    assert_string_equal(twin.name, "twin");
    assert_string_equal(twin.dir, job.dir);
    assert_int_equal(dmpi_jobspec_load(&none, dir, "rung", &err), -1);
    assert_int_equal(err.code, DMPI_ENOTFOUND);
    assert_string_equal(err.msg,
                        "no built-in job 'rung': did you mean 'ring'? (there are: ring, twin)");
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv names = DMPI_STRV_INIT;
    assert_int_equal(dmpi_jobspec_list(&names, dir, &err), 0);
    assert_int_equal(names.n, 2);
    dmpi_autofree char *rm = dmpi_xasprintf("rm -rf %s", dir);
    assert_int_equal(system(rm), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything),
        cmocka_unit_test(refuses),
        cmocka_unit_test(folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
