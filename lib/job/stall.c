// SPDX-License-Identifier: MIT
#include "job/stall.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/ctl.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "cluster/state.h"
#include "fleet/parallel.h"
#include "job/jobs.h"
#include "job/why.h"

#define LOOK_MS ((int64_t)30000) // patience with one look at the whole cluster

// --- hearing ---------------------------------------------------------------------------------

static int hear(struct dmpi_stall *s, const struct dmpi_sink *to, const void *data, size_t n,
                struct dmpi_err *err)
{
    atomic_store(&s->heard_ms, dmpi_now_ms());
    return dmpi_sink_write(to, data, n, err);
}

static int hear_out(void *arg, const void *data, size_t n, struct dmpi_err *err)
{
    struct dmpi_stall *s = arg;
    return hear(s, &s->to.out, data, n, err);
}

static int hear_err(void *arg, const void *data, size_t n, struct dmpi_err *err)
{
    struct dmpi_stall *s = arg;
    return hear(s, &s->to.err, data, n, err);
}

struct dmpi_streams dmpi_stall_streams(struct dmpi_stall *s, const struct dmpi_streams *to)
{
    s->to = *to;
    return (struct dmpi_streams){.out = {.write = hear_out, .arg = s},
                                 .err = {.write = hear_err, .arg = s}};
}

// --- looking ---------------------------------------------------------------------------------

// What is wrong, or NULL. Owned by the caller.
static char *look(const struct dmpi_stall *s)
{
    struct dmpi_ctl ctl = {.cancel_fd = s->end[0]};
    struct dmpi_state state = {0};
    struct dmpi_why why = {0};
    struct dmpi_err err = DMPI_ERR_INIT;
    char *text = NULL;

    ctl = dmpi_ctl_within(&ctl, LOOK_MS);
    // Nodes that do not answer are part of what is found.
    int rc = dmpi_state_list(&state, s->fleet, s->cluster, &ctl, &err);
    const struct dmpi_member *job =
        rc == 0 || state.n ? dmpi_job_find(&state, s->cluster, s->job, &err) : NULL;
    if (job && dmpi_why_ask(&why, s->fleet, &state, job, &ctl, &err) == 0) {
        if (why.running && why.verdict.stalled)
            text = dmpi_xstrdup(why.verdict.conclusion);
    } else {
        dmpi_debug("job %s is silent, and could not be looked at: %s", s->job, err.msg);
    }
    dmpi_why_free(&why);
    dmpi_state_free(&state);
    return text;
}

static void watch(struct dmpi_stall *s)
{
    struct dmpi_ctl ctl = {.cancel_fd = s->end[0]};
    struct dmpi_err ignored;
    int64_t told = -1, looked = atomic_load(&s->heard_ms);

    for (;;) {
        int64_t heard = atomic_load(&s->heard_ms);
        int64_t from = heard > looked ? heard : looked, now = dmpi_now_ms();
        if (now - from < s->quiet_ms) {
            if (dmpi_ctl_sleep(&ctl, s->quiet_ms - (now - from), &ignored) < 0)
                return;
            continue;
        }
        looked = now;
        if (told == heard)
            continue;
        dmpi_autofree char *text = look(s);
        if (text && atomic_load(&s->heard_ms) == heard && dmpi_ctl_check(&ctl, &ignored) == 0) {
            char silence[16];
            dmpi_autofree char *line =
                dmpi_xasprintf("nothing was printed for %s, and %s",
                               dmpi_text_human_ms(silence, now - heard), text);
            told = heard;
            s->tell(s->arg, s->job, line);
        }
    }
}

struct both {
    struct dmpi_stall *stall;
    int (*fn)(void *arg, struct dmpi_err *err);
    void *arg;
    struct dmpi_err *err;
    int rc;
};

static void both_item(size_t i, void *arg)
{
    struct both *b = arg;
    if (i == 1) {
        watch(b->stall);
        return;
    }
    b->rc = b->fn(b->arg, b->err);
    if (write(b->stall->end[1], "", 1) < 0)
        dmpi_debug("the watcher learns of the end by its hang-up");
    close(b->stall->end[1]);
}

int dmpi_stall_while(struct dmpi_stall *s, int (*fn)(void *arg, struct dmpi_err *err), void *arg,
                     struct dmpi_err *err)
{
    struct both b = {.stall = s, .fn = fn, .arg = arg, .err = err};

    atomic_store(&s->heard_ms, dmpi_now_ms());
    if (!s->quiet_ms || pipe2(s->end, O_CLOEXEC) < 0)
        return fn(arg, err);
    dmpi_parallel(2, 2, both_item, &b);
    close(s->end[0]);
    return b.rc;
}
