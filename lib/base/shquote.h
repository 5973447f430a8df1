// SPDX-License-Identifier: MIT
// The one function through which text passes on its way into a shell.
#ifndef DMPI_BASE_SHQUOTE_H
#define DMPI_BASE_SHQUOTE_H

#include "base/strv.h"

// arg as one word of a POSIX shell: unchanged when it consists only of [A-Za-z0-9_@%+=:,./-] and
// is not empty, otherwise in single quotes. Not for the first word of a command (a=b is left
// alone). Owned by the caller.
char *dmpi_shquote(const char *arg);

// All arguments quoted, with a space between them. A first word that holds = is quoted, too, so
// that it cannot become an assignment. Owned by the caller.
char *dmpi_shquote_argv(const struct dmpi_strv *argv);

#endif
