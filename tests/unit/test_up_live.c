// SPDX-License-Identifier: MIT
// `up` and `down` against a real engine: DMPI_LIVE_ENGINE is its URL, which must have the images of
// the profiles launcher and cpu; DOCKMPI_IMAGES is where the profiles are (default: images);
// DMPI_LIVE_CLUSTER the name to use, for whoever clears up after a test that was killed.
// Without DMPI_LIVE_ENGINE everything is skipped.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strv.h"
#include "cluster/down.h"
#include "cluster/fetch.h"
#include "cluster/state.h"
#include "cluster/up.h"
#include "engine/containers.h"
#include "engine/exec.h"
#include "fleet/fleet.h"
#include "mesh/ports.h"

// A cluster under a name of this process, so that tests may run beside each other.
struct live {
    char name[32];
    struct dmpi_endpoint ep;
    struct dmpi_engine *engine;
    int cancel[2];
    struct dmpi_up_result result;
    struct dmpi_err err;
    // What the progress callback is to do at the first DMPI_STAGE_FEED:
    bool cancel_at_feed;
    bool take_port;
    int taken_fd; // of the port that was taken; -1: none
    int taken;    // that port
};

static struct live live;

#define NEED_ENGINE()                                                                              \
    if (!live.engine)                                                                              \
    skip()

// --- helpers ---------------------------------------------------------------------------------

static const char *engine_url(void)
{
    return getenv("DMPI_LIVE_ENGINE");
}

static const char *images_dir(void)
{
    const char *dir = getenv("DOCKMPI_IMAGES");
    return dir ? dir : "images";
}

// Takes the port that worker 0 tries first.
static int take_port(void)
{
    int on = 1;
    dmpi_autofree char *seed = dmpi_xasprintf("%s/worker-0/0", live.name);
    struct dmpi_err err = DMPI_ERR_INIT;
    if (dmpi_port_choose(&live.taken, NULL, NULL, NULL, seed, &err) != 0)
        return -1;
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)live.taken),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 && listen(fd, 1) == 0)
        return fd;
    close(fd);
    return -1;
}

static void progress(void *arg, const char *node, const char *container, enum dmpi_stage stage,
                     const char *detail)
{
    (void)node;
    (void)container;
    (void)detail;
    struct live *l = arg;
    if (stage != DMPI_STAGE_FEED)
        return;
    if (l->cancel_at_feed && write(l->cancel[1], "x", 1) == 1)
        l->cancel_at_feed = false;
    if (l->take_port) {
        l->take_port = false;
        l->taken_fd = take_port();
    }
}

struct wish {
    const char *workers, *image, *env;
    int min_workers;
    bool force;
};

static int up(const struct wish *wish)
{
    struct dmpi_spec spec;
    struct dmpi_plan plan;
    struct dmpi_flags flags = {.name = live.name, .workers = wish->workers, .image = wish->image};
    if (wish->env)
        dmpi_strv_add(&flags.env, wish->env);
    struct dmpi_up_opts opts = {.progress = progress,
                                .progress_arg = &live,
                                .min_workers = wish->min_workers,
                                .force = wish->force};
    struct dmpi_ctl ctl = {.deadline_ms = dmpi_now_ms() + 120000, .cancel_fd = live.cancel[0]};
    dmpi_up_result_free(&live.result);
    int rc = dmpi_spec_make_text(&spec, &flags, NULL, 0, &live.ep, &live.err);
    dmpi_strv_free(&flags.env);
    if (rc != 0)
        return rc;
    if (dmpi_plan_make(&plan, &spec, images_dir(), &live.err) == 0) {
        struct dmpi_fleet *fleet = dmpi_fleet_new(spec.nodes, spec.n_nodes, 0);
        rc = dmpi_cluster_up(fleet, &spec, &plan, &opts, &ctl, &live.result, &live.err);
        dmpi_fleet_free(fleet);
        dmpi_plan_free(&plan);
    } else {
        rc = -1;
    }
    dmpi_spec_free(&spec);
    return rc;
}

#define UP(...)                                                                                    \
    do {                                                                                           \
        if (up(&(struct wish){__VA_ARGS__}) != 0)                                                  \
            fail_msg("line %d: %s", __LINE__, live.err.msg);                                       \
    } while (0)

#define UP_FAILS(text, ...)                                                                        \
    do {                                                                                           \
        assert_int_equal(up(&(struct wish){__VA_ARGS__}), -1);                                     \
        if (!strstr(live.err.msg, text))                                                           \
            fail_msg("line %d: the error is '%s'", __LINE__, live.err.msg);                        \
    } while (0)

