// SPDX-License-Identifier: MIT
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "transport/internal.h"
#include "transport/ssh_program.h"
#include "transport/ssh_pump.h"

/* One SSH connection behind a unix socket of ours; made when it is first wanted, again when lost. */
struct lane {
    struct dmpi_ssh_pump *pump;       /* by libssh2 */
    struct dmpi_ssh_program *program; /* or by the ssh program */
    pthread_mutex_t lock;
};

struct ssh_state {
    struct dmpi_ssh_config config;
    atomic_bool only_program; /* libssh2 was tried in vain */
    atomic_bool forwards;     /* the server forwards the engine's socket */
    struct lane lanes[DMPI_LANE_COUNT];
};

static void lane_stop(struct lane *lane)
{
    dmpi_ssh_pump_stop(DMPI_STEAL(lane->pump));
    dmpi_ssh_program_stop(DMPI_STEAL(lane->program));
}

static bool lane_alive(struct lane *lane)
{
    if (lane->pump)
        return dmpi_ssh_pump_alive(lane->pump);
    return lane->program && dmpi_ssh_program_alive(lane->program);
}

static int lane_by_library(struct dmpi_transport *t, struct lane *lane, bool *program,
                           const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct ssh_state *st = t->state;
    struct dmpi_ssh_session session;
    if (dmpi_ssh_session_open(&session, &st->config, &t->ep, ctl, program, err) != 0) {
        dmpi_ssh_session_close(&session);
        return -1;
    }
    const char *remote = t->ep.path ? t->ep.path : DMPI_DOCKER_SOCK;
    if (dmpi_ssh_pump_start(&lane->pump, &session, remote, ctl, err) != 0)
        return -1;
    st->forwards = dmpi_ssh_pump_forwards(lane->pump);
    return 0;
}

static int lane_by_program(struct dmpi_transport *t, struct lane *lane, const struct dmpi_ctl *ctl,
                           struct dmpi_err *err)
{
    struct ssh_state *st = t->state;
    struct dmpi_err first = *err;
    if (dmpi_ssh_program_start(&lane->program, &st->config, &t->ep, ctl, err) == 0) {
        if (first.code != DMPI_OK)
            dmpi_info("%s: reached by the ssh program (%s)", t->name, first.msg);
        return 0;
    }
    if (first.code == DMPI_OK || err->code == DMPI_ECANCELED || err->code == DMPI_ETIMEOUT)
        return -1;
    return dmpi_err_set(err, first.code, "%.600s; %.400s", first.msg, err->msg);
}

/* The ssh program encrypts large bodies in less time than libssh2, but takes longer to start. */
static bool faster_by_program(const struct ssh_state *st, enum dmpi_lane which)
{
    return which == DMPI_LANE_BULK && st->forwards && st->config.program;
}

static int lane_start(struct dmpi_transport *t, enum dmpi_lane which, const struct dmpi_ctl *ctl,
                      struct dmpi_err *err)
{
    struct ssh_state *st = t->state;
    struct lane *lane = &st->lanes[which];
    bool program = st->only_program;
    *err = (struct dmpi_err)DMPI_ERR_INIT;
    if (!program && faster_by_program(st, which)) {
        if (dmpi_ssh_program_start(&lane->program, &st->config, &t->ep, ctl, err) == 0)
            return 0;
        if (dmpi_ctl_check(ctl, err) != 0)
            return -1;
        dmpi_info("%s: large bodies go by libssh2 (%s)", t->name, err->msg);
        *err = (struct dmpi_err)DMPI_ERR_INIT;
    }
    if (!program && lane_by_library(t, lane, &program, ctl, err) == 0)
        return 0;
    if (!program || !st->config.program)
        return -1;
    if (lane_by_program(t, lane, ctl, err) != 0)
        return -1;
    st->only_program = true;
    return 0;
}

/* Makes sure that it is there and points easy (may be NULL) to it. */
static int lane_ensure(struct dmpi_transport *t, enum dmpi_lane which, CURL *easy,
                       const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct ssh_state *st = t->state;
    struct lane *lane = &st->lanes[which];
    int result = 0;
    pthread_mutex_lock(&lane->lock);
    if (!lane_alive(lane)) {
        lane_stop(lane);
        result = lane_start(t, which, ctl, err);
    }
    if (result == 0 && easy)
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH,
                         lane->pump ? dmpi_ssh_pump_path(lane->pump)
                                    : dmpi_ssh_program_path(lane->program));
    pthread_mutex_unlock(&lane->lock);
    return result;
}

static int ssh_open(struct dmpi_transport *t, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct ssh_state *st = dmpi_xcalloc(1, sizeof *st);
    t->state = st;
    t->base = dmpi_xstrdup("http://localhost");
    for (int i = 0; i < DMPI_LANE_COUNT; i++)
        pthread_mutex_init(&st->lanes[i].lock, NULL);
    if (dmpi_ssh_config_load(&st->config, &t->ep, ctl, err) != 0)
        return -1;
    return lane_ensure(t, DMPI_LANE_CONTROL, NULL, ctl, err);
}

static void ssh_close(struct dmpi_transport *t)
{
    struct ssh_state *st = t->state;
    if (!st)
        return;
    for (int i = 0; i < DMPI_LANE_COUNT; i++) {
        lane_stop(&st->lanes[i]);
        pthread_mutex_destroy(&st->lanes[i].lock);
    }
    dmpi_ssh_config_free(&st->config);
    free(st);
}

static int ssh_setup(struct dmpi_transport *t, CURL *easy, enum dmpi_lane lane,
                     const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    return lane_ensure(t, lane, easy, ctl, err);
}

static int ssh_explain(struct dmpi_transport *t, CURLcode code, const char *detail,
                       struct dmpi_err *err)
{
    (void)detail;
    struct ssh_state *st = t->state;
    int result = 0;
    if (code != CURLE_COULDNT_CONNECT && code != CURLE_GOT_NOTHING && code != CURLE_RECV_ERROR &&
        code != CURLE_SEND_ERROR && code != CURLE_PARTIAL_FILE)
        return 0;
    for (int i = 0; i < DMPI_LANE_COUNT && result == 0; i++) {
        struct lane *lane = &st->lanes[i];
        pthread_mutex_lock(&lane->lock);
        if (lane->pump)
            result = dmpi_ssh_pump_why(lane->pump, err);
        else if (lane->program)
            result = dmpi_ssh_program_why(lane->program, err);
        pthread_mutex_unlock(&lane->lock);
    }
    return result;
}

const struct dmpi_transport_ops dmpi_transport_ssh = {
    .scheme = DMPI_SSH,
    .lanes = true,
    .open = ssh_open,
    .setup = ssh_setup,
    .explain = ssh_explain,
    .close = ssh_close,
};
