// SPDX-License-Identifier: MIT
// Fleet, state and down on several nodes at once, against engines that are fake, dead or hanging.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "cluster/down.h"
#include "cluster/leftover.h"
#include "cluster/state.h"
#include "engine/engine.h"
#include "fleet/fleet.h"
#include "spec/spec.h"
#include "unit/fake_engine.h"

// --- a fake node -----------------------------------------------------------------------------

struct node_script {
    const char *delete_status, *delete_body;
    int forgets;                    // removals after which the list is empty; 0: it stays as it is
    bool hangs;                     // takes connections and says nothing
    const char *volumes, *networks; // answers; NULL: the engine has none
    atomic_int deleted, connections;
};

// Anonymous volumes have names like this.
#define VOLUME "5e0e1f5bd5bd8d1e9ab5ddf8bd10afcf8bc4cb2fd4ffcaf5a16a6a4df85d8dca"

static json_t *entry(const char *id, const char *name, const char *role, const char *index,
                     const char *state, const char *job)
{
    return json_pack("{s:s, s:[s], s:s, s:s, s:s, s:i, s:[{s:s, s:s}, {s:s, s:s}], "
                     "s:{s:s, s:s, s:s, s:s, s:s, s:s}}",
                     "Id", id, "Names", name, "Image", "dockmpi/cpu", "ImageID", "sha256:1",
                     "State", state, "Created", 1700000000, "Mounts", "Type", "volume", "Name",
                     VOLUME, "Type", "volume", "Name", "named-by-the-user", "Labels",
                     "io.dockmpi.cluster", "lab", "io.dockmpi.role", role, "io.dockmpi.index",
                     index, "io.dockmpi.node", "good", "io.dockmpi.slots", "4", "io.dockmpi.job",
                     job);
}

static void answer_list(int fd, const struct node_script *script)
{
    dmpi_json_auto json_t *list = json_array();
    if (!script->forgets || atomic_load(&script->deleted) < script->forgets) {
        dmpi_json_add(list, entry("w1", "/dockmpi-lab-worker-1", "worker", "1", "running", ""));
        dmpi_json_add(list, entry("j3", "/dockmpi-lab-job-3", "job", "3", "exited", "3"));
        dmpi_json_add(list, entry("xx", "/stranger", "acrobat", "0", "running", ""));
        dmpi_json_add(list, entry("l0", "/dockmpi-lab-launcher", "launcher", "0", "created", ""));
    }
    dmpi_autofree char *text = dmpi_json_dump(list);
    fake_answer(fd, "200 OK", "application/json", text);
}

static void serve(struct fake *fake, int fd, int n, void *arg)
{
    (void)fake;
    (void)n;
    struct node_script *script = arg;
    char line[4096];
    atomic_fetch_add(&script->connections, 1);
    while (fake_request_line(fd, line, sizeof(line))) {
        if (script->hangs)
            continue;
        if (strstr(line, "_ping")) {
            fake_pong(fd, "1.41");
        } else if (strstr(line, "/containers/json")) {
            answer_list(fd, script);
        } else if (strstr(line, "GET") && strstr(line, "/containers/j3/json")) {
            fake_answer(fd, "200 OK", "application/json",
                        "{\"State\":{\"Status\":\"exited\",\"ExitCode\":9,\"OOMKilled\":true,"
                        "\"StartedAt\":\"2026-11-21T10:00:00.5Z\","
                        "\"FinishedAt\":\"2026-11-21T10:00:02.25Z\"}}");
        } else if (strstr(line, "/volumes")) {
            fake_answer(fd, "200 OK", "application/json",
                        script->volumes ? script->volumes : "{\"Volumes\":null}");
        } else if (strstr(line, "/networks")) {
            fake_answer(fd, "200 OK", "application/json",
                        script->networks ? script->networks : "[]");
        } else if (strstr(line, "DELETE")) {
            atomic_fetch_add(&script->deleted, 1);
            fake_answer(fd, script->delete_status, "application/json", script->delete_body);
        } else {
            fake_answer(fd, "404 Not Found", "application/json", "{\"message\":\"no such\"}");
        }
    }
}

// --- three nodes -----------------------------------------------------------------------------

