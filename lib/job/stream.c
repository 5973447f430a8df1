// SPDX-License-Identifier: MIT
#include "job/stream.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "cluster/ended.h"
#include "engine/containers.h"
#include "engine/top.h"
#include "job/await.h"
#include "job/cancel.h"

#define IN_SIZE ((size_t)64 * 1024)
#define CALL_MS ((int64_t)15000) // patience for one call after the user gave up
#define GONE_MS ((int64_t)2000)  // for an answer that must be on its way
#define END_MS ((int64_t)4000)   // for the exit code, once the output has ended
#define SETTLE_MS ((int64_t)20)
#define LEAVE_MS 300

// --- outputs ---------------------------------------------------------------------------------

// The user gave up while nobody read: the rest is dropped, so that the job can be seen to end.
static int deliver(struct dmpi_job_stream *s, const struct dmpi_sink *to, const char *data,
                   size_t n, struct dmpi_err *err)
{
    if (s->mute)
        return 0;
    int rc = dmpi_sink_write(to, data, n, err);
    s->mute = rc < 0 && err->code == DMPI_ECANCELED;
    return s->mute ? 0 : rc;
}

static int deliver_out(void *arg, const void *data, size_t n, struct dmpi_err *err)
{
    struct dmpi_job_stream *s = arg;
    return deliver(s, &s->streams.out, data, n, err);
}

static int deliver_err(void *arg, const void *data, size_t n, struct dmpi_err *err)
{
    struct dmpi_job_stream *s = arg;
    return deliver(s, &s->streams.err, data, n, err);
}

// Counts what the live connection brought, so that the log can go on from there. In lines, because the
// log replaces bytes that are no UTF-8.
static void note(struct dmpi_follow *f, int which, const char *data, size_t n)
{
    for (const char *newline; n > 0 && (newline = memchr(data, '\n', n));) {
        f->lines[which]++;
        f->bytes[which] = 0;
        n -= (size_t)(newline + 1 - data);
        data = newline + 1;
    }
    f->bytes[which] += n;
}

static int live_out(void *arg, const void *data, size_t n, struct dmpi_err *err)
{
    struct dmpi_job_stream *s = arg;
    note(&s->follow, 0, data, n);
    return deliver_out(arg, data, n, err);
}

static int live_err(void *arg, const void *data, size_t n, struct dmpi_err *err)
{
    struct dmpi_job_stream *s = arg;
    note(&s->follow, 1, data, n);
    return deliver_err(arg, data, n, err);
}

static void set_up(struct dmpi_job_stream *s, const struct dmpi_follow *from)
{
    s->follow = *from;
    s->follow.engine = s->engine;
    s->follow.node = s->node;
    s->follow.id = s->id;
    s->follow.streams = (struct dmpi_streams){.out = {.write = deliver_out, .arg = s},
                                              .err = {.write = deliver_err, .arg = s}};
}

int dmpi_job_stream_open(struct dmpi_job_stream *s, const struct dmpi_ctl *ctl,
                         struct dmpi_err *err)
{
    const struct dmpi_streams live = {.out = {.write = live_out, .arg = s},
                                      .err = {.write = live_err, .arg = s}};
    const struct dmpi_follow whole = DMPI_FOLLOW_INIT;
    set_up(s, &whole);
    s->in = dmpi_xmalloc(IN_SIZE);
    s->stdin_done = s->stdin_fd < 0;
    dmpi_demux_init(&s->demux, &live);
    return dmpi_container_attach(s->engine, ctl, s->id, DMPI_ATTACH_STDIN | DMPI_ATTACH_OUTPUT,
                                 &s->hijack, err);
}

void dmpi_job_stream_rejoin(struct dmpi_job_stream *s, const struct dmpi_follow *from)
{
    set_up(s, from);
    s->stdin_done = true;
}

int dmpi_job_stream_feed(struct dmpi_job_stream *s, const void *tar, size_t len, bool last,
                         const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    if (dmpi_hijack_write(s->hijack, ctl, tar, len, err) < 0)
        return -1;
    return last ? dmpi_hijack_half_close(s->hijack, ctl, err) : 0;
}

void dmpi_job_stream_close(struct dmpi_job_stream *s)
{
    dmpi_hijack_close(s->hijack);
    s->hijack = NULL;
    free(s->in);
    s->in = NULL;
}

