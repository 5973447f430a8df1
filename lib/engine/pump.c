// SPDX-License-Identifier: MIT
#include <errno.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/demux.h"
#include "engine/hijack.h"

#define CHUNK (64u << 10)

/* One run of dmpi_hijack_pump. */
struct run {
    struct dmpi_hijack *h;
    const struct dmpi_ctl *ctl;
    const struct dmpi_pump *pump;
    struct dmpi_demux own;
    struct dmpi_demux *demux;
    const char *chunk; /* input that waits to be taken over: chunk_len bytes */
    size_t chunk_len;
    bool data_done, source_done, fd_done; /* these inputs are at their end */
    bool input_over;                      /* half-closed, or nobody reads it any more */
    bool output_over;
    struct dmpi_err *err;
    char *in;  /* CHUNK bytes */
    char *out; /* CHUNK bytes */
};

static int deliver(struct run *r, const char *data, size_t n)
{
    if (r->pump->tty)
        return dmpi_sink_write(&r->pump->streams.out, data, n, r->err);
    return dmpi_demux_feed(r->demux, data, n, r->err);
}

/* Takes what came, for a few rounds: the input wants its turn too. 1 when more may wait inside. */
static int read_output(struct run *r)
{
    for (int round = 0; round < 16; round++) {
        ssize_t got = dmpi_hijack_read_some(r->h, r->out, CHUNK, r->err);
        if (got == DMPI_WOULD_BLOCK)
            return 0;
        if (got < 0)
            return -1;
        if (got == 0) {
            r->output_over = true;
            return 0;
        }
        if (deliver(r, r->out, (size_t)got) != 0)
            return -1;
    }
    return 1;
}

static int fill_from_source(struct run *r)
{
    const struct dmpi_source *source = &r->pump->source;
    ssize_t got = source->read(source->arg, r->in, CHUNK, r->err);
    if (got < 0)
        return -1;
    r->source_done = got == 0;
    r->chunk = r->in;
    r->chunk_len = (size_t)got;
    return 0;
}

static int fill_from_fd(struct run *r)
{
    ssize_t got = read(r->pump->in_fd, r->in, CHUNK);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got < 0 && errno != EIO) /* EIO: our terminal is gone, which is an end */
        return dmpi_err_sys(r->err, errno, "standard input");
    r->fd_done = got <= 0;
    r->chunk = r->in;
    r->chunk_len = got > 0 ? (size_t)got : 0;
    return 0;
}

/* Gets the next piece of input when none waits; in_fd only when poll says that it has some. */
static int fill(struct run *r, bool fd_ready)
{
    if (r->chunk_len > 0)
        return 0;
    if (!r->data_done) {
        r->data_done = true;
        r->chunk = r->pump->data;
        r->chunk_len = r->pump->data ? r->pump->len : 0;
        if (r->chunk_len > 0)
            return 0;
    }
    if (!r->source_done)
        return fill_from_source(r);
    return !r->fd_done && fd_ready ? fill_from_fd(r) : 0;
}

static bool inputs_done(const struct run *r)
{
    return r->chunk_len == 0 && r->data_done && r->source_done && r->fd_done;
}

/* No more input: tells the other side, unless it shall stay open. */
static void end_input(struct run *r)
{
    struct dmpi_err gone;
    r->input_over = true;
    if (!r->pump->keep_stdin)
        dmpi_hijack_half_close(r->h, r->ctl, &gone);
}

/*
 * Sends what it can without waiting, for a few rounds. A side that reads no more (it ended, or
 * closed its stdin) is no failure: what it still writes counts.
 */
static int send_input(struct run *r, bool fd_ready)
{
    struct dmpi_err gone;
    for (int round = 0; round < 16 && !r->input_over; round++) {
        if (!dmpi_hijack_wants_write(r->h) && fill(r, fd_ready) != 0)
            return -1;
        fd_ready = false;
        bool flushing = dmpi_hijack_wants_write(r->h);
        if (r->chunk_len == 0 && !flushing) {
            if (inputs_done(r))
                end_input(r);
            return 0;
        }
        ssize_t took = dmpi_hijack_write_some(r->h, r->chunk, flushing ? 0 : r->chunk_len, &gone);
        if (took == DMPI_WOULD_BLOCK)
            return 0;
        if (took == -1) {
            r->input_over = true;
        } else {
            r->chunk += took;
            r->chunk_len -= (size_t)took;
        }
    }
    return 0;
}

enum { POLL_PEER, POLL_IN, POLL_WAKE, POLL_COUNT };

static void prepare_poll(const struct run *r, struct pollfd *fds)
{
    bool more = r->chunk_len > 0 || dmpi_hijack_wants_write(r->h) || !r->data_done ||
                !r->source_done || r->fd_done;
    bool want_out = !r->input_over && more;
    bool want_in = !r->input_over && !more;
    short events = want_out ? POLLIN | POLLOUT : POLLIN;
    fds[POLL_PEER] = (struct pollfd){.fd = dmpi_hijack_fd(r->h), .events = events};
    fds[POLL_IN] = (struct pollfd){.fd = want_in ? r->pump->in_fd : -1, .events = POLLIN};
    fds[POLL_WAKE] =
        (struct pollfd){.fd = r->pump->on_wake ? r->pump->wake_fd : -1, .events = POLLIN};
}

/* One round; 1 when on_wake wants the end. */
static int turn(struct run *r)
{
    struct pollfd fds[POLL_COUNT];
    int more = read_output(r);
    if (more < 0 || r->output_over)
        return more < 0 ? -1 : 0;
    prepare_poll(r, fds);
    if (more) {
        if (dmpi_ctl_poll_for(r->ctl, fds, POLL_COUNT, 0, r->err) < 0)
            return -1;
    } else if (dmpi_ctl_poll(r->ctl, fds, POLL_COUNT, r->err) < 0) {
        return -1;
    }
    if (fds[POLL_WAKE].revents) {
        int ended = r->pump->on_wake(r->pump->wake_arg, r->err);
        if (ended != 0)
            return ended;
    }
    return send_input(r, fds[POLL_IN].revents != 0);
}

static int run_all(struct run *r)
{
    int ended = send_input(r, false);
    while (ended == 0 && !r->output_over)
        ended = turn(r);
    if (ended < 0)
        return -1;
    return ended > 0 || r->pump->tty ? 0 : dmpi_demux_finish(r->demux, r->err);
}

int dmpi_hijack_pump(struct dmpi_hijack *h, const struct dmpi_ctl *ctl,
                     const struct dmpi_pump *pump, struct dmpi_err *err)
{
    struct run r = {.h = h, .ctl = ctl, .pump = pump, .err = err};
    r.source_done = !pump->source.read;
    r.fd_done = pump->in_fd < 0;
    dmpi_demux_init(&r.own, &pump->streams);
    r.demux = pump->demux ? pump->demux : &r.own;
    r.in = dmpi_xmalloc(CHUNK);
    r.out = dmpi_xmalloc(CHUNK);
    int result = run_all(&r);
    free(r.in);
    free(r.out);
    return result;
}
