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
#include <unistd.h>

#include "base/mem.h"
#include "transport/ssh_config.h"

static void takes_what_ssh_says(void **state)
{
    (void)state;
    struct dmpi_ssh_config c = {.port = 22};
    setenv("SSH_AUTH_SOCK", "/run/agent", 1);
    dmpi_ssh_config_parse(&c, "user ubuntu\nhostname 10.0.0.7\nport 2222\nproxyjump a@b:1,c\n"
                              "proxycommand none\nidentitiesonly yes\nidentityfile /dev/null\n"
                              "identityfile /dev/null\nidentityfile /no/such/key\n"
                              "userknownhostsfile /a /b\nglobalknownhostsfile /c none\n"
                              "hostkeyalias fleet\nidentityagent SSH_AUTH_SOCK\nodd\nport 99999\n");
    assert_string_equal(c.user, "ubuntu");
    assert_string_equal(c.host, "10.0.0.7");
    assert_int_equal(c.port, 2222);
    assert_string_equal(c.proxy_jump, "a@b:1,c");
    assert_null(c.proxy_command);
    assert_true(c.identities_only);
    assert_int_equal(c.identities.n, 1);
    dmpi_autofree char *files = dmpi_strv_join(&c.known_hosts, " ");
    assert_string_equal(files, "/a /b /c");
    assert_string_equal(c.host_key_alias, "fleet");
    assert_string_equal(c.agent, "/run/agent");
    dmpi_ssh_config_parse(&c, "identityagent none\n");
    assert_null(c.agent);
    dmpi_ssh_config_free(&c);
}

static void expands_tokens(void **state)
{
    (void)state;
    static const struct {
        const char *command, *expanded;
    } cases[] = {
        {"nc %h %p", "nc 10.0.0.7 2222"},
        {"aws ssm --target %n --user %r 100%%", "aws ssm --target web --user ubuntu 100%"},
        {"plain", "plain"},
        {"odd %C", NULL},
        {"end %", NULL},
    };
    char given[] = "web", host[] = "10.0.0.7", user[] = "ubuntu";
    struct dmpi_ssh_config c = {.given = given, .host = host, .user = user, .port = 2222};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        dmpi_autofree char *text = dmpi_ssh_config_expand(&c, cases[i].command);
        if (cases[i].expanded)
            assert_string_equal(text, cases[i].expanded);
        else
            assert_null(text);
    }
}

/* A command that is cut is another command. */
static void too_much_is_refused_and_not_cut(void **state)
{
    (void)state;
    struct dmpi_ssh_config c = {.port = 22};
    dmpi_autofree char *many = dmpi_xmalloc(70001);
    memset(many, 'x', 70000);
    many[70000] = '\0';
    assert_null(dmpi_ssh_config_expand(&c, many));
    char path[] = "/tmp/dockmpi-test-XXXXXX";
    int fd = mkstemp(path);
    static const char script[] = "#!/bin/sh\necho proxycommand safe\nyes 'identityfile /a' | "
                                 "head -n 30000\necho proxycommand none\n";
    assert_int_equal(write(fd, script, sizeof(script) - 1), sizeof(script) - 1);
    assert_int_equal(fchmod(fd, 0700), 0);
    close(fd);
    char host[] = "h.example";
    struct dmpi_endpoint ep = {.scheme = DMPI_SSH, .host = host};
    struct dmpi_err err;
    setenv("DOCKMPI_SSH", path, 1);
    assert_int_equal(dmpi_ssh_config_load(&c, &ep, NULL, &err), -1);
    assert_non_null(strstr(err.msg, "-G h.example prints more than 256 KiB"));
    dmpi_ssh_config_free(&c);
    unlink(path);
}

