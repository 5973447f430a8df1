// SPDX-License-Identifier: MIT
// Programs whose answer is wanted.
#ifndef FABRIC_COMMAND_H
#define FABRIC_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

// Runs argv (argv[0] is looked up in PATH) with an empty standard input and its standard error dropped,
// and keeps the beginning of its standard output. True when it ended with 0.
bool fab_command(char *out, size_t room, const char *const *argv);

// The rest of the first line that begins with label (after blanks), without blanks at either end; ""
// when there is none.
void fab_line_after(char *out, size_t room, const char *text, const char *label);

#endif
