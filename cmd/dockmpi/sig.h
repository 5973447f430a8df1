// SPDX-License-Identifier: MIT
/* Signals of the process, collected by one thread and turned into readable descriptors. */
#ifndef DMPI_CMD_SIG_H
#define DMPI_CMD_SIG_H

/**
 * Blocks INT, TERM, HUP and WINCH in every thread and starts the collector. Call once, first. 0, or the errno of what
 * failed: too many open files, too many threads.
 */
int dmpi_sig_start(void);

/** Readable, and stays so, after the first INT, TERM or HUP. */
int dmpi_sig_cancel_fd(void);

/** Readable, and stays so, after the second INT or TERM: insist. A third one ends the process at once. */
int dmpi_sig_force_fd(void);

/** Readable, and stays so, after a HUP: the terminal is gone. It never counts as a second signal. */
int dmpi_sig_leave_fd(void);

/** Readable after the terminal's size changed; the reader takes the eventfd's counter. */
int dmpi_sig_winch_fd(void);

/** The first signal's number, 0 if none came. */
int dmpi_sig_first(void);

#endif
