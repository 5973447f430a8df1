// SPDX-License-Identifier: MIT
#include "transport/ssh_pump.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#define LINKS_MAX 200
#define CHUNK (64u << 10)
#define KEEPALIVE_MS 15000
#define SILENCE_MS 50000

/* What can be done with a channel. */
enum op { OP_OPEN, OP_READ, OP_WRITE, OP_EOF, OP_FREE };

enum stage { OPENING, OPEN, CLOSING, GONE };

/* One connection from here and its channel. */
struct link {
    int fd;
    LIBSSH2_CHANNEL *ch;
    bool started; /* the program behind a dial-stdio channel */
    enum stage stage;
    size_t up_pos, up_len;     /* bytes of up still to go to the channel */
    size_t down_pos, down_len; /* bytes of down still to go to fd */
    bool fd_ended, eof_sent, ch_ended, fd_shut;
    char up[CHUNK];
    char down[CHUNK];
};

struct dmpi_ssh_pump {
    struct dmpi_ssh_session s;
    struct dmpi_ssh_way way;
    char path[108];
    int listener;
    int stop[2];
    pthread_t thread;
    bool has_thread;

    /* Of the thread alone. */
    struct link
        *drain; /* an idle channel: with it the session is read when no other one wants to */
    struct link *links[LINKS_MAX];
    size_t n;
    struct link *opener; /* libssh2 can open one channel at a time */
    struct link *owner;  /* libssh2 has sent a part of a packet for owner_op: see perform */
    enum op owner_op;
    int64_t last_in, last_out;

    pthread_mutex_t lock; /* of what follows */
    bool dead;
    struct dmpi_err why;
};

static void note(struct dmpi_ssh_pump *p, bool dead, const char *what, const char *reason)
{
    dmpi_autofree char *safe = dmpi_text_print_safe(reason);
    pthread_mutex_lock(&p->lock);
    p->dead = p->dead || dead;
    dmpi_err_set(&p->why, DMPI_EUNREACHABLE, "%s: %s: %s", p->s.name, what, safe);
    pthread_mutex_unlock(&p->lock);
    dmpi_debug("%s: %s: %s", p->s.name, what, safe);
}

static bool is_dead(struct dmpi_ssh_pump *p)
{
    pthread_mutex_lock(&p->lock);
    bool dead = p->dead;
    pthread_mutex_unlock(&p->lock);
    return dead;
}

/* ---- one connection ---- */

static void broken(struct dmpi_ssh_pump *p, struct link *l, int rc)
{
    if (rc == LIBSSH2_ERROR_SOCKET_SEND || rc == LIBSSH2_ERROR_SOCKET_RECV ||
        rc == LIBSSH2_ERROR_SOCKET_DISCONNECT || rc == LIBSSH2_ERROR_BAD_USE ||
        rc == LIBSSH2_ERROR_DECRYPT || rc == LIBSSH2_ERROR_PROTO)
        note(p, true, "the ssh connection is lost", dmpi_ssh_session_error(&p->s));
    l->stage = l->ch ? CLOSING : GONE;
}

static int do_open(struct dmpi_ssh_pump *p, struct link *l)
{
    p->opener = l;
    int rc = dmpi_ssh_way_open(&p->way, p->s.ssh, &l->ch, &l->started);
    if (rc == LIBSSH2_ERROR_EAGAIN)
        return rc;
    p->opener = NULL;
    if (rc == 0) {
        l->stage = OPEN;
        return 0;
    }
    note(p, false, "the engine's socket there cannot be opened any more",
         dmpi_ssh_session_error(&p->s));
    return rc;
}

static int do_read(struct dmpi_ssh_pump *p, struct link *l)
{
    char said[512];
    ssize_t got = libssh2_channel_read(l->ch, l->down, sizeof l->down);
    if (got > 0) {
        l->down_pos = 0;
        l->down_len = (size_t)got;
        return 0;
    }
    if (got < 0 && got != LIBSSH2_ERROR_EAGAIN)
        return (int)got;
    if (p->way.stdio &&
        !(libssh2_session_block_directions(p->s.ssh) & LIBSSH2_SESSION_BLOCK_OUTBOUND)) {
        ssize_t n = libssh2_channel_read_stderr(l->ch, said, sizeof said - 1);
        if (n > 0) { /* unread it would fill the window */
            said[n] = '\0';
            note(p, false, "docker system dial-stdio says", said);
            return 0;
        }
    }
    l->ch_ended = libssh2_channel_eof(l->ch) == 1;
    return l->ch_ended ? 0 : LIBSSH2_ERROR_EAGAIN;
}

