// SPDX-License-Identifier: MIT
// A second `up` looks into the containers that it finds: which it replaces, and for which it blames the engine.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cluster/up_work.h"
#include "fleet/fleet.h"
#include "unit/fake_engine.h"

#define STREAM                                                                                     \
    "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n"                 \
    "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
#define DIGEST "5e0e1f5bd5bd8d1e9ab5ddf8bd10afcf8bc4cb2fd4ffcaf5a16a6a4df85d8dca"
#define SELF                                                                                       \
    "{\"mesh\":\"00112233445566778899aabbccddeeff\",\"digest\":\"" DIGEST                          \
    "\",\"role\":\"launcher\",\"index\":-1}"

// What the engine says to the second look, which fetches keys and configuration with tar.
struct script {
    const char *create_status, *create_body; // NULL: the command runs
    const char *exit_code;
};

static void serve(struct fake *fake, int fd, int n, void *arg)
{
    (void)fake;
    (void)n;
    const struct script *script = arg;
    char text[8192];
    while (fake_request(fd, text, sizeof(text))) {
        bool creates = strstr(text, "POST") == text && strstr(text, "/exec HTTP");
        bool second = strstr(text, "\"tar\"") || strstr(text, "/exec/second/");
        if (strstr(text, "_ping")) {
            fake_pong(fd, "1.41");
        } else if (creates && second && script->create_status) {
            fake_answer(fd, script->create_status, "application/json", script->create_body);
        } else if (creates) {
            fake_answer(fd, "201 Created", "application/json",
                        second ? "{\"Id\":\"second\"}" : "{\"Id\":\"first\"}");
        } else if (strstr(text, "/start")) {
            char frame[8] = {1, 0, 0, 0, 0, 0, 0, (char)strlen(SELF)};
            fake_send(fd, STREAM);
            fake_send_n(fd, frame, second ? 0 : sizeof(frame));
            fake_send(fd, second ? "" : SELF);
            return;
        } else {
            dmpi_autofree char *body = dmpi_xasprintf("{\"Running\":false,\"ExitCode\":%s}",
                                                      second ? script->exit_code : "0");
            fake_answer(fd, "200 OK", "application/json", body);
        }
    }
}

static void a_failing_engine_replaces_nothing(void **state)
{
    (void)state;
    static const struct {
        struct script script;
        enum dmpi_change change;
        const char *error; // NULL: none
    } cases[] = {
        {{"500 Internal Server Error", "{\"message\":\"no space left on device\"}", NULL},
         DMPI_KEPT,
         "node n0: container dockmpi-lab-launcher: read its files: "},
        {{"404 Not Found", "{\"message\":\"No such container: l0\"}", NULL}, DMPI_REPLACED, NULL},
        {{NULL, NULL, "2"}, DMPI_REPLACED, NULL},
        {{NULL, NULL, "0"}, DMPI_REPLACED, NULL}, // an archive of nothing
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        struct script script = cases[i].script;
        struct fake *fake = fake_start(serve, &script);
        struct dmpi_err err = DMPI_ERR_INIT;
        char name[] = "n0", id[] = "l0", container[] = "dockmpi-lab-launcher";
        struct dmpi_node node = {.name = name};
        assert_int_equal(dmpi_endpoint_parse(&node.ep, fake_url(fake), &err), 0);
        struct dmpi_spec spec = {.nodes = &node, .n_nodes = 1};
        struct dmpi_member found = {.id = id, .container = container};
        struct dmpi_step step = {.change = DMPI_KEPT, .found = &found};
        struct dmpi_item item = {.step = &step};
        struct dmpi_up_opts opts = {.progress = NULL};
        struct dmpi_work work = {.fleet = dmpi_fleet_new(&node, 1, 0),
                                 .spec = &spec,
                                 .opts = &opts,
                                 .items = &item,
                                 .n = 1};
        assert_int_equal(dmpi_work_keep(&work, &err), 0);
        if (step.change != cases[i].change)
            fail_msg("case %zu: change %d, %s", i, (int)step.change, item.err.msg);
        if (cases[i].error ? !strstr(item.err.msg, cases[i].error) : item.err.code != DMPI_OK)
            fail_msg("case %zu: '%s'", i, item.err.msg);
        dmpi_mesh_free(&work.mesh);
        dmpi_fleet_free(work.fleet);
        fake_stop(fake);
        dmpi_endpoint_free(&node.ep);
        free(item.id);
        free(step.why);
    }
}

int main(void)
{
    alarm(120);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failing_engine_replaces_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
