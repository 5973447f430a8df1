// SPDX-License-Identifier: MIT
/* Keys that leave a job running, read from the terminal while the job's output is shown. */
#ifndef DMPI_CMD_KEYS_H
#define DMPI_CMD_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define DMPI_KEYS_DEFAULT "ctrl-p,ctrl-q"
enum { DMPI_KEYS_MAX = 16 };

/* A sequence of keys, and how much of it has been typed. */
struct dmpi_keys {
    char v[DMPI_KEYS_MAX];
    size_t n, typed;
};

/**
 * Docker's way of writing it: single characters and ctrl-X (a to z, @ [ \ ] ^ _), between commas; ""
 * for none. DMPI_EINVAL begins with --detach-keys.
 */
int dmpi_keys_parse(struct dmpi_keys *out, const char *text, struct dmpi_err *err);

/**
 * Passes on what was typed: `n` bytes of `typed` go to `out` (n + DMPI_KEYS_MAX bytes) but for the
 * sequence. True when that is complete: what follows it is dropped.
 */
bool dmpi_keys_pass(struct dmpi_keys *keys, char *out, size_t *out_len, const char *typed,
                    size_t n);

/* What dmpi_keys_watch gives. */
struct dmpi_watch {
    int leave_fd; /* dmpi_sig_leave_fd, readable after the keys, too */
    int stdin_fd; /* standard input without them; -1 when it was not asked for */
    bool watched; /* somebody can type them */
};

/**
 * Reads the keys ("" for none) from standard input if that is a terminal and ours, until the process ends. Lines are
 * edited as always, and Ctrl-C is no key but a signal. `input`: what else is typed is wanted.
 */
int dmpi_keys_watch(struct dmpi_watch *out, const char *keys, bool input, struct dmpi_err *err);

#endif