static int do_write(struct dmpi_ssh_pump *p, struct link *l)
{
    ssize_t sent = libssh2_channel_write(l->ch, l->up + l->up_pos, l->up_len - l->up_pos);
    if (sent < 0)
        return (int)sent;
    if (sent == 0)
        return LIBSSH2_ERROR_EAGAIN;
    l->up_pos += (size_t)sent;
    p->last_out = dmpi_now_ms();
    return 0;
}

static int do_free(struct link *l)
{
    int rc = libssh2_channel_free(l->ch);
    if (rc == LIBSSH2_ERROR_EAGAIN)
        return rc;
    l->ch = NULL;
    l->stage = GONE;
    return 0;
}

static int do_op(struct dmpi_ssh_pump *p, struct link *l, enum op op)
{
    int rc;
    switch (op) {
    case OP_OPEN:
        return do_open(p, l);
    case OP_READ:
        return do_read(p, l);
    case OP_WRITE:
        return do_write(p, l);
    case OP_EOF:
        rc = libssh2_channel_send_eof(l->ch);
        l->eof_sent = rc == 0;
        return rc;
    default:
        return do_free(l);
    }
}

/*
 * One operation; true when it moved something. When libssh2 could send only a part of a packet, the
 * very same call must be made again before any other one on the session, or it fails for good: the
 * operation becomes the session's owner until it is through.
 */
static bool perform(struct dmpi_ssh_pump *p, struct link *l, enum op op)
{
    int rc = do_op(p, l, op);
    p->owner = NULL;
    if (rc == LIBSSH2_ERROR_EAGAIN) {
        if (libssh2_session_block_directions(p->s.ssh) & LIBSSH2_SESSION_BLOCK_OUTBOUND) {
            p->owner = l;
            p->owner_op = op;
        }
        return false;
    }
    if (rc != 0)
        broken(p, l, rc);
    return true;
}

static bool wanted(const struct dmpi_ssh_pump *p, const struct link *l, enum op op)
{
    bool up = l->up_pos < l->up_len, down = l->down_pos < l->down_len;
    switch (op) {
    case OP_OPEN:
        return l->stage == OPENING && (!p->opener || p->opener == l);
    case OP_READ:
        return l->stage == OPEN && !down && !l->ch_ended;
    case OP_WRITE:
        return l->stage == OPEN && up;
    case OP_EOF:
        return l->stage == OPEN && l->fd_ended && !up && !l->eof_sent;
    default:
        return l->stage == CLOSING;
    }
}

/* From here into up. */
static bool take_in(struct link *l)
{
    if (l->fd_ended || l->up_pos < l->up_len || l->stage != OPEN)
        return false;
    ssize_t got = recv(l->fd, l->up, sizeof l->up, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    l->fd_ended = got <= 0;
    l->up_pos = 0;
    l->up_len = got > 0 ? (size_t)got : 0;
    return true;
}

/* From down to here. */
static bool give_out(struct link *l)
{
    if (l->stage != OPEN)
        return false;
    if (l->down_pos < l->down_len) {
        ssize_t sent = send(l->fd, l->down + l->down_pos, l->down_len - l->down_pos,
                            MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR))
            return false;
        if (sent < 0)
            l->stage = CLOSING;
        else
            l->down_pos += (size_t)sent;
        return true;
    }
    if (!l->ch_ended || l->fd_shut)
        return false;
    shutdown(l->fd, SHUT_WR);
    l->fd_shut = true;
    return true;
}

static bool finished(const struct link *l)
{
    return l->stage == OPEN && l->fd_shut && l->eof_sent;
}

static bool advance(struct dmpi_ssh_pump *p, struct link *l)
{
    bool moved = false;
    for (enum op op = OP_OPEN; op <= OP_FREE; op++) {
        moved = take_in(l) || moved;
        if (!p->owner && wanted(p, l, op))
            moved = perform(p, l, op) || moved;
        moved = give_out(l) || moved;
    }
    if (finished(l)) {
        l->stage = CLOSING;
        moved = true;
    }
    return moved;
}

static void link_free(struct link *l)
{
    close(l->fd);
    explicit_bzero(l->up, sizeof l->up);
    explicit_bzero(l->down, sizeof l->down);
    free(l);
}

/* ---- all of them ---- */

/* Everything that can be done now; libssh2's buffers may hold news for links already passed. */
static void advance_all(struct dmpi_ssh_pump *p)
{
    bool moved = true;
    for (int round = 0; moved && round < 64 && !is_dead(p); round++) {
        moved = false;
        if (p->owner)
            moved = perform(p, p->owner, p->owner_op);
        for (size_t i = 0; i < p->n && !is_dead(p); i++)
            moved = advance(p, p->links[i]) || moved;
    }
    size_t kept = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (p->links[i]->stage == GONE)
            link_free(p->links[i]);
        else
            p->links[kept++] = p->links[i];
    }
    p->n = kept;
}