// "launcher kept, worker-0 created, ..." in the order of the result.
static char *changes(void)
{
    struct dmpi_strv words DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    size_t prefix = strlen("dockmpi-") + strlen(live.name) + 1;
    for (size_t i = 0; i < live.result.n; i++)
        dmpi_strv_addf(&words, "%s %s", live.result.members[i].container + prefix,
                       dmpi_change_name(live.result.members[i].change));
    return dmpi_strv_join(&words, ", ");
}

static void assert_changes(const char *expected)
{
    dmpi_autofree char *found = changes();
    assert_string_equal(found, expected);
}

static struct dmpi_fleet *fleet_of(struct dmpi_node *node)
{
    *node = (struct dmpi_node){.name = (char *)(uintptr_t) "local", .ep = live.ep};
    return dmpi_fleet_new(node, 1, 0);
}

static size_t containers(void)
{
    struct dmpi_node node;
    struct dmpi_fleet *fleet = fleet_of(&node);
    struct dmpi_state state;
    if (dmpi_state_load(&state, fleet, live.name, NULL, &live.err) != 0)
        fail_msg("%s", live.err.msg);
    size_t n = state.n;
    dmpi_state_free(&state);
    dmpi_fleet_free(fleet);
    return n;
}

static size_t down(void)
{
    struct dmpi_node node;
    struct dmpi_fleet *fleet = fleet_of(&node);
    struct dmpi_down_result result;
    if (dmpi_cluster_down(fleet, live.name, NULL, NULL, &result, &live.err) != 0)
        fail_msg("%s", live.err.msg);
    size_t n = result.removed.n;
    assert_int_equal(result.left, 0);
    dmpi_down_result_free(&result);
    dmpi_fleet_free(fleet);
    return n;
}

static char *container(const char *alias)
{
    return dmpi_xasprintf("dockmpi-%s-%s", live.name, alias);
}

static void remove_by_hand(const char *alias)
{
    dmpi_autofree char *name = container(alias);
    if (dmpi_container_remove(live.engine, NULL, name, true, true, &live.err) != 0)
        fail_msg("%s", live.err.msg);
}

static int port_of_worker(int index)
{
    struct dmpi_node node;
    struct dmpi_fleet *fleet = fleet_of(&node);
    struct dmpi_state found;
    struct dmpi_mesh mesh;
    assert_int_equal(dmpi_state_load(&found, fleet, live.name, NULL, &live.err), 0);
    if (dmpi_cluster_mesh(&mesh, fleet, &found, live.name, NULL, &live.err) != 0)
        fail_msg("%s", live.err.msg);
    const struct dmpi_mesh_worker *worker = dmpi_mesh_find(&mesh, index);
    int port = worker ? worker->port : -1;
    dmpi_mesh_free(&mesh);
    dmpi_state_free(&found);
    dmpi_fleet_free(fleet);
    return port;
}

// Runs `ssh FIRST ssh SECOND true` in the launcher: both hops, with the keys of this cluster.
static void assert_reaches(const char *first, const char *second)
{
    dmpi_autofree char *name = container("launcher");
    struct dmpi_strv argv DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    const char *const words[] = {"ssh", first, "ssh", second, "true"};
    dmpi_strv_add_array(&argv, words, DMPI_ARRAY_LEN(words));
    struct dmpi_buf note DMPI_AUTO(dmpi_buf_free) = DMPI_BUF_INIT(4096);
    int code = -1;
    if (dmpi_exec_run(live.engine, NULL, name, &argv, NULL, 0, NULL, &note, &code, &live.err) != 0)
        fail_msg("%s", live.err.msg);
    if (code != 0)
        fail_msg("ssh %s ssh %s: code %d: %s", first, second, code, dmpi_buf_str(&note));
}

// --- tests -----------------------------------------------------------------------------------

static void converges(void **state)
{
    (void)state;
    NEED_ENGINE();
    UP(.workers = "2");
    assert_changes("launcher created, worker-0 created, worker-1 created");
    assert_false(dmpi_up_unchanged(&live.result));
    UP(.workers = "2");
    assert_changes("launcher kept, worker-0 kept, worker-1 kept");
    assert_true(dmpi_up_unchanged(&live.result));
    assert_reaches("worker-0", "worker-1");

    remove_by_hand("worker-0");
    UP(.workers = "2");
    assert_changes("launcher kept, worker-0 created, worker-1 kept");
    assert_reaches("worker-1", "worker-0");

    UP(.workers = "4");
    assert_changes("launcher kept, worker-0 kept, worker-1 kept, worker-2 created, "
                   "worker-3 created");
    assert_reaches("worker-0", "worker-3");
    UP(.workers = "1");
    assert_changes("launcher kept, worker-0 kept, worker-1 removed, worker-2 removed, "
                   "worker-3 removed");

    UP(.workers = "1", .env = "A=b");
    assert_changes("launcher replaced, worker-0 replaced");
    assert_string_equal(live.result.members[1].why, "its options changed: --env: not given before");
    assert_reaches("worker-0", "worker-0");
    assert_int_equal(down(), 2);
    assert_int_equal(down(), 0);
}

