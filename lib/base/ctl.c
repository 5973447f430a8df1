// SPDX-License-Identifier: MIT
#include "base/ctl.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"

int64_t dmpi_now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

struct dmpi_ctl dmpi_ctl_within(const struct dmpi_ctl *parent, int64_t ms)
{
    struct dmpi_ctl ctl = parent ? *parent : DMPI_CTL_NONE;
    int64_t now = dmpi_now_ms();
    int64_t deadline = ms > INT64_MAX - now ? INT64_MAX : now + ms;
    if (ctl.deadline_ms == 0 || deadline < ctl.deadline_ms)
        ctl.deadline_ms = deadline;
    return ctl;
}

static int canceled(struct dmpi_err *err)
{
    return dmpi_err_set(err, DMPI_ECANCELED, "canceled");
}

static int timed_out(struct dmpi_err *err)
{
    return dmpi_err_set(err, DMPI_ETIMEOUT, "timed out");
}

int dmpi_ctl_check(const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    if (!ctl)
        return 0;
    if (ctl->cancel_fd >= 0) {
        struct pollfd fd = {.fd = ctl->cancel_fd, .events = POLLIN};
        if (poll(&fd, 1, 0) > 0)
            return canceled(err);
    }
    return dmpi_ctl_timeout(ctl) == 0 ? timed_out(err) : 0;
}

static int clamp_ms(int64_t ms)
{
    return ms <= 0 ? 0 : ms > INT_MAX ? INT_MAX : (int)ms;
}

int dmpi_ctl_timeout(const struct dmpi_ctl *ctl)
{
    if (!ctl || ctl->deadline_ms == 0)
        return -1;
    return clamp_ms(ctl->deadline_ms - dmpi_now_ms());
}

// The shorter of two waits where -1 means no limit.
static int shorter(int a, int b)
{
    if (a < 0 || b < 0)
        return a < 0 ? b : a;
    return a < b ? a : b;
}

// all has one slot more than nfds, for the cancel descriptor (ignored by poll when negative).
static int poll_until(const struct dmpi_ctl *ctl, struct pollfd *all, nfds_t nfds, int64_t end_ms,
                      struct dmpi_err *err)
{
    for (;;) {
        int left = end_ms < 0 ? -1 : clamp_ms(end_ms - dmpi_now_ms());
        int n = poll(all, nfds + 1, shorter(left, dmpi_ctl_timeout(ctl)));
        if (n < 0 && errno != EINTR)
            return dmpi_err_sys(err, errno, "poll");
        if (n > 0 && all[nfds].revents)
            return canceled(err);
        if (n > 0)
            return n;
        if (dmpi_ctl_timeout(ctl) == 0)
            return timed_out(err);
        if (end_ms >= 0 && dmpi_now_ms() >= end_ms)
            return 0;
    }
}

int dmpi_ctl_poll_for(const struct dmpi_ctl *ctl, struct pollfd *fds, nfds_t nfds, int64_t max_ms,
                      struct dmpi_err *err)
{
    struct pollfd few[8];
    dmpi_autofree struct pollfd *many = NULL;
    struct pollfd *all = few;
    if (nfds >= DMPI_ARRAY_LEN(few))
        all = many = dmpi_xcalloc(nfds + 1, sizeof(*many));
    if (nfds > 0)
        memcpy(all, fds, nfds * sizeof(*fds));
    all[nfds] = (struct pollfd){.fd = ctl ? ctl->cancel_fd : -1, .events = POLLIN};
    int64_t now = dmpi_now_ms();
    int64_t end = max_ms < 0 ? -1 : max_ms > INT64_MAX - now ? INT64_MAX : now + max_ms;
    int n = poll_until(ctl, all, nfds, end, err);
    for (nfds_t i = 0; i < nfds; i++)
        fds[i].revents = n > 0 ? all[i].revents : 0;
    return n;
}

int dmpi_ctl_poll(const struct dmpi_ctl *ctl, struct pollfd *fds, nfds_t nfds, struct dmpi_err *err)
{
    return dmpi_ctl_poll_for(ctl, fds, nfds, -1, err);
}

int dmpi_ctl_sleep(const struct dmpi_ctl *ctl, int64_t ms, struct dmpi_err *err)
{
    return dmpi_ctl_poll_for(ctl, NULL, 0, ms > 0 ? ms : 0, err);
}
