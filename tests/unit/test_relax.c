// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/relax.h"

#define MODEST                                                                                     \
    "\"Ulimits\":[{\"Hard\":4096,\"Name\":\"nofile\",\"Soft\":4096},"                              \
    "{\"Hard\":4096,\"Name\":\"nproc\",\"Soft\":4096}]"
#define MEMLOCK "\"Ulimits\":[{\"Name\":\"memlock\",\"Soft\":-1,\"Hard\":-1}]"

/* What engines really said. */
static const char no_catatonit[] =
    "container create: container-init binary not found on the host: stat "
    "/usr/libexec/podman/catatonit: no such file or directory";
static const char no_docker_init[] = "exec: \"docker-init\": executable file not found in $PATH";
static const char rlimit[] =
    "OCI runtime create failed: runc create failed: unable to start container process: error "
    "setting rlimit type 8: operation not permitted: unknown";
static const char shm[] = "container create: invalid config provided: cannot set shmsize when "
                          "running in the {host } IPC Namespace";

static void takes_out_what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *before, *refusal, *after; /* after NULL: nothing to take out */
    } rows[] = {
        {"{\"Init\":true,\"A\":1}", no_catatonit, "{\"A\":1}"},
        {"{\"Init\":true}", no_docker_init, "{}"},
        {"{\"Init\":false}", no_docker_init, NULL},
        {"{}", no_catatonit, NULL},
        {"{\"Init\":true," MEMLOCK "}", rlimit, "{\"Init\":true}"},
        {"{}", rlimit, "{" MODEST "}"},
        {"{" MODEST "}", rlimit, NULL},
        {"{\"Ulimits\":[]}", rlimit, "{" MODEST "}"},
        {"{\"ShmSize\":5,\"IpcMode\":\"host\"}", shm, "{\"IpcMode\":\"host\"}"},
        {"{\"IpcMode\":\"host\"}", shm, NULL},
        {"{\"Init\":true,\"ShmSize\":5," MEMLOCK "}", "no space left on device", NULL},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        dmpi_json_auto json_t *body = dmpi_json_new_obj();
        json_t *hc = NULL;
        assert_int_equal(dmpi_json_parse(&hc, rows[i].before, strlen(rows[i].before), &err), 0);
        dmpi_json_set(body, "HostConfig", hc);
        dmpi_autofree char *before = dmpi_json_dump(hc);
        const char *what = dmpi_relax(body, rows[i].refusal);
        dmpi_autofree char *after = dmpi_json_dump(hc);
        assert_int_equal(what != NULL, rows[i].after != NULL);
        assert_string_equal(after, rows[i].after ? rows[i].after : before);
    }
}

static void a_body_without_anything(void **state)
{
    (void)state;
    dmpi_json_auto json_t *body = dmpi_json_new_obj();
    assert_null(dmpi_relax(body, rlimit));
    assert_null(dmpi_relax(NULL, rlimit));
}

/* An engine that refuses whatever it is given does not keep us for ever. */
static void comes_to_an_end(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    static const char text[] = "{\"HostConfig\":{\"Init\":true,\"ShmSize\":5," MEMLOCK "}}";
    dmpi_json_auto json_t *body = NULL;
    assert_int_equal(dmpi_json_parse(&body, text, sizeof text - 1, &err), 0);
    int n = 0;
    while (dmpi_relax(body, "catatonit rlimit cannot set shmsize") && n < 100)
        n++;
    assert_int_equal(n, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_out_what_is_refused),
        cmocka_unit_test(a_body_without_anything),
        cmocka_unit_test(comes_to_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