enum { GOOD, DEAD, HANGING, N_NODES };

struct lab {
    struct node_script good, hanging;
    struct fake *fakes[2];
    struct dmpi_node nodes[N_NODES];
    struct dmpi_fleet *fleet;
};

static void node(struct dmpi_node *out, const char *name, const char *url)
{
    struct dmpi_err err;
    *out = (struct dmpi_node){.name = dmpi_xstrdup(name)};
    if (dmpi_endpoint_parse(&out->ep, url, &err) != 0)
        fail_msg("%s", err.msg);
}

static void lab_open(struct lab *lab, const char *status, const char *body, int forgets)
{
    *lab = (struct lab){.good = {.delete_status = status, .delete_body = body, .forgets = forgets},
                        .hanging = {.hangs = true}};
    lab->fakes[0] = fake_start(serve, &lab->good);
    lab->fakes[1] = fake_start(serve, &lab->hanging);
    node(&lab->nodes[GOOD], "good", fake_url(lab->fakes[0]));
    node(&lab->nodes[DEAD], "dead", "unix:///nonexistent/engine.sock");
    node(&lab->nodes[HANGING], "hanging", fake_url(lab->fakes[1]));
    lab->fleet =
        dmpi_fleet_new(lab->nodes, N_NODES, 2000); // also the good one needs time on a busy machine
}

static void lab_close(struct lab *lab)
{
    dmpi_fleet_free(lab->fleet);
    fake_stop(lab->fakes[0]);
    fake_stop(lab->fakes[1]);
    for (size_t i = 0; i < N_NODES; i++) {
        free(lab->nodes[i].name);
        dmpi_endpoint_free(&lab->nodes[i].ep);
    }
}

static void check_members(const struct dmpi_state *found)
{
    assert_int_equal(found->n, 3); // the stranger's role is none of ours
    const struct dmpi_member *launcher = dmpi_state_launcher(found, "lab");
    const struct dmpi_member *worker = dmpi_state_worker(found, NULL, 1);
    const struct dmpi_member *job = dmpi_state_job(found, "lab", "3");
    assert_ptr_equal(launcher, &found->members[0]);
    assert_ptr_equal(worker, &found->members[1]);
    assert_ptr_equal(job, &found->members[2]);
    assert_false(dmpi_member_running(launcher));
    assert_true(dmpi_member_running(worker));
    assert_string_equal(worker->container, "dockmpi-lab-worker-1");
    assert_int_equal(worker->slots, 4);
    assert_int_equal(worker->exit_code, -1);
    assert_int_equal(job->exit_code, 9);
    assert_true(job->oom_killed);
    assert_int_equal(job->finished - job->started, 1750);
    assert_null(dmpi_state_worker(found, "lab", 0));
    assert_null(dmpi_state_launcher(found, "other"));
}

static void each_node_has_its_own_error(void **state)
{
    (void)state;
    struct lab lab;
    struct dmpi_state found;
    struct dmpi_err err = DMPI_ERR_INIT;
    lab_open(&lab, "204 No Content", "", 1);
    int64_t begin = dmpi_now_ms();
    assert_int_equal(dmpi_state_load(&found, lab.fleet, NULL, NULL, &err), -1);
    assert_true(dmpi_now_ms() - begin < 60000);
    assert_int_equal(err.code, DMPI_EPARTIAL);
    assert_non_null(strstr(err.msg, "2 of 3 nodes failed; the first: node dead: "));
    assert_int_equal(found.errs[GOOD].code, DMPI_OK);
    assert_int_equal(found.errs[DEAD].code, DMPI_EUNREACHABLE);
    assert_int_not_equal(found.errs[HANGING].code, DMPI_OK);
    assert_non_null(strstr(found.errs[HANGING].msg, "node hanging: "));
    check_members(&found);
    dmpi_state_free(&found);
    lab_close(&lab);
}