static void repairs_what_was_restarted_or_lost(void **state)
{
    (void)state;
    NEED_ENGINE();
    UP(.workers = "2");
    dmpi_autofree char *worker = container("worker-1");
    assert_int_equal(dmpi_container_kill(live.engine, NULL, worker, "KILL", &live.err), 0);
    int code = 0;
    assert_int_equal(dmpi_container_wait(live.engine, NULL, worker, &code, &live.err), 0);
    UP(.workers = "2");
    assert_changes("launcher kept, worker-0 kept, worker-1 replaced");

    assert_int_equal(dmpi_container_stop(live.engine, NULL, worker, 0, &live.err), 0);
    assert_int_equal(dmpi_container_start(live.engine, NULL, worker, &live.err), 0);
    UP(.workers = "2");
    assert_changes("launcher kept, worker-0 kept, worker-1 replaced");

    // The workers know the cluster's key, too: a new launcher gets it from them.
    remove_by_hand("launcher");
    UP(.workers = "2");
    assert_changes("launcher created, worker-0 kept, worker-1 kept");
    assert_reaches("worker-0", "worker-1");
    assert_int_equal(down(), 3);
}

static void a_port_found_taken_is_replaced(void **state)
{
    (void)state;
    NEED_ENGINE();
    live.take_port = true;
    UP(.workers = "2");
    if (live.taken_fd < 0)
        skip(); // the engine is on another machine, or that port was in use before
    assert_changes("launcher created, worker-0 created, worker-1 created");
    assert_reaches("worker-1", "worker-0");
    assert_int_not_equal(port_of_worker(0), live.taken);
    close(live.taken_fd);
    live.taken_fd = -1;
    // Nobody in the way: the same worker gets that very port, so it was the one it tried first.
    down();
    UP(.workers = "1");
    assert_int_equal(port_of_worker(0), live.taken);
    down();
}

static void a_cancel_leaves_nothing_new(void **state)
{
    (void)state;
    NEED_ENGINE();
    live.cancel_at_feed = true;
    assert_int_equal(up(&(struct wish){.workers = "2"}), -1);
    assert_int_equal(live.err.code, DMPI_ECANCELED);
    assert_int_equal(containers(), 0);
    char byte;
    assert_int_equal(read(live.cancel[0], &byte, 1), 1);

    UP(.workers = "1");
    live.cancel_at_feed = true;
    assert_int_equal(up(&(struct wish){.workers = "3"}), -1);
    assert_int_equal(read(live.cancel[0], &byte, 1), 1);
    assert_int_equal(containers(), 2);
    UP(.workers = "1");
    assert_reaches("worker-0", "worker-0");
    down();
}

static json_t *foreign_body(const char *label, const char *value)
{
    json_t *body = json_pack("{s:s, s:[s,s], s:{}}", "Image", "dockmpi/launcher:latest",
                             "Entrypoint", "sleep", "600", "Labels");
    if (label)
        dmpi_json_set_str(dmpi_json_obj(body, "Labels"), label, value);
    return body;
}

static void a_name_that_is_taken(void **state)
{
    (void)state;
    NEED_ENGINE();
    dmpi_autofree char *name = container("worker-1");
    json_t *body = foreign_body(NULL, NULL);
    assert_int_equal(dmpi_container_create(live.engine, NULL, name, body, NULL, &live.err), 0);
    json_decref(body);
    UP_FAILS("its name is taken by a container that dockmpi did not make", .workers = "2");
    assert_int_equal(live.err.code, DMPI_EPARTIAL);
    assert_int_equal(containers(), 2); // launcher and worker 0 are ready and stay
    UP(.workers = "2", .min_workers = 1);
    assert_changes("launcher kept, worker-0 kept, worker-1 failed");
    remove_by_hand("worker-1");
    UP(.workers = "2");
    assert_changes("launcher kept, worker-0 kept, worker-1 created");
    down();
}

static void a_running_job_keeps_its_workers(void **state)
{
    (void)state;
    NEED_ENGINE();
    UP(.workers = "2");
    dmpi_autofree char *name = container("job-1");
    json_t *body = foreign_body("io.dockmpi.cluster", live.name);
    json_t *labels = dmpi_json_obj(body, "Labels");
    dmpi_json_set_str(labels, "io.dockmpi.role", "job");
    dmpi_json_set_str(labels, "io.dockmpi.job", "1");
    assert_int_equal(dmpi_container_create(live.engine, NULL, name, body, NULL, &live.err), 0);
    assert_int_equal(dmpi_container_start(live.engine, NULL, name, &live.err), 0);
    json_decref(body);
    UP_FAILS("job 1 () is running and would lose", .workers = "1");
    UP(.workers = "3");
    UP(.workers = "1", .force = true);
    assert_int_equal(down(), 3); // the job too
}

