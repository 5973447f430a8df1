// SPDX-License-Identifier: MIT
// A fleet of 64 nodes of which half are ill, each in its own way: the others must not notice.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "cluster/down.h"
#include "cluster/state.h"
#include "fleet/fleet.h"
#include "spec/spec.h"
#include "unit/fake_engine.h"

#define N_NODES 64
#define N_WELL 32
// Patience for everything, at first; a machine that is too slow for it gets more.
#define ASK_MS 2500
#define ASK_MOST_MS 90000
#define MUCH_MS 60000 // what a machine may add

enum ill {
    WELL,
    REFUSES,  // no socket there
    MUTE,     // takes connections and says nothing
    STALLS,   // greets, then says nothing
    NO_HTTP,  // speaks another protocol
    NO_JSON,  // greets, then answers what is not JSON
    HALF,     // hangs up in the middle of an answer
    FAILS,    // greets, then answers 500
    DRIBBLES, // an answer that never comes to its end
    N_KINDS
};

struct ward {
    enum ill ill;
    int index;
};

// One worker, whose number is that of the node.
static void answer_list(int fd, int index)
{
    dmpi_autofree char *text = dmpi_xasprintf(
        "[{\"Id\":\"id%d\",\"Names\":[\"/"
        "dockmpi-lab-worker-%d\"],\"Image\":\"x\",\"ImageID\":\"y\","
        "\"State\":\"running\",\"Created\":1700000000,\"Labels\":{\"io.dockmpi.cluster\":\"lab\","
        "\"io.dockmpi.role\":\"worker\",\"io.dockmpi.index\":\"%d\"}}]",
        index, index, index);
    fake_answer(fd, "200 OK", "application/json", text);
}

