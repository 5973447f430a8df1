// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/io.h"
#include "base/mem.h"
#include "spec/endpoint.h"

static void parses(void **state)
{
    (void)state;
    static const struct {
        const char *url, *canonical;
        enum dmpi_scheme scheme;
        const char *user, *host, *path;
        int port;
        bool tls;
    } rows[] = {
        {"unix:///var/run/docker.sock", "unix:///var/run/docker.sock", DMPI_UNIX, NULL, NULL,
         "/var/run/docker.sock", 0, false},
        {"/tmp/d.sock", "unix:///tmp/d.sock", DMPI_UNIX, NULL, NULL, "/tmp/d.sock", 0, false},
        {"tcp://10.0.0.1", "tcp://10.0.0.1:2375", DMPI_TCP, NULL, "10.0.0.1", NULL, 2375, false},
        {"tcp://h:2376/", "tcp://h:2376", DMPI_TCP, NULL, "h", NULL, 2376, false},
        {"http://h:1", "tcp://h:1", DMPI_TCP, NULL, "h", NULL, 1, false},
        {"https://h", "https://h:2376", DMPI_TCP, NULL, "h", NULL, 2376, true},
        {"tcp://[::1]:2375", "tcp://[::1]:2375", DMPI_TCP, NULL, "::1", NULL, 2375, false},
        {"ssh://18.1.2.3", "ssh://18.1.2.3", DMPI_SSH, NULL, "18.1.2.3", DMPI_DOCKER_SOCK, 0,
         false},
        {"ssh://me@h.x:2222/", "ssh://me@h.x:2222", DMPI_SSH, "me", "h.x", DMPI_DOCKER_SOCK, 2222,
         false},
        {"ssh://u@[fe80::1%eth0]/run/d.sock", "ssh://u@[fe80::1%eth0]/run/d.sock", DMPI_SSH, "u",
         "fe80::1%eth0", "/run/d.sock", 0, false},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        DMPI_AUTO(dmpi_endpoint_free) struct dmpi_endpoint ep, again;
        if (dmpi_endpoint_parse(&ep, rows[i].url, &err))
            fail_msg("%s", err.msg);
        assert_int_equal(ep.scheme, rows[i].scheme);
        assert_int_equal(ep.port, rows[i].port);
        assert_int_equal(ep.tls, rows[i].tls);
        assert_string_equal(ep.user ? ep.user : "-", rows[i].user ? rows[i].user : "-");
        assert_string_equal(ep.host ? ep.host : "-", rows[i].host ? rows[i].host : "-");
        assert_string_equal(ep.path ? ep.path : "-", rows[i].path ? rows[i].path : "-");
        assert_string_equal(ep.url, rows[i].url);
        dmpi_autofree char *text = dmpi_endpoint_str(&ep);
        assert_string_equal(text, rows[i].canonical);
        assert_int_equal(dmpi_endpoint_parse(&again, text, &err), 0);
        dmpi_autofree char *twice = dmpi_endpoint_str(&again);
        assert_string_equal(twice, text);
    }
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *url, *why;
    } rows[] = {
        {"", "expected unix:///PATH"},
        {"npipe:////./pipe/docker", "expected unix:///PATH"},
        {"unix://", "expected unix:///path"},
        {"unix://relative", "expected unix:///path"},
        {"/", "expected unix:///path"},
        {"tcp://", "host name is missing"},
        {"tcp://h:0", "port must be"},
        {"tcp://h:65536", "port must be"},
        {"tcp://h:", "port must be"},
        {"tcp://h:2376x", "port must be"},
        {"tcp://h/v1", "a path has no meaning"},
        {"tcp://u@h", "no meaning here"},
        {"tcp://::1:2375", "needs brackets"},
        {"tcp://[::1", "']' is missing"},
        {"tcp://[::1]x", "after ']'"},
        {"tcp://[h]:1", "only an IPv6"},
        {"tcp://[::zz]:1", "malformed host"},
        {"ssh://-oProxyCommand=x", "malformed host"},
        {"ssh://-l@h", "malformed user"},
        {"ssh://a b@h", "white space"},
        {"ssh://u:secret@h", "no passwords"},
        {"ssh://@h", "malformed user"},
        {"ssh://u@", "host name is missing"},
        {"ssh://h$(x)", "malformed host"},
        {"ssh://h\n", "white space"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        struct dmpi_endpoint ep;
        if (dmpi_endpoint_parse(&ep, rows[i].url, &err) != -1)
            fail_msg("'%s' was accepted", rows[i].url);
        assert_int_equal(err.code, DMPI_EINVAL);
        if (!strstr(err.msg, rows[i].why))
            fail_msg("'%s': %s", rows[i].url, err.msg);
        assert_null(ep.host);
        assert_null(ep.user);
    }
}