// --- canceling -------------------------------------------------------------------------------

// Signals the job whatever the user has interrupted. A job that does not run needs no signal.
static void ask(struct dmpi_job_stream *s, const char *signal)
{
    struct dmpi_err err;
    struct dmpi_ctl ctl = dmpi_ctl_within(NULL, CALL_MS);
    if (dmpi_container_kill(s->engine, &ctl, s->id, signal, &err) < 0 &&
        err.code != DMPI_ECONFLICT && err.code != DMPI_ENOTFOUND)
        dmpi_warn("the job could not be signalled: %s", err.msg);
}

static void cancel(struct dmpi_job_stream *s)
{
    if (s->kill_at)
        return;
    s->kill_at = dmpi_now_ms() + s->grace_ms + DMPI_CANCEL_MARGIN_MS;
    s->stdin_done = true;
    if (s->on_cancel)
        s->on_cancel(s->arg, s->timed_out, s->grace_ms);
    ask(s, "TERM");
}

static void kill_now(struct dmpi_job_stream *s)
{
    if (s->killed)
        return;
    s->killed = true;
    if (!s->kill_at)
        s->kill_at = dmpi_now_ms();
    dmpi_ended_note(s->engine, s->id, NULL);
    ask(s, "KILL");
}

// What time alone brings about.
static void check_clock(struct dmpi_job_stream *s)
{
    int64_t now = dmpi_now_ms();
    if (s->timeout_at && now >= s->timeout_at && !s->kill_at) {
        s->timed_out = true;
        cancel(s);
    }
    if (s->kill_at && now >= s->kill_at)
        kill_now(s);
}

// Milliseconds until the clock has something to say, -1 for never.
static int64_t clock_ms(const struct dmpi_job_stream *s)
{
    int64_t at = s->kill_at ? (s->killed ? 0 : s->kill_at) : s->timeout_at;
    if (!at)
        return -1;
    int64_t left = at - dmpi_now_ms();
    return left > 0 ? left : 0;
}

static bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return fd >= 0 && poll(&p, 1, 0) > 0;
}

static void check_user(struct dmpi_job_stream *s)
{
    s->left = s->left || readable(s->leave_fd);
    if (s->left)
        return; // a HUP leaves, and cancels what does not know to leave
    if (!s->killed && readable(s->insist_fd)) {
        s->canceled = true;
        if (s->on_cancel)
            s->on_cancel(s->arg, s->timed_out, 0);
        kill_now(s);
    } else if (!s->kill_at && readable(s->cancel_fd)) {
        s->canceled = true;
        cancel(s);
    }
}

// --- streaming -------------------------------------------------------------------------------

static int drain(struct dmpi_job_stream *s, struct dmpi_err *err, bool *lost)
{
    char data[64 * 1024];
    for (int rounds = 0; rounds < 16 && !s->ended; rounds++) {
        ssize_t n = dmpi_hijack_read_some(s->hijack, data, sizeof(data), err);
        if (n == DMPI_WOULD_BLOCK)
            return 0;
        if (n <= 0) {
            s->ended = true;
            *lost = n < 0;
        } else if (dmpi_demux_feed(&s->demux, data, (size_t)n, err) < 0) {
            return -1;
        }
    }
    return s->ended ? 0 : 1; // 1: there may be more at once
}

// Moves standard input on; whether its descriptor is to be waited for.
static bool pump_stdin(struct dmpi_job_stream *s)
{
    struct dmpi_err ignored;
    struct dmpi_ctl ctl = dmpi_ctl_within(NULL, CALL_MS);
    if (s->in_pos == s->in_len && !s->stdin_done && readable(s->stdin_fd)) {
        ssize_t n = read(s->stdin_fd, s->in, IN_SIZE);
        s->in_pos = 0;
        s->in_len = n > 0 ? (size_t)n : 0;
        if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) {
            s->stdin_done = true;
            dmpi_hijack_half_close(s->hijack, &ctl, &ignored);
        }
    }
    if (s->in_pos < s->in_len || dmpi_hijack_wants_write(s->hijack)) {
        ssize_t n =
            dmpi_hijack_write_some(s->hijack, s->in + s->in_pos, s->in_len - s->in_pos, &ignored);
        if (n > 0)
            s->in_pos += (size_t)n;
        else if (n == -1) { // the job does not read any more
            s->stdin_done = true;
            s->in_pos = s->in_len = 0;
        }
    }
    return !s->stdin_done && s->in_pos == s->in_len;
}