// Runs `up` with a profile "bad" that holds `yaml`.
static void up_with_profile(const char *yaml, const char *error)
{
    char dir[] = "/tmp/dmpi-images-XXXXXX";
    assert_non_null(mkdtemp(dir));
    dmpi_autofree char *saved = dmpi_xstrdup(images_dir());
    dmpi_autofree char *fill =
        dmpi_xasprintf("mkdir %s/bad && cp -r %s/launcher %s/ && printf '%s' >%s/bad/image.yaml",
                       dir, saved, dir, yaml, dir);
    assert_int_equal(system(fill), 0);
    setenv("DOCKMPI_IMAGES", dir, 1);
    int rc = up(&(struct wish){.workers = "2", .image = "bad"});
    setenv("DOCKMPI_IMAGES", saved, 1);
    dmpi_autofree char *clean = dmpi_xasprintf("rm -rf %s", dir);
    assert_int_equal(system(clean), 0);
    assert_int_equal(rc, -1);
    if (!strstr(live.err.msg, error))
        fail_msg("the error is '%s'", live.err.msg);
}

static void images_that_cannot_be_workers(void **state)
{
    (void)state;
    NEED_ENGINE();
    static const struct {
        const char *yaml, *error;
    } cases[] = {
        {"image: dockmpi-none:1\\n", "image dockmpi-none:1 is not there"},
        {"image: dockmpi/launcher\\nsshd: /none/sshd\\n",
         "it ended with code 98 before it was ready: dockmpi: no sshd in this image at /none/sshd; "
         "install openssh-server"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        up_with_profile(cases[i].yaml, cases[i].error);
        assert_int_equal(containers(), 0);
    }
}

static void the_mesh_is_read_from_the_launcher(void **state)
{
    (void)state;
    NEED_ENGINE();
    UP(.workers = "2");
    struct dmpi_node node;
    struct dmpi_fleet *fleet = fleet_of(&node);
    struct dmpi_state found;
    struct dmpi_mesh mesh;
    assert_int_equal(dmpi_state_load(&found, fleet, live.name, NULL, &live.err), 0);
    assert_int_equal(dmpi_cluster_mesh(&mesh, fleet, &found, live.name, NULL, &live.err), 0);
    assert_int_equal(mesh.n, 2);
    assert_string_equal(mesh.workers[1].alias, "worker-1");
    dmpi_mesh_free(&mesh);
    dmpi_state_free(&found);

    down();
    assert_int_equal(dmpi_state_load(&found, fleet, live.name, NULL, &live.err), 0);
    assert_int_equal(dmpi_cluster_mesh(&mesh, fleet, &found, live.name, NULL, &live.err), -1);
    assert_non_null(strstr(live.err.msg, "`dockmpi up`"));
    dmpi_mesh_free(&mesh);
    dmpi_state_free(&found);
    dmpi_fleet_free(fleet);
}

// --- the frame -------------------------------------------------------------------------------

static int set_up(void **state)
{
    (void)state;
    live.taken_fd = -1;
    if (getenv("DMPI_LIVE_CLUSTER"))
        snprintf(live.name, sizeof(live.name), "%s", getenv("DMPI_LIVE_CLUSTER"));
    else
        snprintf(live.name, sizeof(live.name), "live%d", (int)getpid());
    if (!engine_url())
        return 0;
    if (pipe(live.cancel) != 0 || dmpi_endpoint_parse(&live.ep, engine_url(), &live.err) != 0 ||
        dmpi_engine_open(&live.engine, &live.ep, NULL, &live.err) != 0) {
        fprintf(stderr, "%s\n", live.err.msg);
        return -1;
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (!live.engine)
        return 0;
    down(); // what a failed test has left
    dmpi_up_result_free(&live.result);
    dmpi_engine_close(live.engine);
    dmpi_endpoint_free(&live.ep);
    close(live.cancel[0]);
    close(live.cancel[1]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(converges),
        cmocka_unit_test(repairs_what_was_restarted_or_lost),
        cmocka_unit_test(a_port_found_taken_is_replaced),
        cmocka_unit_test(a_cancel_leaves_nothing_new),
        cmocka_unit_test(a_name_that_is_taken),
        cmocka_unit_test(a_running_job_keeps_its_workers),
        cmocka_unit_test(images_that_cannot_be_workers),
        cmocka_unit_test(the_mesh_is_read_from_the_launcher),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
