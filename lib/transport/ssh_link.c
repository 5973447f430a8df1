// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/ssh_pump_impl.h"

static void broken(struct dmpi_ssh_pump *p, struct dmpi_ssh_link *l, int rc)
{
    if (rc == LIBSSH2_ERROR_SOCKET_SEND || rc == LIBSSH2_ERROR_SOCKET_RECV ||
        rc == LIBSSH2_ERROR_SOCKET_DISCONNECT || rc == LIBSSH2_ERROR_BAD_USE ||
        rc == LIBSSH2_ERROR_DECRYPT || rc == LIBSSH2_ERROR_PROTO)
        dmpi_ssh_pump_note(p, true, "the ssh connection is lost", dmpi_ssh_session_error(&p->s));
    l->stage = l->ch ? CLOSING : GONE;
}

static int do_open(struct dmpi_ssh_pump *p, struct dmpi_ssh_link *l)
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
    dmpi_ssh_pump_note(p, false, "the engine's socket there cannot be opened any more",
                       dmpi_ssh_session_error(&p->s));
    return rc;
}

static int do_read(struct dmpi_ssh_pump *p, struct dmpi_ssh_link *l)
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
            dmpi_ssh_pump_note(p, false, "docker system dial-stdio says", said);
            return 0;
        }
    }
    l->ch_ended = libssh2_channel_eof(l->ch) == 1;
    return l->ch_ended ? 0 : LIBSSH2_ERROR_EAGAIN;
}

static int do_write(struct dmpi_ssh_pump *p, struct dmpi_ssh_link *l)
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

static int do_free(struct dmpi_ssh_link *l)
{
    int rc = libssh2_channel_free(l->ch);
    if (rc == LIBSSH2_ERROR_EAGAIN)
        return rc;
    l->ch = NULL;
    l->stage = GONE;
    return 0;
}

static int do_op(struct dmpi_ssh_pump *p, struct dmpi_ssh_link *l, enum dmpi_link_op op)
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

bool dmpi_ssh_link_perform(struct dmpi_ssh_pump *p, struct dmpi_ssh_link *l, enum dmpi_link_op op)
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

static bool wanted(const struct dmpi_ssh_pump *p, const struct dmpi_ssh_link *l,
                   enum dmpi_link_op op)
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
static bool take_in(struct dmpi_ssh_link *l)
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
static bool give_out(struct dmpi_ssh_link *l)
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

static bool finished(const struct dmpi_ssh_link *l)
{
    return l->stage == OPEN && l->fd_shut && l->eof_sent;
}

bool dmpi_ssh_link_advance(struct dmpi_ssh_pump *p, struct dmpi_ssh_link *l)
{
    bool moved = false;
    for (enum dmpi_link_op op = OP_OPEN; op <= OP_FREE; op++) {
        moved = take_in(l) || moved;
        if (!p->owner && wanted(p, l, op))
            moved = dmpi_ssh_link_perform(p, l, op) || moved;
        moved = give_out(l) || moved;
    }
    if (finished(l)) {
        l->stage = CLOSING;
        moved = true;
    }
    return moved;
}

void dmpi_ssh_link_free(struct dmpi_ssh_link *l)
{
    close(l->fd);
    explicit_bzero(l->up, sizeof l->up);
    explicit_bzero(l->down, sizeof l->down);
    free(l);
}

/* (libssh2_poll_channel_read fails for ever once an answer to a keep-alive lies in its queue.) */
bool dmpi_ssh_link_pending(const struct dmpi_ssh_link *l)
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
