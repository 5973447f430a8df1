// SPDX-License-Identifier: MIT
/* Commands that messages tell the user to type mean the cluster that he works with. */
#ifndef DMPI_CMD_HINT_H
#define DMPI_CMD_HINT_H

#include "app.h"

/* What chose the cluster. All may be NULL and are borrowed. */
struct dmpi_choice {
    const struct dmpi_verb *const *verbs; /* what a command can be, ended by NULL */
    const char *file, *name;              /* values of -f and --name */
    const char *noted; /* file that `up` noted under the name; `up` itself does not look there */
};

/**
 * `text` in which every "`dockmpi VERB ...`" of a known verb has the options that choose the cluster, unless it
 * has them. Values are quoted for a shell; "`VERB ...`" without dockmpi names a thing and stays as it is.
 * Pure. Owned by the caller.
 */
char *dmpi_hint_complete(const char *text, const struct dmpi_choice *choice);

/** The same with the choice of this process. */
char *dmpi_hint(const char *text);

/** Makes it the choice of this process. Call it before there are threads. */
void dmpi_hint_choose(const struct dmpi_choice *choice);

/** The file that `up` noted for it. Copied. As above. */
void dmpi_hint_noted(const char *file);

#endif
