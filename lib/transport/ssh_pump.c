// SPDX-License-Identifier: MIT
#include "transport/ssh_pump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "transport/ssh_pump_impl.h"

// The kernel does not tell of every network that is gone (DEAD_MS of ssh_session.c). One that is away for 10 s is
// survived: TCP sends again after 12.6.
#define KEEPALIVE_MS 3000
#define SILENCE_MS 18000

void dmpi_ssh_pump_note(struct dmpi_ssh_pump *p, bool dead, const char *what, const char *reason)
{
    dmpi_autofree char *safe = dmpi_text_print_safe(reason);
    pthread_mutex_lock(&p->lock);
    p->dead = p->dead || dead;
    dmpi_err_set(&p->why, DMPI_EUNREACHABLE, "%s: %s: %s", p->s.name, what, safe);
    pthread_mutex_unlock(&p->lock);
    dmpi_debug("%s: %s: %s", p->s.name, what, safe);
}

bool dmpi_ssh_pump_is_dead(struct dmpi_ssh_pump *p)
{
    pthread_mutex_lock(&p->lock);
    bool dead = p->dead;
    pthread_mutex_unlock(&p->lock);
    return dead;
}

/* ---- all of them ---- */

/* Everything that can be done now; libssh2's buffers may hold news for links already passed. */
static void advance_all(struct dmpi_ssh_pump *p)
{
    bool moved = true;
    for (int round = 0; moved && round < 64 && !dmpi_ssh_pump_is_dead(p); round++) {
        moved = false;
        if (p->owner)
            moved = dmpi_ssh_link_perform(p, p->owner, p->owner_op);
        for (size_t i = 0; i < p->n && !dmpi_ssh_pump_is_dead(p); i++)
            moved = dmpi_ssh_link_advance(p, p->links[i]) || moved;
    }
    size_t kept = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (p->links[i]->stage == GONE)
            dmpi_ssh_link_free(p->links[i]);
        else
            p->links[kept++] = p->links[i];
    }
    p->n = kept;
}

static int64_t patience(struct dmpi_ssh_pump *p)
{
    if (p->owner)
        return KEEPALIVE_MS;
    for (size_t i = 0; i < p->n; i++) {
        if (dmpi_ssh_link_pending(p->links[i]))
            return 0;
        /* Its answer may have been taken in with another's data. */
        if (p->links[i]->stage == OPENING || p->links[i]->stage == CLOSING)
            return 20;
    }
    int64_t due = p->last_out + KEEPALIVE_MS - dmpi_now_ms();
    return due < 1 ? 1 : due;
}

static void accept_one(struct dmpi_ssh_pump *p)
{
    struct ucred who;
    socklen_t size = sizeof who;
    int fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    if (p->n >= LINKS_MAX || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 ||
        who.uid != geteuid()) {
        close(fd);
        return;
    }
    struct dmpi_ssh_link *l = dmpi_xcalloc(1, sizeof *l);
    l->fd = fd;
    p->links[p->n++] = l;
}

/* Sent only when nothing was for a while: then there is room and it is never sent by halves. */
static void keep_alive(struct dmpi_ssh_pump *p)
{
    int next = 0;
    int64_t now = dmpi_now_ms();
    if (now - p->last_in > SILENCE_MS)
        dmpi_ssh_pump_note(p, true, "the ssh connection is lost", "the host is silent");
    if (p->owner || now - p->last_out < KEEPALIVE_MS)
        return;
    p->last_out = now;
    if (libssh2_keepalive_send(p->s.ssh, &next) != 0)
        dmpi_ssh_pump_note(p, true, "the ssh connection is lost", dmpi_ssh_session_error(&p->s));
}

enum { POLL_SSH, POLL_STOP, POLL_LISTEN, POLL_LINKS };

static void prepare_poll(const struct dmpi_ssh_pump *p, struct pollfd *fds)
{
    fds[POLL_SSH] = (struct pollfd){.fd = p->s.fd, .events = p->owner ? POLLOUT : POLLIN};
    fds[POLL_STOP] = (struct pollfd){.fd = p->stop[0], .events = POLLIN};
    fds[POLL_LISTEN] = (struct pollfd){.fd = p->n < LINKS_MAX ? p->listener : -1, .events = POLLIN};
    for (size_t i = 0; i < p->n; i++) {
        const struct dmpi_ssh_link *l = p->links[i];
        short events = 0;
        if (l->stage == OPEN && !l->fd_ended && l->up_pos >= l->up_len)
            events |= POLLIN;
        if (l->stage == OPEN && l->down_pos < l->down_len)
            events |= POLLOUT;
        /* Once it is closed on the way out its hang-up would wake us for ever. */
        fds[POLL_LINKS + i] =
            (struct pollfd){.fd = l->stage == OPEN ? l->fd : -1, .events = events};
    }
}