/*
 * True when libssh2 holds something for a link already, so that waiting for the socket is wrong.
 * (libssh2_poll_channel_read fails for ever once an answer to a keep-alive lies in its queue.)
 */
static bool pending(const struct link *l)
{
    unsigned long queued = 0;
    if (l->stage != OPEN)
        return false;
    if (l->up_pos < l->up_len && libssh2_channel_window_write(l->ch) > 0)
        return true;
    if (l->down_pos < l->down_len || l->ch_ended)
        return false;
    libssh2_channel_window_read_ex(l->ch, &queued, NULL);
    return queued > 0 || libssh2_channel_eof(l->ch) == 1;
}

static int64_t patience(struct dmpi_ssh_pump *p)
{
    if (p->owner)
        return KEEPALIVE_MS;
    for (size_t i = 0; i < p->n; i++) {
        if (pending(p->links[i]))
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
    struct link *l = dmpi_xcalloc(1, sizeof *l);
    l->fd = fd;
    p->links[p->n++] = l;
}

/* Sent only when nothing was for a while: then there is room and it is never sent by halves. */
static void keep_alive(struct dmpi_ssh_pump *p)
{
    int next = 0;
    int64_t now = dmpi_now_ms();
    if (now - p->last_in > SILENCE_MS)
        note(p, true, "the ssh connection is lost", "the host is silent");
    if (p->owner || now - p->last_out < KEEPALIVE_MS)
        return;
    p->last_out = now;
    if (libssh2_keepalive_send(p->s.ssh, &next) != 0)
        note(p, true, "the ssh connection is lost", dmpi_ssh_session_error(&p->s));
}

enum { POLL_SSH, POLL_STOP, POLL_LISTEN, POLL_LINKS };

static void prepare_poll(const struct dmpi_ssh_pump *p, struct pollfd *fds)
{
    fds[POLL_SSH] = (struct pollfd){.fd = p->s.fd, .events = p->owner ? POLLOUT : POLLIN};
    fds[POLL_STOP] = (struct pollfd){.fd = p->stop[0], .events = POLLIN};
    fds[POLL_LISTEN] = (struct pollfd){.fd = p->n < LINKS_MAX ? p->listener : -1, .events = POLLIN};
    for (size_t i = 0; i < p->n; i++) {
        const struct link *l = p->links[i];
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
    perform(p, p->drain, OP_READ);
    p->drain->down_len = 0;
}

/* False when it is time to end. */
static bool turn(struct dmpi_ssh_pump *p, struct pollfd *fds)
{
    advance_all(p);
    keep_alive(p);
    if (is_dead(p))
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
        link_free(p->links[i]);
    p->n = 0;
    dmpi_ssh_session_close(&p->s);
    return NULL;
}

/* ---- from outside ---- */

static int listen_at(struct dmpi_ssh_pump *p, const char *path, struct dmpi_err *err)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof sun.sun_path)
        return dmpi_err_set(err, DMPI_EINVAL, "%s is too long for a socket", path);
    memcpy(sun.sun_path, path, strlen(path) + 1);
    p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (p->listener < 0 || bind(p->listener, (struct sockaddr *)&sun, sizeof sun) != 0)
        return dmpi_err_sys(err, errno, "%s", path);
    memcpy(p->path, path, strlen(path) + 1);
    if (listen(p->listener, 128) != 0)
        return dmpi_err_sys(err, errno, "%s", path);
    return 0;
}

static int start(struct dmpi_ssh_pump *p, const char *remote, const char *path,
                 const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    p->drain->stage = OPEN;
    if (dmpi_ssh_way_find(&p->way, &p->s, remote, &p->drain->ch, ctl, err) != 0 ||
        listen_at(p, path, err) != 0)
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
                        const char *remote, const char *path, const struct dmpi_ctl *ctl,
                        struct dmpi_err *err)
{
    struct dmpi_ssh_pump *p = dmpi_xcalloc(1, sizeof *p);
    p->s = *session;
    *session = (struct dmpi_ssh_session){.fd = -1};
    p->listener = p->stop[0] = p->stop[1] = -1;
    p->drain = dmpi_xcalloc(1, sizeof *p->drain);
    pthread_mutex_init(&p->lock, NULL);
    if (start(p, remote, path, ctl, err) != 0) {
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
    if (*p->path)
        unlink(p->path);
    dmpi_ssh_way_free(&p->way);
    pthread_mutex_destroy(&p->lock);
    free(p->drain);
    free(p);
}

bool dmpi_ssh_pump_alive(struct dmpi_ssh_pump *p)
{
    return !is_dead(p);
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