static void a_dead_node_costs_its_patience_once(void **state)
{
    (void)state;
    struct lab lab;
    struct dmpi_engine *engine = NULL;
    struct dmpi_err err = DMPI_ERR_INIT;
    lab_open(&lab, "204 No Content", "", 1);
    assert_int_equal(dmpi_fleet_engine(&engine, lab.fleet, HANGING, NULL, &err), -1);
    int asked = atomic_load(&lab.hanging.connections);
    assert_true(asked > 0);
    assert_int_equal(dmpi_fleet_engine(&engine, lab.fleet, HANGING, NULL, &err), -1);
    assert_int_equal(atomic_load(&lab.hanging.connections), asked);
    assert_non_null(strstr(err.msg, "node hanging: "));
    dmpi_fleet_retry(lab.fleet, HANGING);
    assert_int_equal(dmpi_fleet_engine(&engine, lab.fleet, HANGING, NULL, &err), -1);
    assert_true(atomic_load(&lab.hanging.connections) > asked);
    lab_close(&lab);
}

static void a_cancel_is_not_remembered(void **state)
{
    (void)state;
    struct lab lab;
    struct dmpi_engine *engine = NULL;
    struct dmpi_err err = DMPI_ERR_INIT;
    int cancel[2];
    lab_open(&lab, "204 No Content", "", 1);
    assert_int_equal(pipe(cancel), 0);
    assert_int_equal(write(cancel[1], "x", 1), 1);
    struct dmpi_ctl canceled = {.cancel_fd = cancel[0]};
    assert_int_equal(dmpi_fleet_engine(&engine, lab.fleet, GOOD, &canceled, &err), -1);
    assert_int_equal(err.code, DMPI_ECANCELED);
    assert_int_equal(dmpi_fleet_engine(&engine, lab.fleet, GOOD, NULL, &err), 0);
    assert_non_null(engine);
    close(cancel[0]);
    close(cancel[1]);
    lab_close(&lab);
}

static int look(struct dmpi_engine *engine, size_t node, void *arg, struct dmpi_err *err)
{
    (void)node;
    (void)arg;
    dmpi_json_auto json_t *list = NULL;
    return dmpi_engine_call(engine, NULL, "GET", "/networks", NULL, &list, err);
}

static void who_waits_for_others_keeps_no_connection(void **state)
{
    (void)state;
    static const struct {
        size_t window;
        int connections; // of two passes over three nodes that are one engine
    } cases[] = {{3, 3}, {0, 3}, {2, 3 * 2}, {1, 3 * 2}};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        struct lab lab;
        struct dmpi_node nodes[3];
        struct dmpi_err errs[3];
        lab_open(&lab, "204 No Content", "", 1);
        for (size_t n = 0; n < 3; n++)
            node(&nodes[n], "one", fake_url(lab.fakes[0]));
        struct dmpi_fleet *fleet = dmpi_fleet_new(nodes, 3, 0);
        for (int pass = 0; pass < 2; pass++) {
            assert_int_equal(dmpi_fleet_each(fleet, NULL, cases[i].window, look, NULL, errs), 0);
        }
        assert_int_equal(atomic_load(&lab.good.connections), cases[i].connections);
        dmpi_fleet_free(fleet);
        for (size_t n = 0; n < 3; n++) {
            free(nodes[n].name);
            dmpi_endpoint_free(&nodes[n].ep);
        }
        lab_close(&lab);
    }
}

// --- down ------------------------------------------------------------------------------------

static void down_removes_and_proves_it(void **state)
{
    (void)state;
    static const struct {
        const char *status, *body;
        int forgets;
        size_t left;
        const char *error; // of the good node; NULL: none
    } cases[] = {
        {"204 No Content", "", 1, 0, NULL},
        {"404 Not Found", "{\"message\":\"No such container\"}", 1, 0, NULL},
        {"409 Conflict", "{\"message\":\"removal of container w1 is already in progress\"}", 1, 0,
         NULL},
        {"500 Internal Server Error", "{\"message\":\"device is busy\"}", 0, 3, "device is busy"},
        {"204 No Content", "", 0, 3, "is still there"},
        // Listed while it is being made, and only then removable.
        {"404 Not Found", "{\"message\":\"No such container\"}", 5, 0, NULL},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        struct lab lab;
        struct dmpi_down_result result;
        struct dmpi_err err = DMPI_ERR_INIT;
        lab_open(&lab, cases[i].status, cases[i].body, cases[i].forgets);
        assert_int_equal(dmpi_cluster_down(lab.fleet, "lab", NULL, NULL, &result, &err), -1);
        assert_int_equal(result.removed.n, 3);
        assert_int_equal(result.left, cases[i].left);
        if (cases[i].forgets == 1)
            assert_int_equal(atomic_load(&lab.good.deleted), 3);
        const struct dmpi_err *good = &result.removed.errs[GOOD];
        if (cases[i].error ? !strstr(good->msg, cases[i].error) : good->code != DMPI_OK)
            fail_msg("case %zu: %s", i, good->msg);
        assert_int_equal(result.removed.errs[DEAD].code, DMPI_EUNREACHABLE);
        dmpi_down_result_free(&result);
        lab_close(&lab);
    }
}

