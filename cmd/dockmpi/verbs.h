// SPDX-License-Identifier: MIT
/* The verbs' descriptors, each defined in the file of its name; main.c lists them. */
#ifndef DMPI_CMD_VERBS_H
#define DMPI_CMD_VERBS_H

#include "app.h"

/* The options that every verb has: -f, --name, -v, --json, --help. */
extern const struct dmpi_opt dmpi_common_opts[];

/**
 * Those of them that a verb's help lists: --json only where it prints a result, and no letter that is an option
 * of its own. Ended like any table; the caller frees it.
 */
struct dmpi_opt *dmpi_help_common(const struct dmpi_verb *verb);

extern const struct dmpi_verb dmpi_verb_up;
extern const struct dmpi_verb dmpi_verb_run;
extern const struct dmpi_verb dmpi_verb_bench;
extern const struct dmpi_verb dmpi_verb_explain;
extern const struct dmpi_verb dmpi_verb_ps;
extern const struct dmpi_verb dmpi_verb_jobs;
extern const struct dmpi_verb dmpi_verb_logs;
extern const struct dmpi_verb dmpi_verb_attach;
extern const struct dmpi_verb dmpi_verb_wait;
extern const struct dmpi_verb dmpi_verb_cancel;
extern const struct dmpi_verb dmpi_verb_why;
extern const struct dmpi_verb dmpi_verb_exec;
extern const struct dmpi_verb dmpi_verb_shell;
extern const struct dmpi_verb dmpi_verb_forward;
extern const struct dmpi_verb dmpi_verb_cp;
extern const struct dmpi_verb dmpi_verb_doctor;
extern const struct dmpi_verb dmpi_verb_image;
extern const struct dmpi_verb dmpi_verb_import;
extern const struct dmpi_verb dmpi_verb_down;
extern const struct dmpi_verb dmpi_verb_version;
extern const struct dmpi_verb dmpi_verb_help;
extern const struct dmpi_verb dmpi_verb_completion;
extern const struct dmpi_verb dmpi_verb_complete;
extern const struct dmpi_verb dmpi_verb_man;

#endif
