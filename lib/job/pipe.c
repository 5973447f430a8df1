// SPDX-License-Identifier: MIT
#include "job/pipe.h"

#include <poll.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "cluster/remedy.h"
#include "engine/exec.h"

#define CHUNK ((size_t)256 * 1024)
#define NOTE_MAX ((size_t)8 * 1024)

int dmpi_pipe_open(struct dmpi_pipe *p, struct dmpi_engine *engine, const char *container,
                   const struct dmpi_strv *argv, bool bulk, const struct dmpi_sink *out,
                   const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    *p = (struct dmpi_pipe){.engine = engine, .note = DMPI_BUF_INIT(NOTE_MAX)};
    p->chunk = dmpi_xmalloc(CHUNK);
    struct dmpi_streams streams = {.out = *out, .err = dmpi_sink_to_buf_capped(&p->note)};
    dmpi_demux_init(&p->demux, &streams);
    struct dmpi_exec_opts opts = {.argv = argv, .stdin_open = true, .bulk = bulk};
    return dmpi_exec_start(engine, ctl, container, &opts, &p->exec_id, &p->hijack, err);
}

// Hands on what has arrived without waiting for more.
static int drain(struct dmpi_pipe *p, const bool *until, struct dmpi_err *err)
{
    char data[64 * 1024];
    while (!p->ended && !(until && *until)) {
        ssize_t n = dmpi_hijack_read_some(p->hijack, data, sizeof(data), err);
        if (n == DMPI_WOULD_BLOCK)
            return 0;
        if (n < 0)
            return -1;
        if (n == 0)
            p->ended = true;
        else if (dmpi_demux_feed(&p->demux, data, (size_t)n, err) < 0)
            return -1;
    }
    return 0;
}

static int wait_ready(const struct dmpi_pipe *p, bool writing, const struct dmpi_ctl *ctl,
                      struct dmpi_err *err)
{
    struct pollfd fd = {.fd = dmpi_hijack_fd(p->hijack), .events = POLLIN};
    if (writing || dmpi_hijack_wants_write(p->hijack))
        fd.events |= POLLOUT;
    return dmpi_ctl_poll(ctl, &fd, 1, err) < 0 ? -1 : 0;
}

// Offers data to the connection: how much it took (0: it must be waited for).
static size_t offer(struct dmpi_pipe *p, const char *data, size_t len)
{
    ssize_t n = dmpi_hijack_write_some(p->hijack, data, len, &p->why);
    if (n == DMPI_WOULD_BLOCK)
        return 0;
    if (n < 0) {
        p->broken = true;
        return 0;
    }
    return (size_t)n;
}

int dmpi_pipe_send(struct dmpi_pipe *p, const struct dmpi_source *source,
                   const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    size_t have = 0, sent = 0;
    for (bool end = false; !p->ended && !p->broken;) {
        if (sent == have && !end) {
            ssize_t n = source->read(source->arg, p->chunk, CHUNK, err);
            if (n < 0)
                return -1;
            end = n == 0;
            have = (size_t)n;
            sent = 0;
        }
        size_t taken = 0;
        if (sent < have || dmpi_hijack_wants_write(p->hijack))
            taken = offer(p, p->chunk + sent, have - sent);
        sent += taken;
        bool pending = sent < have || dmpi_hijack_wants_write(p->hijack);
        if (end && !pending)
            return 0;
        if (drain(p, NULL, err) < 0)
            return -1;
        if (pending && taken == 0 && !p->ended && !p->broken && wait_ready(p, true, ctl, err) < 0)
            return -1;
        if (dmpi_ctl_check(ctl, err) < 0)
            return -1;
    }
    return 0;
}

int dmpi_pipe_receive(struct dmpi_pipe *p, const bool *until, const struct dmpi_ctl *ctl,
                      struct dmpi_err *err)
{
    for (;;) {
        if (drain(p, until, err) < 0)
            return -1;
        if (p->ended || (until && *until))
            return 0;
        if (wait_ready(p, false, ctl, err) < 0)
            return -1;
    }
}

// What the process said, as one harmless line.
static int ended_badly(const struct dmpi_pipe *p, const char *argv0, int code, struct dmpi_err *err)
{
    dmpi_autofree char *text = dmpi_xstrdup(dmpi_buf_str(&p->note));
    text[strcspn(text, "\r\n")] = '\0';
    dmpi_autofree char *line = dmpi_text_print_safe(text);
    if (code == 126 || code == 127)
        return dmpi_err_set(err, DMPI_ENOTFOUND,
                            "the image has no working '%s', which dockmpi needs there", argv0);
    dmpi_err_set(err, DMPI_EENGINE, "%s", line[0] ? line : "the transfer ended before its time");
    dmpi_remedy_add(err);
    return -1;
}

int dmpi_pipe_finish(struct dmpi_pipe *p, const char *argv0, const struct dmpi_ctl *ctl,
                     struct dmpi_err *err)
{
    struct dmpi_err ignored;
    if (!p->ended && !p->broken)
        dmpi_hijack_half_close(p->hijack, ctl, &ignored);
    int code = 0;
    if (dmpi_pipe_receive(p, NULL, ctl, err) < 0 ||
        dmpi_exec_code(p->engine, ctl, p->exec_id, &code, err) < 0)
        return -1;
    if (code != 0)
        return ended_badly(p, argv0, code, err);
    if (p->broken) {
        *err = p->why;
        return -1;
    }
    return 0;
}

void dmpi_pipe_close(struct dmpi_pipe *p)
{
    dmpi_hijack_close(p->hijack);
    free(p->exec_id);
    free(p->chunk);
    dmpi_buf_free(&p->note);
    *p = (struct dmpi_pipe){0};
}