static int wait_ready(struct dmpi_job_stream *s, bool want_stdin, struct dmpi_err *err)
{
    bool writing = s->in_pos < s->in_len || dmpi_hijack_wants_write(s->hijack);
    struct pollfd fds[5] = {
        {.fd = dmpi_hijack_fd(s->hijack), .events = (short)(POLLIN | (writing ? POLLOUT : 0))},
        {.fd = s->kill_at ? -1 : s->cancel_fd, .events = POLLIN},
        {.fd = s->killed ? -1 : s->insist_fd, .events = POLLIN},
        {.fd = want_stdin ? s->stdin_fd : -1, .events = POLLIN},
        {.fd = s->leave_fd, .events = POLLIN},
    };
    return dmpi_ctl_poll_for(NULL, fds, 5, clock_ms(s), err) < 0 ? -1 : 0;
}

// Until the connection ends; *lost when it broke.
static int stream(struct dmpi_job_stream *s, bool *lost, struct dmpi_err *err)
{
    while (!s->ended && !s->left) {
        check_user(s);
        check_clock(s);
        bool want_stdin = pump_stdin(s);
        int more = drain(s, err, lost);
        if (more < 0)
            return -1;
        if (more == 0 && !s->ended && wait_ready(s, want_stdin, err) < 0)
            return -1;
    }
    return 0;
}

// --- the end ---------------------------------------------------------------------------------

// Everything that the user may say while the log is followed, as one descriptor. -1: none.
static int user_fd(const struct dmpi_job_stream *s)
{
    const int fds[] = {s->kill_at ? -1 : s->cancel_fd, s->killed ? -1 : s->insist_fd, s->leave_fd};
    int all = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; all >= 0 && i < DMPI_ARRAY_LEN(fds); i++) {
        struct epoll_event event = {.events = EPOLLIN};
        if (fds[i] >= 0 && epoll_ctl(all, EPOLL_CTL_ADD, fds[i], &event) < 0)
            dmpi_debug("descriptor %d cannot be waited for", fds[i]);
    }
    return all;
}

// The job's log, from where the connection broke; until the job ends or the user or the clock has
// something to say.
static int follow_log(struct dmpi_job_stream *s, struct dmpi_err *err)
{
    struct dmpi_ctl ctl = DMPI_CTL_NONE;
    int64_t left = s->killed ? CALL_MS : clock_ms(s);
    ctl.cancel_fd = user_fd(s);
    if (left >= 0)
        ctl = dmpi_ctl_within(&ctl, left + 1);
    int rc = dmpi_follow_run(&s->follow, &ctl, err);
    if (ctl.cancel_fd >= 0)
        close(ctl.cancel_fd);
    if (rc < 0 && s->killed && err->code == DMPI_ETIMEOUT)
        err->code = DMPI_EUNREACHABLE;
    return rc;
}

// The code of a job that has ended. Its container may be gone by now, as with `run --rm`.
static int learn_code(struct dmpi_job_stream *s, struct dmpi_await *await, int *code,
                      struct dmpi_err *err)
{
    struct dmpi_ctl ctl = dmpi_ctl_within(NULL, CALL_MS);
    int rc = dmpi_container_wait(s->engine, &ctl, s->id, code, err);
    bool gone = rc < 0 && err->code == DMPI_ENOTFOUND;
    if (dmpi_await_end(await, gone ? GONE_MS : 0, code) && gone)
        return 0;
    return gone ? dmpi_err_set(err, DMPI_ENOTFOUND,
                               "it was removed before its exit code could be learnt")
                : rc;
}

static void check_memory(struct dmpi_job_stream *s)
{
    struct dmpi_err ignored;
    struct dmpi_ctl ctl = dmpi_ctl_within(NULL, CALL_MS);
    dmpi_json_auto json_t *info = NULL;
    if (dmpi_container_inspect(s->engine, &ctl, s->id, &info, &ignored) == 0)
        s->oom_killed = dmpi_json_bool(dmpi_json_obj(info, "State"), "OOMKilled", false);
}

