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
    char path[108];
    pthread_mutex_t lock;
};

struct ssh_state {
    struct dmpi_ssh_config config;
    char dir[96];             /* private folder of the sockets */
    atomic_bool only_program; /* libssh2 was tried in vain */
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
    return dmpi_ssh_pump_start(&lane->pump, &session, remote, lane->path, ctl, err);
}

static int lane_by_program(struct dmpi_transport *t, struct lane *lane, const struct dmpi_ctl *ctl,
                           struct dmpi_err *err)
{
    struct ssh_state *st = t->state;
    struct dmpi_err first = *err;
    if (dmpi_ssh_program_start(&lane->program, &st->config, &t->ep, lane->path, ctl, err) == 0) {
        if (first.code != DMPI_OK)
            dmpi_info("%s: reached by the ssh program (%s)", t->name, first.msg);
        return 0;
    }
    if (first.code == DMPI_OK || err->code == DMPI_ECANCELED || err->code == DMPI_ETIMEOUT)
        return -1;
    return dmpi_err_set(err, first.code, "%.600s; %.400s", first.msg, err->msg);
}

static int lane_start(struct dmpi_transport *t, struct lane *lane, const struct dmpi_ctl *ctl,
                      struct dmpi_err *err)
{
    struct ssh_state *st = t->state;
    bool program = st->only_program;
    *err = (struct dmpi_err)DMPI_ERR_INIT;
    if (!program && lane_by_library(t, lane, &program, ctl, err) == 0)
        return 0;
    if (!program || !st->config.program)
        return -1;
    if (lane_by_program(t, lane, ctl, err) != 0)
        return -1;
    st->only_program = true;
    return 0;
}

static int lane_ensure(struct dmpi_transport *t, enum dmpi_lane which, const struct dmpi_ctl *ctl,
                       struct dmpi_err *err)
{
    struct ssh_state *st = t->state;
    struct lane *lane = &st->lanes[which];
    int result = 0;
    pthread_mutex_lock(&lane->lock);
    if (!lane_alive(lane)) {
        lane_stop(lane);
        result = lane_start(t, lane, ctl, err);
    }
    pthread_mutex_unlock(&lane->lock);
    return result;
}

/* A socket's path has 107 bytes at most: a long runtime folder is no use. */
static int make_folder(struct ssh_state *st, struct dmpi_err *err)
{
    const char *home = getenv("XDG_RUNTIME_DIR");
    if (!home || *home != '/' || strlen(home) > 70 || access(home, W_OK) != 0)
        home = "/tmp";
    snprintf(st->dir, sizeof st->dir, "%s/dockmpi-ssh-XXXXXX", home);
    if (mkdtemp(st->dir))
        return 0;
    st->dir[0] = '\0';
    return dmpi_err_sys(err, errno, "a folder for sockets in %s", home);
}

static int ssh_open(struct dmpi_transport *t, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    static const char *const names[DMPI_LANE_COUNT] = {"control", "bulk"};
    struct ssh_state *st = dmpi_xcalloc(1, sizeof *st);
    t->state = st;
    t->base = dmpi_xstrdup("http://localhost");
    for (int i = 0; i < DMPI_LANE_COUNT; i++)
        pthread_mutex_init(&st->lanes[i].lock, NULL);
    if (make_folder(st, err) != 0)
        return -1;
    for (int i = 0; i < DMPI_LANE_COUNT; i++)
        snprintf(st->lanes[i].path, sizeof st->lanes[i].path, "%s/%s", st->dir, names[i]);
    if (dmpi_ssh_config_load(&st->config, &t->ep, ctl, err) != 0)
        return -1;
    return lane_ensure(t, DMPI_LANE_CONTROL, ctl, err);
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
    if (*st->dir)
        rmdir(st->dir);
    dmpi_ssh_config_free(&st->config);
    free(st);
}

static int ssh_setup(struct dmpi_transport *t, CURL *easy, enum dmpi_lane lane,
                     const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct ssh_state *st = t->state;
    if (lane_ensure(t, lane, ctl, err) != 0)
        return -1;
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, st->lanes[lane].path);
    return 0;
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