static void down_finds_what_outlives_a_container(void **state)
{
    (void)state;
    static const char label[] = "\"Labels\":{\"io.dockmpi.cluster\":\"lab\"}";
    static const struct {
        const char *volumes, *networks, *error; // error NULL: nothing is left
    } cases[] = {
        {"{\"Volumes\":[]}", NULL, NULL},
        {"{\"Volumes\":[{\"Name\":\"named-by-the-user\",\"Labels\":null}]}", NULL, NULL},
        {"{\"Volumes\":[{\"Name\":\"" VOLUME "\"}]}", NULL, "volume " VOLUME " is still there"},
        {"{\"Volumes\":[{\"Name\":\"v\",%s}]}", NULL, "`docker volume rm v`"},
        {"{\"Volumes\":[{\"Name\":\"v\",\"Labels\":{\"io.dockmpi.cluster\":\"b\"}}]}", NULL, NULL},
        {NULL, "[{\"Name\":\"n\"}]", "`docker network rm n`"},
        {"[]", NULL, "wrong kind"},
        {NULL, "{}", "wrong kind"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        struct lab lab;
        struct dmpi_down_result result;
        struct dmpi_err err = DMPI_ERR_INIT;
        dmpi_autofree char *volumes = NULL;
        const char *at = cases[i].volumes ? strstr(cases[i].volumes, "%s") : NULL;
        if (at)
            volumes = dmpi_xasprintf("%.*s%s%s", (int)(at - cases[i].volumes), cases[i].volumes,
                                     label, at + 2);
        lab_open(&lab, "204 No Content", "", 1);
        lab.good.volumes = volumes ? volumes : cases[i].volumes;
        lab.good.networks = cases[i].networks;
        dmpi_cluster_down(lab.fleet, "lab", NULL, NULL, &result, &err);
        const struct dmpi_err *good = &result.removed.errs[GOOD];
        if (cases[i].error ? !strstr(good->msg, cases[i].error) : good->code != DMPI_OK)
            fail_msg("case %zu: %s", i, good->msg);
        assert_false(result.processes[GOOD]); // its containers are nobody's
        dmpi_down_result_free(&result);
        lab_close(&lab);
    }
}

static void processes_are_known_by_their_control_group(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool in;
    } cases[] = {
        {"", false},
        {"0::/init.scope\n", false},
        {"0::/system.slice/docker-" VOLUME ".scope\n", true},
        {"12:pids:/docker/" VOLUME "\n11:cpu:/docker/" VOLUME "\n", true},
        {"0::/machine.slice/libpod-" VOLUME ".scope/container\n", true},
        {"0::/machine.slice/libpod-conmon-" VOLUME ".scope\n", false},
        {"1:a:/libpod-conmon-" VOLUME "\n2:b:/libpod-" VOLUME "\n", true},
        {VOLUME, true},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++)
        if (dmpi_leftover_in_cgroup(cases[i].text, VOLUME) != cases[i].in)
            fail_msg("case %zu", i);
    assert_false(dmpi_leftover_in_cgroup("0::/\n", ""));
}

int main(void)
{
    alarm(120);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_node_has_its_own_error),
        cmocka_unit_test(a_dead_node_costs_its_patience_once),
        cmocka_unit_test(a_cancel_is_not_remembered),
        cmocka_unit_test(who_waits_for_others_keeps_no_connection),
        cmocka_unit_test(down_removes_and_proves_it),
        cmocka_unit_test(down_finds_what_outlives_a_container),
        cmocka_unit_test(processes_are_known_by_their_control_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
