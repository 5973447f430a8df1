// SPDX-License-Identifier: MIT
#include "job/follow.h"

#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/containers.h"

#define FIND_MS ((int64_t)60000)
#define PAUSE_MS ((int64_t)300)
#define LOOK_MS ((int64_t)15000)
#define FIRST_LOOK_MS ((int64_t)3000) // then the user is told, and the engine gets more time
// Entries of the two streams are out of order by less than this.
#define SLACK_NS ((int64_t)5000000000)

// --- where we are ----------------------------------------------------------------------------

static void count(struct dmpi_follow_place *place, int64_t time, int which)
{
    if (time >= place->since_ns)
        place->n[which]++;
}

// The present entry is complete.
static void complete(struct dmpi_follow *f)
{
    if (f->open < 0)
        return;
    count(&f->all, f->time, f->open);
    count(&f->base, f->time, f->open);
    if (f->next.since_ns)
        count(&f->next, f->time, f->open);
    f->entries++;
    f->open = -1;
}

// The time of the present entry is known. No entry before the first one with a new highest time has
// that time or a later one: from there counting can start.
static void place(struct dmpi_follow *f, int64_t time)
{
    f->time = time;
    if (!f->begun && f->tail >= 0)
        f->base = (struct dmpi_follow_place){.since_ns = time};
    f->begun = f->begun || f->tail != 0;
    if (time < f->base.since_ns && f->tail < 0)
        f->base = f->all;                                      // the engine's clock was set back
    if (time <= f->newest || dmpi_engine_is_podman(f->engine)) // Podman tells seconds only
        return;
    f->newest = time;
    if (f->next.since_ns && time < f->next.since_ns + SLACK_NS)
        return;
    if (f->next.since_ns)
        f->base = f->next;
    f->next = (struct dmpi_follow_place){.since_ns = time};
}

// --- what comes ------------------------------------------------------------------------------

static void on_entry(void *arg, int stream)
{
    struct dmpi_follow *f = arg;
    int which = stream == 2;
    complete(f);
    f->passing = f->pass[which] > 0;
    if (f->passing) {
        f->pass[which]--;
        return;
    }
    if (f->redo != which)
        f->part = 0;
    f->redo = -1;
    f->open = which;
    f->at = 0;
    f->in_stamp = true;
    f->stamp_len = 0;
    f->time = f->newest;
}

// Passes over what the user has by other means.
static size_t known(struct dmpi_follow *f, int which, const char *data, size_t n)
{
    size_t used = 0;
    while (f->lines[which] > 0 && used < n) {
        const char *newline = memchr(data + used, '\n', n - used);
        used = newline ? (size_t)(newline + 1 - data) : n;
        f->lines[which] -= newline != NULL;
    }
    if (f->lines[which] == 0) {
        size_t more = f->bytes[which] < n - used ? (size_t)f->bytes[which] : n - used;
        f->bytes[which] -= more;
        used += more;
    }
    return used;
}

static int hand_on(struct dmpi_follow *f, int which, const char *data, size_t n,
                   struct dmpi_err *err)
{
    uint64_t again = f->part > f->at ? f->part - f->at : 0; // came before the loss
    size_t pass = again < n ? (size_t)again : n;
    f->at += n;
    if (f->at > f->part)
        f->part = f->at;
    if (f->tail == 0 && !f->begun) // only looked at to learn where the end is
        return 0;
    pass += known(f, which, data + pass, n - pass);
    const struct dmpi_sink *sink = which ? &f->streams.err : &f->streams.out;
    int rc = dmpi_sink_write(sink, data + pass, n - pass, err);
    f->failed = f->failed || rc < 0;
    return rc;
}

// The time before the entry's text is over at its first blank. What begins with none is all text.
static int end_stamp(struct dmpi_follow *f, int which, bool blank, struct dmpi_err *err)
{
    int64_t time;
    f->in_stamp = false;
    f->stamp[f->stamp_len] = '\0';
    bool is_time = blank && dmpi_text_time(&time, f->stamp) == 0;
    if (is_time)
        place(f, time);
    if (is_time && !f->timestamps)
        return 0;
    if (blank)
        f->stamp[f->stamp_len++] = ' ';
    return hand_on(f, which, f->stamp, f->stamp_len, err);
}

static int take(struct dmpi_follow *f, int which, const char *data, size_t n, struct dmpi_err *err)
{
    if (f->passing)
        return 0;
    for (; f->in_stamp && n > 0; data++, n--) {
        if (*data == ' ') {
            if (end_stamp(f, which, true, err) < 0)
                return -1;
        } else if (f->stamp_len + 2 == sizeof(f->stamp)) {
            if (end_stamp(f, which, false, err) < 0)
                return -1;
            break;
        } else {
            f->stamp[f->stamp_len++] = *data;
        }
    }
    return n > 0 ? hand_on(f, which, data, n, err) : 0;
}

