// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "transport/onhost.h"

static struct dmpi_strv words(const char *first, ...)
{
    struct dmpi_strv out = DMPI_STRV_INIT;
    va_list args;
    va_start(args, first);
    for (const char *w = first; w; w = va_arg(args, const char *))
        dmpi_strv_add(&out, w);
    va_end(args);
    return out;
}

static void joined_is(const struct dmpi_strv *v, const char *want)
{
    dmpi_autofree char *got = dmpi_strv_join(v, "|");
    assert_string_equal(got, want);
}

static void endpoint(struct dmpi_endpoint *ep, const char *url)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    assert_int_equal(dmpi_endpoint_parse(ep, url, &err), 0);
}

#define OPTIONS                                                                                    \
    "-oStrictHostKeyChecking=yes|-oControlMaster=no|-oControlPath=none|-oClearAllForwardings=yes|" \
    "-oPermitLocalCommand=no|-oRemoteCommand=none|-oConnectTimeout=10|"                            \
    "-oServerAliveInterval=15|-oServerAliveCountMax=3|-oLogLevel=ERROR"

static void over_ssh(void **state)
{
    struct dmpi_ssh_config config = {.program = (char *)"ssh"};
    struct dmpi_strv command = words("printf", "%s\n", "it's; $HOME", "", NULL), out = {0};
    struct dmpi_endpoint ep;
    (void)state;
    endpoint(&ep, "ssh://ubuntu@10.0.0.1:2222");
    ep.identity = dmpi_xstrdup("/k");
    dmpi_onhost_ssh_argv(&out, &config, &ep, &command, false);
    joined_is(&out, "ssh|-oBatchMode=yes|-p2222|-lubuntu|-i/k|" OPTIONS "|-T|--|10.0.0.1|"
                    "printf '%s\n' 'it'\\''s; $HOME' ''");
    dmpi_strv_free(&command);
    dmpi_strv_free(&out);
    dmpi_onhost_ssh_argv(&out, &config, &ep, &command, true); /* a shell on a terminal */
    joined_is(&out, "ssh|-oBatchMode=yes|-p2222|-lubuntu|-i/k|" OPTIONS "|-t|--|10.0.0.1");
    dmpi_strv_free(&out);
    dmpi_endpoint_free(&ep);
}

static void here(void **state)
{
    struct dmpi_strv command = words("echo", "a b", NULL), none = {0}, out = {0};
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_endpoint ep;
    (void)state;
    endpoint(&ep, "unix:///var/run/docker.sock");
    assert_int_equal(dmpi_onhost_argv(&out, &ep, &command, false, NULL, &err), 0);
    joined_is(&out, "echo|a b");
    dmpi_strv_free(&out);
    assert_int_equal(dmpi_onhost_argv(&out, &ep, &none, false, NULL, &err), 0);
    assert_int_equal(out.n, 1); /* the user's shell */
    dmpi_strv_free(&out);
    dmpi_strv_free(&command);
    dmpi_endpoint_free(&ep);
}

static void not_over_tcp(void **state)
{
    struct dmpi_strv command = words("true", NULL), out = {0};
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_endpoint ep;
    (void)state;
    endpoint(&ep, "tcp://10.0.0.1:2376");
    assert_int_equal(dmpi_onhost_argv(&out, &ep, &command, false, NULL, &err), -1);
    assert_int_equal(err.code, DMPI_EINVAL);
    assert_non_null(strstr(err.msg, "the Docker engine alone"));
    assert_non_null(strstr(err.msg, "ssh://USER@10.0.0.1"));
    dmpi_strv_free(&command);
    dmpi_endpoint_free(&ep);
}

static void wrapped(void **state)
{
    static const struct {
        const char *workdir, *env, *want;
    } table[] = {
        {NULL, NULL, "id|-u"},
        {NULL, "A=1 2", "env|A=1 2|id|-u"},
        {"-x y", NULL, "/bin/sh|-c|cd -- \"$1\" && shift && exec \"$@\"|sh|-x y|id|-u"},
        {"/d", "B=", "/bin/sh|-c|cd -- \"$1\" && shift && exec \"$@\"|sh|/d|env|B=|id|-u"},
    };
    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(table); i++) {
        struct dmpi_strv command = words("id", "-u", NULL), env = {0};
        if (table[i].env)
            dmpi_strv_add(&env, table[i].env);
        struct dmpi_strv out = dmpi_onhost_wrap(&command, table[i].workdir, &env);
        joined_is(&out, table[i].want);
        dmpi_strv_free(&out);
        dmpi_strv_free(&command);
        dmpi_strv_free(&env);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(over_ssh),
        cmocka_unit_test(here),
        cmocka_unit_test(not_over_tcp),
        cmocka_unit_test(wrapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