static void read_poll(struct dmpi_ssh_pump *p, const struct pollfd *fds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (fds[POLL_LINKS + i].revents & (POLLHUP | POLLERR))
            p->links[i]->stage = CLOSING;
    }
    if (fds[POLL_LISTEN].revents)
        accept_one(p);
    if (!fds[POLL_SSH].revents || p->owner)
        return;
    p->last_in = dmpi_now_ms();
    /* Whichever channel is read, libssh2 takes in all that came, for every channel. */
    dmpi_ssh_link_perform(p, p->drain, OP_READ);
    p->drain->down_len = 0;
}

/* False when it is time to end. */
static bool turn(struct dmpi_ssh_pump *p, struct pollfd *fds)
{
    advance_all(p);
    keep_alive(p);
    if (dmpi_ssh_pump_is_dead(p))
        return false;
    size_t n = p->n;
    prepare_poll(p, fds);
    if (poll(fds, POLL_LINKS + n, (int)patience(p)) < 0)
        return errno == EINTR;
    if (fds[POLL_STOP].revents)
        return false;
    read_poll(p, fds, n);
    return true;
}

static void *pump_main(void *arg)
{
    struct dmpi_ssh_pump *p = arg;
    struct pollfd fds[POLL_LINKS + LINKS_MAX];
    p->last_in = p->last_out = dmpi_now_ms();
    while (turn(p, fds))
        ;
    for (size_t i = 0; i < p->n; i++)
        dmpi_ssh_link_free(p->links[i]);
    p->n = 0;
    dmpi_ssh_session_close(&p->s);
    return NULL;
}

/* ---- from outside ---- */

/* Listens at a socket that only this process can reach. */
static int listen_alone(struct dmpi_ssh_pump *p, struct dmpi_err *err)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    if (dmpi_nameless_make(&p->socket, err) != 0)
        return -1;
    memcpy(sun.sun_path, p->socket.path, strlen(p->socket.path) + 1);
    p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (p->listener < 0 || bind(p->listener, (struct sockaddr *)&sun, sizeof sun) != 0 ||
        listen(p->listener, 128) != 0)
        return dmpi_err_sys(err, errno, "%s", p->socket.path);
    dmpi_nameless_vanish(&p->socket);
    return 0;
}

static int start(struct dmpi_ssh_pump *p, const char *remote, const struct dmpi_ctl *ctl,
                 struct dmpi_err *err)
{
    p->drain->stage = OPEN;
    if (dmpi_ssh_way_find(&p->way, &p->s, remote, &p->drain->ch, ctl, err) != 0 ||
        listen_alone(p, err) != 0)
        return -1;
    if (pipe2(p->stop, O_CLOEXEC) != 0)
        return dmpi_err_sys(err, errno, "pipe");
    int why = pthread_create(&p->thread, NULL, pump_main, p);
    if (why != 0)
        return dmpi_err_sys(err, why, "thread");
    p->has_thread = true;
    return 0;
}

int dmpi_ssh_pump_start(struct dmpi_ssh_pump **out, struct dmpi_ssh_session *session,
                        const char *remote, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct dmpi_ssh_pump *p = dmpi_xcalloc(1, sizeof *p);
    p->s = *session;
    *session = (struct dmpi_ssh_session){.fd = -1};
    p->socket = (struct dmpi_nameless)DMPI_NAMELESS_INIT;
    p->listener = p->stop[0] = p->stop[1] = -1;
    p->drain = dmpi_xcalloc(1, sizeof *p->drain);
    pthread_mutex_init(&p->lock, NULL);
    if (start(p, remote, ctl, err) != 0) {
        dmpi_ssh_pump_stop(p);
        return -1;
    }
    *out = p;
    return 0;
}

void dmpi_ssh_pump_stop(struct dmpi_ssh_pump *p)
{
    if (!p)
        return;
    if (p->has_thread) {
        while (write(p->stop[1], "x", 1) < 0 && errno == EINTR)
            ;
        pthread_join(p->thread, NULL);
    } else {
        dmpi_ssh_session_close(&p->s);
    }
    int fds[] = {p->listener, p->stop[0], p->stop[1]};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(fds); i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    dmpi_nameless_end(&p->socket);
    dmpi_ssh_way_free(&p->way);
    pthread_mutex_destroy(&p->lock);
    free(p->drain);
    free(p);
}

const char *dmpi_ssh_pump_path(const struct dmpi_ssh_pump *p)
{
    return p->socket.path;
}

bool dmpi_ssh_pump_forwards(const struct dmpi_ssh_pump *p)
{
    return !p->way.stdio;
}

bool dmpi_ssh_pump_alive(struct dmpi_ssh_pump *p)
{
    return !dmpi_ssh_pump_is_dead(p);
}

int dmpi_ssh_pump_why(struct dmpi_ssh_pump *p, struct dmpi_err *err)
{
    pthread_mutex_lock(&p->lock);
    bool known = p->why.code != DMPI_OK;
    if (known)
        *err = p->why;
    p->why.code = DMPI_OK; /* told once: it is not the cause of what fails later */
    pthread_mutex_unlock(&p->lock);
    return known ? -1 : 0;
}
