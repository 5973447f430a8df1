// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "mesh/facts.h"
#include "spec/script.h"

// Runs an Entrypoint with the given standard input; its output is added to out. Exit code.
static int run(json_t *entrypoint, const char *input, struct dmpi_buf *out)
{
    int in[2], from[2];
    char *argv[8] = {NULL}, chunk[4096];
    for (size_t i = 0; i < json_array_size(entrypoint); i++)
        argv[i] = (char *)json_string_value(json_array_get(entrypoint, i));
    assert_int_equal(pipe(in) | pipe(from), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(in[0], 0);
        dup2(from[1], 1);
        dup2(from[1], 2);
        close(in[1]);
        close(from[0]);
        execv(argv[0], argv);
        _exit(126);
    }
    close(in[0]);
    close(from[1]);
    assert_int_equal(write(in[1], input, strlen(input)), (ssize_t)strlen(input));
    close(in[1]);
    ssize_t n;
    while ((n = read(from[0], chunk, sizeof(chunk))) > 0)
        dmpi_buf_add(out, chunk, (size_t)n);
    close(from[0]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// A client that leaves, or sends what is no tar, must not leave a half-made member behind.
static void not_fed(void **state)
{
    (void)state;
    json_t *scripts[] = {dmpi_script_worker(60, NULL, NULL), dmpi_script_launcher(60),
                         dmpi_script_job()};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(scripts); i++) {
        DMPI_AUTO(dmpi_buf_free) struct dmpi_buf out = DMPI_BUF_INIT(1 << 20);
        assert_int_equal(run(scripts[i], "", &out), DMPI_EXIT_NOT_FED);
        assert_non_null(strstr(dmpi_buf_str(&out), "dockmpi: got no usable files"));
        dmpi_buf_clear(&out);
        char garbage[1025];
        memset(garbage, 'x', 1024);
        garbage[1024] = '\0';
        assert_int_equal(run(scripts[i], garbage, &out), DMPI_EXIT_NOT_FED);
        assert_non_null(strstr(dmpi_buf_str(&out), "dockmpi: got no usable files"));
        json_decref(scripts[i]);
    }
}

static void facts_come_first(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf out = DMPI_BUF_INIT(DMPI_FACTS_MAX);
    DMPI_AUTO(dmpi_facts_free) struct dmpi_facts facts;
    struct dmpi_strv devices = DMPI_STRV_INIT;
    dmpi_strv_add(&devices, "/dev/tty");
    dmpi_strv_add(&devices, "/dev/not there");
    dmpi_json_auto json_t *worker = dmpi_script_worker(0, "/no/sshd", &devices);
    dmpi_strv_free(&devices);
    setenv("DOCKMPI_TEST_MARK", "a b", 1);
    run(worker, "", &out);
    if (dmpi_facts_parse(&facts, dmpi_buf_str(&out), out.len, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(facts.uid, (int)getuid());
    assert_true(facts.cpus > 0);
    struct stat tty;
    assert_int_equal(stat("/dev/tty", &tty), 0);
    dmpi_autofree char *group = dmpi_xasprintf("%u", (unsigned)tty.st_gid);
    assert_int_equal(dmpi_strv_has(&facts.groups, group), tty.st_gid != 0);
    assert_non_null(dmpi_facts_iface(&facts, "127.0.0.1"));
    assert_string_equal(dmpi_strv_env_get(&facts.env, "DOCKMPI_TEST_MARK"), "a b");
}

static void shapes(void **state)
{
    (void)state;
    dmpi_json_auto json_t *worker = dmpi_script_worker(90, "/opt/ss hd", NULL);
    dmpi_json_auto json_t *job = dmpi_script_job();
    assert_int_equal(json_array_size(worker), 6);
    assert_string_equal(json_string_value(json_array_get(worker, 0)), "/bin/sh");
    // The path is an argument and never part of the shell text.
    assert_string_equal(json_string_value(json_array_get(worker, 4)), "90");
    assert_string_equal(json_string_value(json_array_get(worker, 5)), "/opt/ss hd");
    assert_null(strstr(json_string_value(json_array_get(worker, 2)), "ss hd"));
    assert_null(strstr(json_string_value(json_array_get(job, 2)), "facts"));
}

// clang-format off
static const char ttl_sh[] =
#include "spec/ttl.sh.inc"
    ;
// clang-format on

// Runs the functions of ttl.sh with a folder of this test in place of /etc/dockmpi, then the script.
static int run_ttl(const char *dir, const char *script, struct dmpi_buf *out)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT(1 << 16);
    const char *from = ttl_sh;
    for (const char *at; (at = strstr(from, "/etc/dockmpi")); from = at + strlen("/etc/dockmpi")) {
        dmpi_buf_add(&text, from, (size_t)(at - from));
        dmpi_buf_adds(&text, dir);
    }
    dmpi_buf_addf(&text, "%s\ncd %s\n%s", from, dir, script);
    json_t *argv = json_pack("[sss]", "/bin/sh", "-c", dmpi_buf_str(&text));
    int code = run(argv, "", out);
    json_decref(argv);
    return code;
}

// Who writes a later end at the very moment at which the time is found to be over is heeded.
static void ends_or_heeds(void **state)
{
    static const struct {
        const char *script, *says;
    } cases[] = {
        {"ttl=0; keep 99999 false; ls",
         "dockmpi: nobody used this cluster for 0 s: it ends\nend\nending\n"},
        {"mkdir() { command mkdir \"$@\"; [ -e late ] || { echo $((now + 1)) >end; : >late; }; }\n"
         "rmdir() { echo goes on; command rmdir \"$@\"; }\n"
         "ttl=0; keep 99999 false; ls",
         "goes on\ndockmpi: nobody used this cluster for 0 s: it ends\nend\nending\nlate\n"},
        {"ttl=12; later_than_launcher; echo $ttl; ttl=86400; later_than_launcher; echo $ttl",
         "15\n86430\n"},
    };
    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        DMPI_AUTO(dmpi_buf_free) struct dmpi_buf out = DMPI_BUF_INIT(1 << 16);
        char dir[] = "/tmp/dockmpi-test-XXXXXX";
        assert_non_null(mkdtemp(dir));
        assert_int_equal(run_ttl(dir, cases[i].script, &out), 0);
        assert_string_equal(dmpi_buf_str(&out), cases[i].says);
        DMPI_AUTO(dmpi_buf_free) struct dmpi_buf ignored = DMPI_BUF_INIT(1 << 16);
        assert_int_equal(run_ttl(dir, "rm -r \"$PWD\"", &ignored), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(not_fed),
        cmocka_unit_test(ends_or_heeds),
        cmocka_unit_test(facts_come_first),
        cmocka_unit_test(shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