static void plain_tcp_only_to_loopback(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool insecure, tls;
        int rc;
    } rows[] = {
        {"tcp://127.0.0.1:2375", false, false, 0}, {"tcp://127.8.8.8:2375", false, false, 0},
        {"tcp://localhost:2375", false, false, 0}, {"tcp://[::1]:2375", false, false, 0},
        {"tcp://10.0.0.1:2375", false, false, -1}, {"tcp://localhost.evil", false, false, -1},
        {"tcp://10.0.0.1:2375", true, false, 0},   {"tcp://10.0.0.1:2375", false, true, 0},
        {"https://10.0.0.1", false, false, 0},     {"ssh://10.0.0.1", false, false, 0},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        DMPI_AUTO(dmpi_endpoint_free) struct dmpi_endpoint ep;
        assert_int_equal(dmpi_endpoint_parse(&ep, rows[i].url, &err), 0);
        ep.insecure_plain = rows[i].insecure;
        ep.tls = ep.tls || rows[i].tls;
        assert_int_equal(dmpi_endpoint_check(&ep, &err), rows[i].rc);
    }
}

static void put(const char *dir, const char *name, const char *text)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    dmpi_autofree char *path = dmpi_xasprintf("%s/%s", dir, name);
    dmpi_autofree char *folder = dmpi_xstrndup(path, (size_t)(strrchr(path, '/') - path));
    assert_int_equal(dmpi_io_mkdirs(folder, 0700, &err), 0);
    assert_int_equal(dmpi_io_write_file_atomic(path, text, strlen(text), 0600, &err), 0);
}

static void clear_environment(void)
{
    static const char *const names[] = {"DOCKER_HOST",         "DOCKER_CONTEXT",   "DOCKER_TLS",
                                        "DOCKER_TLS_VERIFY",   "DOCKER_CERT_PATH", "DOCKER_CONFIG",
                                        "DOCKMPI_INSECURE_TCP"};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(names); i++)
        unsetenv(names[i]);
}

static char *default_url(void)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    DMPI_AUTO(dmpi_endpoint_free) struct dmpi_endpoint ep;
    if (dmpi_endpoint_default(&ep, &err))
        return dmpi_xstrdup(err.msg);
    dmpi_autofree char *url = dmpi_endpoint_str(&ep);
    return dmpi_xasprintf("%s%s%s%s", url, ep.tls_dir ? " tls=" : "", ep.tls_dir ? ep.tls_dir : "",
                          ep.tls_noverify ? " noverify" : "");
}

#define ASSERT_DEFAULT(want)                                                                       \
    do {                                                                                           \
        dmpi_autofree char *got_ = default_url();                                                  \
        assert_string_equal(got_, want);                                                           \
    } while (0)

