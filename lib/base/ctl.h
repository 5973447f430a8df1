// SPDX-License-Identifier: MIT
// What every blocking call is given: until when, and how it learns that the user gave up.
#ifndef DMPI_BASE_CTL_H
#define DMPI_BASE_CTL_H

#include <poll.h>
#include <stdint.h>

#include "base/err.h"

struct dmpi_ctl {
    int64_t deadline_ms; // on the clock of dmpi_now_ms(); 0: none
    int cancel_fd;       // cancelled as soon as it is readable (never read); -1: none
};

#define DMPI_CTL_NONE ((struct dmpi_ctl){.deadline_ms = 0, .cancel_fd = -1})

// In every function below ctl may be NULL, which is the same as DMPI_CTL_NONE.

// CLOCK_MONOTONIC in milliseconds.
int64_t dmpi_now_ms(void);

// parent with a deadline at most ms from now (the earlier of the two).
struct dmpi_ctl dmpi_ctl_within(const struct dmpi_ctl *parent, int64_t ms);

// 0 while there is time; -1 with DMPI_ECANCELED "canceled" or DMPI_ETIMEOUT "timed out".
int dmpi_ctl_check(const struct dmpi_ctl *ctl, struct dmpi_err *err);

// Milliseconds until the deadline for poll(): 0 when it has passed, -1 when there is none.
int dmpi_ctl_timeout(const struct dmpi_ctl *ctl);

// poll() on fds that also ends at the deadline or on cancel. Returns how many of fds are ready
// (> 0), or -1 with DMPI_ECANCELED, DMPI_ETIMEOUT or DMPI_ESYS. nfds may be 0 (waits for an end).
int dmpi_ctl_poll(const struct dmpi_ctl *ctl, struct pollfd *fds, nfds_t nfds,
                  struct dmpi_err *err);

// The same, but returns 0 when max_ms passed first (max_ms < 0: no such limit).
int dmpi_ctl_poll_for(const struct dmpi_ctl *ctl, struct pollfd *fds, nfds_t nfds, int64_t max_ms,
                      struct dmpi_err *err);

// Sleeps ms; -1 when the deadline or a cancel came first.
int dmpi_ctl_sleep(const struct dmpi_ctl *ctl, int64_t ms, struct dmpi_err *err);

#endif