static void answer(int fd, const struct ward *ward, const char *line)
{
    enum ill ill = ward->ill;
    if (ill == NO_HTTP) {
        fake_send(fd, "SSH-2.0-OpenSSH_9.2\r\n");
    } else if (strstr(line, "_ping") && ill != MUTE) {
        fake_pong(fd, "1.41");
    } else if (ill == WELL && strstr(line, "DELETE")) {
        fake_answer(fd, "204 No Content", "application/json", "");
    } else if (ill == WELL) {
        answer_list(fd, ward->index);
    } else if (ill == NO_JSON) {
        fake_answer(fd, "200 OK", "text/html", "<html>Sign in to the hotel's network</html>");
    } else if (ill == FAILS) {
        fake_answer(fd, "500 Internal Server Error", "application/json",
                    "{\"message\":\"database is locked\"}");
    } else if (ill == HALF) {
        fake_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n[{\"Id\":");
        shutdown(fd, SHUT_RDWR);
    } else if (ill == DRIBBLES) {
        fake_send(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        // Ends with the first byte that nobody takes.
        while (send(fd, "1\r\n[\r\n", 6, MSG_NOSIGNAL) == 6)
            usleep(20000);
    }
}

static void serve(struct fake *fake, int fd, int n, void *arg)
{
    (void)fake;
    (void)n;
    const struct ward *ward = arg;
    char line[4096];
    while (fake_request_line(fd, line, sizeof(line)))
        answer(fd, ward, line);
}

// --- the fleet -------------------------------------------------------------------------------

struct lab {
    struct ward wards[N_NODES];
    struct fake *fakes[N_NODES]; // NULL: there is none
    struct dmpi_node nodes[N_NODES];
    struct dmpi_fleet *fleet;
};

static void lab_open(struct lab *lab, int64_t connect_ms)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    *lab = (struct lab){.fleet = NULL};
    for (size_t i = 0; i < N_NODES; i++) {
        enum ill ill = i % 2 ? (enum ill)(1 + i / 2 % (N_KINDS - 1)) : WELL;
        lab->wards[i] = (struct ward){ill, (int)i};
        lab->fakes[i] = ill == REFUSES ? NULL : fake_start(serve, &lab->wards[i]);
        const char *url = ill == REFUSES ? "unix:///nowhere/docker.sock" : fake_url(lab->fakes[i]);
        lab->nodes[i].name = dmpi_xasprintf("n%zu", i);
        if (dmpi_endpoint_parse(&lab->nodes[i].ep, url, &err) != 0)
            fail_msg("%s", err.msg);
    }
    lab->fleet = dmpi_fleet_new(lab->nodes, N_NODES, connect_ms);
}

static void lab_close(struct lab *lab)
{
    dmpi_fleet_free(lab->fleet);
    for (size_t i = 0; i < N_NODES; i++) {
        if (lab->fakes[i])
            fake_stop(lab->fakes[i]);
        free(lab->nodes[i].name);
        dmpi_endpoint_free(&lab->nodes[i].ep);
    }
}

// Every ill node has an error of its own, which begins with its name; every other one has none.
static void check_errors(const struct lab *lab, const struct dmpi_err *errs)
{
    for (size_t i = 0; i < N_NODES; i++) {
        dmpi_autofree char *begin = dmpi_xasprintf("node n%zu: ", i);
        if (lab->wards[i].ill == WELL && errs[i].code != DMPI_OK)
            fail_msg("n%zu is well, but: %s", i, errs[i].msg);
        if (lab->wards[i].ill != WELL &&
            (errs[i].code == DMPI_OK || strncmp(errs[i].msg, begin, strlen(begin)) != 0))
            fail_msg("n%zu with illness %d: '%s'", i, (int)lab->wards[i].ill, errs[i].msg);
    }
}

// One attempt at loading the state; false when it was too hasty for this machine.
static bool load_within(int64_t ask_ms, bool last)
{
    struct lab lab;
    struct dmpi_state found;
    struct dmpi_err err = DMPI_ERR_INIT;
    lab_open(&lab, ask_ms / 2);
    struct dmpi_ctl none = DMPI_CTL_NONE, ctl = dmpi_ctl_within(&none, ask_ms);
    int64_t begin = dmpi_now_ms();
    int rc = dmpi_state_load(&found, lab.fleet, "lab", &ctl, &err);
    int64_t took = dmpi_now_ms() - begin;
    bool enough = found.n == N_WELL;
    if (enough || last) {
        assert_int_equal(found.n, N_WELL);
        assert_int_equal(rc, -1);
        assert_true(took < ask_ms + MUCH_MS);
        assert_int_equal(err.code, DMPI_EPARTIAL);
        assert_non_null(strstr(err.msg, "32 of 64 nodes failed; the first: node n1: "));
        check_errors(&lab, found.errs);
    }
    dmpi_state_free(&found);
    lab_close(&lab);
    return enough;
}

static void the_well_do_not_notice_the_ill(void **state)
{
    (void)state;
    for (int64_t ask = ASK_MS; !load_within(ask, ask >= ASK_MOST_MS); ask *= 6)
        ;
}

static bool down_within(int64_t ask_ms, bool last)
{
    struct lab lab;
    struct dmpi_down_result result;
    struct dmpi_err err = DMPI_ERR_INIT;
    lab_open(&lab, ask_ms / 2);
    struct dmpi_ctl none = DMPI_CTL_NONE, ctl = dmpi_ctl_within(&none, ask_ms);
    int rc = dmpi_cluster_down(lab.fleet, "lab", NULL, &ctl, &result, &err);
    bool enough = result.removed.n == N_WELL;
    if (enough || last) {
        assert_int_equal(result.removed.n, N_WELL);
        assert_int_equal(rc, -1);
    }
    dmpi_down_result_free(&result);
    lab_close(&lab);
    return enough;
}

static void down_goes_on_without_the_ill(void **state)
{
    (void)state;
    for (int64_t ask = ASK_MS; !down_within(ask, ask >= ASK_MOST_MS); ask *= 6)
        ;
}

int main(void)
{
    alarm(280);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_well_do_not_notice_the_ill),
        cmocka_unit_test(down_goes_on_without_the_ill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