static void environment(void **state)
{
    (void)state;
    char dir[] = "/tmp/dockmpi-test-XXXXXX";
    assert_non_null(mkdtemp(dir));
    clear_environment();
    setenv("DOCKER_CONFIG", dir, 1);
    ASSERT_DEFAULT("unix:///var/run/docker.sock");
    setenv("DOCKER_HOST", "tcp://10.0.0.1:2376", 1);
    setenv("DOCKER_TLS_VERIFY", "1", 1);
    setenv("DOCKER_CERT_PATH", "/certs", 1);
    ASSERT_DEFAULT("https://10.0.0.1:2376 tls=/certs");
    unsetenv("DOCKER_TLS_VERIFY");
    setenv("DOCKER_TLS", "1", 1);
    ASSERT_DEFAULT("https://10.0.0.1:2376 tls=/certs noverify");
    unsetenv("DOCKER_TLS");
    dmpi_autofree char *refused = default_url();
    assert_non_null(strstr(refused, "plain tcp"));
    setenv("DOCKMPI_INSECURE_TCP", "1", 1);
    ASSERT_DEFAULT("tcp://10.0.0.1:2376");
    setenv("DOCKER_HOST", "bogus", 1);
    ASSERT_DEFAULT("DOCKER_HOST: endpoint 'bogus': expected unix:///PATH, tcp://HOST:PORT or "
                   "ssh://USER@HOST");
    clear_environment();
    rmdir(dir);
}

static void contexts(void **state)
{
    (void)state;
    char dir[] = "/tmp/dockmpi-test-XXXXXX", id[DMPI_SHA256_HEX];
    assert_non_null(mkdtemp(dir));
    clear_environment();
    setenv("DOCKER_CONFIG", dir, 1);
    put(dir, "config.json", "{\"currentContext\": \"lab\", \"auths\": {}}");
    ASSERT_DEFAULT("docker context 'lab' does not exist: see 'docker context ls', or set "
                   "DOCKER_HOST");
    dmpi_sha256_hex("lab", 3, id);
    dmpi_autofree char *meta = dmpi_xasprintf("contexts/meta/%s/meta.json", id);
    put(dir, meta, "{\"Name\":\"lab\",\"Endpoints\":{\"docker\":{\"Host\":\"ssh://me@h\"}}}");
    ASSERT_DEFAULT("ssh://me@h");
    put(dir, meta,
        "{\"Endpoints\":{\"docker\":{\"Host\":\"tcp://h:2376\",\"SkipTLSVerify\":true}}}");
    ASSERT_DEFAULT("https://h:2376 noverify");
    dmpi_autofree char *pem = dmpi_xasprintf("contexts/tls/%s/docker/ca.pem", id);
    put(dir, pem, "x");
    put(dir, meta, "{\"Endpoints\":{\"docker\":{\"Host\":\"tcp://h:2376\"}}}");
    dmpi_autofree char *want =
        dmpi_xasprintf("https://h:2376 tls=%s/contexts/tls/%s/docker", dir, id);
    ASSERT_DEFAULT(want);
    setenv("DOCKER_CONTEXT", "default", 1);
    ASSERT_DEFAULT("unix:///var/run/docker.sock");
    setenv("DOCKER_HOST", "unix:///other.sock", 1);
    ASSERT_DEFAULT("unix:///other.sock");
    clear_environment();
    setenv("DOCKER_CONFIG", dir, 1);
    put(dir, "config.json", "{nonsense");
    dmpi_autofree char *broken = default_url();
    assert_non_null(strstr(broken, "config.json: line 1"));
    clear_environment();
    dmpi_autofree char *rm = dmpi_xasprintf("rm -rf '%s'", dir);
    assert_int_equal(system(rm), 0);
}

static void hosts(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "a.b-c_d", "10.0.0.1", "::1", "fe80::1%eth0"};
    static const char *const bad[] = {"",     "-a",  ".a",  "a b",     "a:b",
                                      "::1%", "a/b", "a\n", "\xc3\xa4"};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(good); i++)
        assert_true(dmpi_host_ok(good[i]));
    for (size_t i = 0; i < DMPI_ARRAY_LEN(bad); i++)
        assert_false(dmpi_host_ok(bad[i]));
    assert_true(dmpi_host_is_address("10.0.0.1"));
    assert_true(dmpi_host_is_address("::1"));
    assert_false(dmpi_host_is_address("10.0.0"));
    assert_false(dmpi_host_is_address("h"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses),
        cmocka_unit_test(refuses),
        cmocka_unit_test(plain_tcp_only_to_loopback),
        cmocka_unit_test(environment),
        cmocka_unit_test(contexts),
        cmocka_unit_test(hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