// What a code other than 0 does not say by itself.
static int check_ending(struct dmpi_job_stream *s, int code, struct dmpi_err *err)
{
    if (!s->killed && !s->unkept && dmpi_ended_kept(s->engine, s->id, NULL, err) < 0)
        return -1;
    if (code == 137 && !s->killed)
        check_memory(s);
    if (s->canceled && !s->killed)
        dmpi_ended_counts(&s->heeded, &s->forced, s->engine, s->id, NULL);
    s->ending = dmpi_ended_word(s->engine, s->id, code, NULL);
    return 0;
}

// Without the live connection: the rest of the output comes from the log.
static int follow(struct dmpi_job_stream *s, int *code, struct dmpi_err *err)
{
    struct dmpi_await await;
    int rc = -1;
    dmpi_await_start(&await, s->engine, s->id);
    while (!s->left && (rc = follow_log(s, err)) < 0) {
        if (err->code != DMPI_ECANCELED && err->code != DMPI_ETIMEOUT)
            break;
        check_user(s);
        check_clock(s);
    }
    if (rc == 0)
        return learn_code(s, &await, code, err);
    dmpi_await_end(&await, 0, code);
    return s->left ? 0 : -1;
}

static int find_end(struct dmpi_job_stream *s, int *code, bool lost, struct dmpi_err *err)
{
    struct dmpi_ctl ctl = dmpi_ctl_within(NULL, END_MS);
    if (s->left || (!lost && dmpi_container_wait(s->engine, &ctl, s->id, code, err) == 0))
        return 0;
    dmpi_debug("the job goes on without our connection to it; its output comes from its log");
    s->follow.lost = true;
    return follow(s, code, err);
}

// Nobody takes the job's output any more: it is ended. The connection goes first, because an engine
// that cannot get rid of output does not get round to signals.
static void give_up(struct dmpi_job_stream *s)
{
    dmpi_hijack_close(s->hijack);
    s->hijack = NULL;
    struct dmpi_err ignored;
    struct dmpi_ctl ctl = dmpi_ctl_within(NULL, s->grace_ms + DMPI_CANCEL_MARGIN_MS);
    int code;
    s->kill_at = ctl.deadline_ms;
    ask(s, "TERM");
    if (dmpi_container_wait(s->engine, &ctl, s->id, &code, &ignored) < 0)
        ask(s, "KILL");
}

// A terminal that goes away refuses output a moment before, or after, its signal comes.
static bool is_left(struct dmpi_job_stream *s)
{
    struct pollfd p = {.fd = s->leave_fd, .events = POLLIN};
    s->left = s->left || (s->leave_fd >= 0 && poll(&p, 1, LEAVE_MS) > 0);
    return s->left;
}

int dmpi_job_stream_run(struct dmpi_job_stream *s, int *code, struct dmpi_err *err)
{
    bool lost = !s->hijack;
    *code = -1;
    if ((s->hijack && stream(s, &lost, err) < 0) || find_end(s, code, lost, err) < 0) {
        if (is_left(s))
            return 0;
        if (err->code == DMPI_ENOTFOUND)
            return -1;
        if (err->code == DMPI_EUNREACHABLE)
            return dmpi_err_wrap(err,
                                 "the engine was lost while the job ran, and it may still run");
        give_up(s);
        return dmpi_err_wrap(err, "canceled");
    }
    return s->left || *code == 0 ? 0 : check_ending(s, *code, err);
}

// Whether the processes of a container show that its script went on to the job.
static bool shows_job(const json_t *top)
{
    const json_t *row, *cell;
    size_t i, k;
    json_array_foreach (dmpi_json_arr(top, "Processes"), i, row) {
        json_array_foreach (row, k, cell) {
            const char *text = json_string_value(cell);
            if (text && dmpi_text_starts_with(text, "sh /etc/dockmpi/"))
                return true;
        }
    }
    return false;
}

int dmpi_job_stream_settle(struct dmpi_job_stream *s, const struct dmpi_ctl *ctl,
                           struct dmpi_err *err)
{
    for (;;) {
        dmpi_json_auto json_t *top = NULL;
        if (dmpi_container_top(s->engine, ctl, s->id, NULL, &top, err) < 0)
            return err->code == DMPI_ECONFLICT || err->code == DMPI_EENGINE ? 0 : -1;
        if (shows_job(top))
            return 0;
        if (dmpi_ctl_sleep(ctl, SETTLE_MS, err) < 0)
            return -1;
    }
}