static int take_out(void *arg, const void *data, size_t n, struct dmpi_err *err)
{
    return take(arg, 0, data, n, err);
}

static int take_err(void *arg, const void *data, size_t n, struct dmpi_err *err)
{
    return take(arg, 1, data, n, err);
}

// --- the conversation ------------------------------------------------------------------------

static int ask(struct dmpi_follow *f, bool follow, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    const struct dmpi_streams streams = {.out = {.write = take_out, .arg = f},
                                         .err = {.write = take_err, .arg = f}};
    struct dmpi_logs_opts opts = {.follow = follow,
                                  .timestamps = true,
                                  .tail = f->begun ? DMPI_FOLLOW_ALL : f->tail,
                                  .since_ns = f->base.since_ns,
                                  .on_entry = on_entry,
                                  .arg = f};
    if (opts.tail == 0)
        opts.tail = 1;
    memcpy(f->pass, f->base.n, sizeof(f->pass));
    if (f->open >= 0)
        f->redo = f->open;
    f->open = -1;
    f->passing = f->in_stamp = false;
    if (dmpi_container_logs(f->engine, ctl, f->id, &opts, &streams, err) < 0)
        return -1;
    complete(f);
    return 0;
}

// Where the log ends now, for who wants only what comes afterwards.
static int find_end(struct dmpi_follow *f, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    if (f->tail != 0 || f->begun)
        return 0;
    if (ask(f, false, ctl, err) < 0)
        return -1;
    f->begun = true;
    return 0;
}

// Whether the container still runs although its log has ended, as when the engine was stopped.
static int still_runs(bool *out, struct dmpi_follow *f, int64_t ms, const struct dmpi_ctl *ctl,
                      struct dmpi_err *err)
{
    dmpi_json_auto json_t *info = NULL;
    const struct dmpi_ctl patience = dmpi_ctl_within(ctl, ms);
    *out = false;
    if (dmpi_container_inspect(f->engine, &patience, f->id, &info, err) < 0)
        return err->code == DMPI_ENOTFOUND ? 0 : -1; // who started it has removed it
    *out = dmpi_json_bool(dmpi_json_obj(info, "State"), "Running", false);
    return 0;
}

// Until the end, as long as the connection holds. 1: the log has ended and the job has not.
static int round_trip(struct dmpi_follow *f, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    bool runs = false;
    if (find_end(f, ctl, err) < 0 || ask(f, !f->once, ctl, err) < 0)
        return -1;
    if (f->once)
        return 0;
    if (still_runs(&runs, f, LOOK_MS, ctl, err) < 0)
        return -1;
    if (runs)
        return 1;
    // What was written while the log was told to end.
    return ask(f, false, ctl, err) < 0 && err->code != DMPI_ENOTFOUND ? -1 : 0;
}

static bool is_loss(const struct dmpi_follow *f, const struct dmpi_ctl *ctl,
                    const struct dmpi_err *err)
{
    struct dmpi_err ignored;
    if (f->failed || dmpi_ctl_check(ctl, &ignored) < 0)
        return false;
    return err->code == DMPI_EUNREACHABLE || err->code == DMPI_EPARSE || err->code == DMPI_ETIMEOUT;
}

// An engine that does not answer at once is waited for.
static int pause_or_give_up(const struct dmpi_follow *f, int64_t *lost, bool progress,
                            const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    int64_t now = dmpi_now_ms();
    bool first = progress || !*lost;
    if (first) {
        *lost = now;
        return 0;
    }
    if (now - *lost > (f->find_ms ? f->find_ms : FIND_MS)) {
        err->code = DMPI_EUNREACHABLE;
        return -1;
    }
    return dmpi_ctl_sleep(ctl, PAUSE_MS, err);
}

int dmpi_follow_run(struct dmpi_follow *f, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    int64_t lost = f->lost ? dmpi_now_ms() : 0;
    bool told = false, runs;
    f->lost = false;
    if (!f->begun && f->since_ns)
        f->all.since_ns = f->base.since_ns = f->since_ns;
    for (;;) {
        uint64_t before = f->entries;
        int rc = 0;
        if (lost)
            rc = still_runs(&runs, f, told ? LOOK_MS : FIRST_LOOK_MS, ctl, err);
        if (rc == 0)
            rc = round_trip(f, ctl, err);
        if (rc == 0 || (rc < 0 && !is_loss(f, ctl, err)))
            return rc;
        if (rc > 0) {
            lost = 0;
            if (dmpi_ctl_sleep(ctl, PAUSE_MS, err) < 0)
                return -1;
            continue;
        }
        bool progress = f->entries != before;
        if (lost && !progress && !told)
            dmpi_warn("node %s: the connection to the job's output is lost and is being looked "
                      "for: %s",
                      f->node, err->msg);
        told = lost && !progress;
        if (pause_or_give_up(f, &lost, progress, ctl, err) < 0)
            return -1;
    }
}