/* ssh -G prints it as the user wrote it. */
static void identity_files_with_tokens(void **state)
{
    (void)state;
    char home[] = "/tmp/dockmpi-test-XXXXXX";
    assert_non_null(mkdtemp(home));
    dmpi_autofree char *key = dmpi_xasprintf("%s/10.0.0.7-ubuntu", home);
    FILE *f = fopen(key, "w");
    assert_non_null(f);
    fclose(f);
    setenv("HOME", home, 1);
    struct dmpi_ssh_config c = {.port = 22};
    dmpi_ssh_config_parse(&c, "user ubuntu\nhostname 10.0.0.7\nidentityfile ~/%h-%r\n"
                              "identityfile %d/%h-%r\nidentityfile /odd/%C\n");
    assert_int_equal(c.identities.n, 1);
    assert_string_equal(c.identities.v[0], key);
    assert_null(c.beyond);
    dmpi_ssh_config_free(&c);
    unlink(key);
    rmdir(home);
}

static void settings_that_only_ssh_honours(void **state)
{
    (void)state;
    static const struct {
        const char *line, *beyond;
    } rows[] = {
        {"revokedhostkeys /etc/ssh/revoked\n", "revokedhostkeys"},
        {"revokedhostkeys none\n", NULL},
        {"knownhostscommand /bin/keys %H\n", "knownhostscommand"},
        {"bindaddress 10.0.0.1\n", "bindaddress"},
        {"addressfamily any\n", NULL},
        {"addressfamily inet6\n", "addressfamily"},
        {"proxyusefdpass no\n", NULL},
        {"proxyusefdpass yes\n", "proxyusefdpass"},
        {"controlmaster auto\ncontrolpath /tmp/x\ncontrolpersist 60\n", NULL},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_ssh_config c = {.port = 22};
        dmpi_ssh_config_parse(&c, rows[i].line);
        if (rows[i].beyond)
            assert_string_equal(c.beyond, rows[i].beyond);
        else
            assert_null(c.beyond);
        dmpi_ssh_config_free(&c);
    }
}

static void composes_a_command_line(void **state)
{
    (void)state;
    char program[] = "ssh", user[] = "u", identity[] = "/k", known[] = "/h";
    struct dmpi_ssh_config c = {.program = program};
    struct dmpi_endpoint ep = {.scheme = DMPI_SSH, .user = user, .port = 2200};
    struct dmpi_strv argv = DMPI_STRV_INIT;
    ep.identity = identity;
    ep.known_hosts = known;
    dmpi_ssh_config_argv(&argv, &c, &ep);
    dmpi_autofree char *line = dmpi_strv_join(&argv, " ");
    assert_string_equal(line, "ssh -oBatchMode=yes -p2200 -lu -i/k -oUserKnownHostsFile=/h "
                              "-oGlobalKnownHostsFile=/dev/null");
    dmpi_strv_free(&argv);
}

static void works_without_an_ssh_program(void **state)
{
    (void)state;
    char host[] = "h.example", user[] = "me";
    struct dmpi_endpoint ep = {.scheme = DMPI_SSH, .host = host, .user = user, .port = 0};
    struct dmpi_ssh_config c;
    struct dmpi_err err;
    setenv("DOCKMPI_SSH", "/no/such/program", 1);
    assert_int_equal(dmpi_ssh_config_load(&c, &ep, NULL, &err), 0);
    assert_null(c.program);
    assert_string_equal(c.host, "h.example");
    assert_string_equal(c.user, "me");
    assert_int_equal(c.port, 22);
    assert_true(c.known_hosts.n > 0);
    dmpi_ssh_config_free(&c);
    setenv("DOCKMPI_SSH", "/bin/false", 1);
    assert_int_equal(dmpi_ssh_config_load(&c, &ep, NULL, &err), -1);
    assert_non_null(strstr(err.msg, "/bin/false -G h.example fails"));
    dmpi_ssh_config_free(&c);
    char identity[] = "/no/such/key";
    ep.identity = identity;
    setenv("DOCKMPI_SSH", "/no/such/program", 1);
    assert_int_equal(dmpi_ssh_config_load(&c, &ep, NULL, &err), -1);
    assert_non_null(strstr(err.msg, "identity file /no/such/key"));
    dmpi_ssh_config_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_ssh_says),
        cmocka_unit_test(expands_tokens),
        cmocka_unit_test(too_much_is_refused_and_not_cut),
        cmocka_unit_test(identity_files_with_tokens),
        cmocka_unit_test(settings_that_only_ssh_honours),
        cmocka_unit_test(composes_a_command_line),
        cmocka_unit_test(works_without_an_ssh_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
