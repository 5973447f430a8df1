// SPDX-License-Identifier: MIT
/* The user's terminal in raw mode, for interactive commands in containers. */
#ifndef DMPI_CMD_TERM_H
#define DMPI_CMD_TERM_H

#include <stdbool.h>

/** Whether stdin and stdout are both a terminal. */
bool dmpi_term_interactive(void);

/** Puts the terminal of stdin into raw mode; at exit it is as it was, whatever ends us but KILL. */
void dmpi_term_raw(void);

/** Whether the terminal of stdin is read by us and not by who started us in the background. */
bool dmpi_term_is_ours(void);

/**
 * `key` ends a line at once, without Enter; Ctrl-S and Ctrl-Q become keys like others. `input`: lines are
 * typed and edited as ever, but keys that are no text are not shown; else nothing that is typed is. At exit
 * all is as it was.
 */
void dmpi_term_key(char key, bool input);

/** Ends raw mode, or that of dmpi_term_key. Harmless when it was never on. */
void dmpi_term_restore(void);

/** The terminal's size; 24 by 80 when it is not known. */
void dmpi_term_size(int *rows, int *cols);

#endif
