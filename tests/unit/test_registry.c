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

#include "base/buf.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/mem.h"
#include "cluster/registry.h"

// A folder for config.json and helpers of this test.
static char dir[] = "/tmp/dockmpi-registry.XXXXXX";

static void write_file(const char *name, const char *text, mode_t mode)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    dmpi_autofree char *path = dmpi_io_join(dir, name);
    if (dmpi_io_write_file_atomic(path, text, strlen(text), mode, &err) != 0)
        fail_msg("%s", err.msg);
}

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    dmpi_autofree char *path = dmpi_xasprintf("%s:%s", dir, getenv("PATH"));
    return setenv("DOCKER_CONFIG", dir, 1) || setenv("PATH", path, 1);
}

static int teardown(void **state)
{
    (void)state;
    static const char *const names[] = {"config.json", "docker-credential-one",
                                        "docker-credential-two"};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(names); i++) {
        dmpi_autofree char *path = dmpi_io_join(dir, names[i]);
        unlink(path);
    }
    return rmdir(dir);
}

// The JSON in a header, "" for none.
static char *decode(const char *header)
{
    if (!header)
        return dmpi_xstrdup("");
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_buf out = DMPI_BUF_INIT(1U << 16);
    dmpi_autofree char *standard = dmpi_xstrdup(header);
    for (char *p = standard; *p; p++) {
        assert_true(*p != '+' && *p != '/');
        *p = *p == '-' ? '+' : *p == '_' ? '/' : *p;
    }
    assert_int_equal(dmpi_base64_decode(&out, standard, strlen(standard), &err), 0);
    return dmpi_buf_steal(&out);
}

static void names_of_registries(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"debian", "docker.io"},
        {"dockmpi/cpu:latest", "docker.io"},
        {"docker.io/library/debian", "docker.io"},
        {"hub.example/a/b:1", "hub.example"},
        {"localhost/a", "localhost"},
        {"localhost:5000/a@sha256:0", "localhost:5000"},
        {"127.0.0.1:5000/a:1", "127.0.0.1:5000"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        dmpi_autofree char *got = dmpi_registry_of(cases[i][0]);
        assert_string_equal(got, cases[i][1]);
    }
}

// "c29tZW9uZTphIHdvcmQ=" is someone:a word; "eDo/Pz8+Pj4=" has both letters that URLs do not like
static void what_stands_in_the_file(void **state)
{
    (void)state;
    static const char config[] =
        "{\"auths\":{\"https://x.docker.io/v1/\":{\"auth\":\"c29tZW9uZTphIHdvcmQ=\"},"
        "\"hub.example\":{\"identitytoken\":\"abc\"},\"https://r.example/v2/\":{\"auth\":"
        "\"eDo/Pz8+Pj4=\"},\"empty.example\":{},\"bad.example\":{\"auth\":\"not base64\"}}}";
    static const struct {
        const char *ref, *want;
    } cases[] = {
        {"debian:1", "{\"password\":\"a word\",\"serveraddress\":\"https://x.docker.io/v1/\","
                     "\"username\":\"someone\"}"},
        {"hub.example/x", "{\"identitytoken\":\"abc\",\"serveraddress\":\"hub.example\"}"},
        {"r.example/x", "{\"password\":\"?\?\?>>>\",\"serveraddress\":\"https://r.example/v2/"
                        "\",\"username\":\"x\"}"},
        {"empty.example/x", ""},
        {"other.example/x", ""},
        {"example/x/r.example", ""},
    };
    write_file("config.json", config, 0600);
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        char *header;
        bool hub = i == DMPI_ARRAY_LEN(cases) - 1; // a folder called like a registry is none
        assert_int_equal(dmpi_registry_auth(&header, cases[i].ref, NULL, &err), 0);
        dmpi_autofree char *got = decode(header);
        assert_string_equal(got, hub ? cases[0].want : cases[i].want);
        dmpi_registry_auth_free(header);
    }
    struct dmpi_err err = DMPI_ERR_INIT;
    char *header;
    assert_int_equal(dmpi_registry_auth(&header, "bad.example/x", NULL, &err), -1);
    assert_non_null(strstr(err.msg, "docker login bad.example"));
    assert_null(strstr(err.msg, "not base64"));
}

static void what_helpers_say(void **state)
{
    (void)state;
    write_file("config.json",
               "{\"credsStore\":\"one\",\"credHelpers\":{\"hub.example\":\"two\",\"none.example\":"
               "\"nosuchprogram\",\"path.example\":\"../x\"},"
               "\"auths\":{\"file.example\":{\"auth\":\"eDp5\"}}}",
               0600);
    write_file("docker-credential-one",
               "#!/bin/sh\nread -r server\ncase $server in\n"
               "r.example) echo '{\"Username\":\"u\",\"Secret\":\"s\"}' ;;\n"
               "*) echo credentials not found in native keychain; exit 1 ;;\nesac\n",
               0700);
    write_file(
        "docker-credential-two",
        "#!/bin/sh\n[ \"$1\" = get ] && echo '{\"Username\":\"<token>\",\"Secret\":\"t\"}'\n",
        0700);
    static const struct {
        const char *ref, *want;
    } cases[] = {
        {"r.example/x", "{\"password\":\"s\",\"serveraddress\":\"r.example\",\"username\":\"u\"}"},
        {"hub.example/x", "{\"identitytoken\":\"t\",\"serveraddress\":\"hub.example\"}"},
        {"file.example/x",
         "{\"password\":\"y\",\"serveraddress\":\"file.example\",\"username\":\"x\"}"},
        {"other.example/x", ""},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        char *header;
        if (dmpi_registry_auth(&header, cases[i].ref, NULL, &err) != 0)
            fail_msg("%s", err.msg);
        dmpi_autofree char *got = decode(header);
        assert_string_equal(got, cases[i].want);
        dmpi_registry_auth_free(header);
    }
    struct dmpi_err err = DMPI_ERR_INIT;
    char *header;
    assert_int_equal(dmpi_registry_auth(&header, "none.example/x", NULL, &err), -1);
    assert_non_null(strstr(err.msg, "docker-credential-nosuchprogram"));
    assert_int_equal(dmpi_registry_auth(&header, "path.example/x", NULL, &err), -1);
    assert_int_equal(err.code, DMPI_EINVAL);
}

static void no_file_is_no_login(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    char *header;
    dmpi_autofree char *path = dmpi_io_join(dir, "config.json");
    unlink(path);
    assert_int_equal(dmpi_registry_auth(&header, "r.example/x", NULL, &err), 0);
    assert_null(header);
    write_file("config.json", "{", 0600);
    assert_int_equal(dmpi_registry_auth(&header, "r.example/x", NULL, &err), -1);
    assert_non_null(strstr(err.msg, "config.json"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_registries),
        cmocka_unit_test(what_stands_in_the_file),
        cmocka_unit_test(what_helpers_say),
        cmocka_unit_test(no_file_is_no_login),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
