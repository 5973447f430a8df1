// SPDX-License-Identifier: MIT
/* What every verb shares: its descriptor, the common options, how a cluster is found. */
#ifndef DMPI_CMD_APP_H
#define DMPI_CMD_APP_H

#include <stdbool.h>

#include "base/ctl.h"
#include "base/err.h"
#include "base/strv.h"
#include "fleet/fleet.h"
#include "opts.h"
#include "spec/spec.h"

/* Exit codes of our own; every other code is that of the user's program. */
enum {
    DMPI_EXIT_OK = 0,
    DMPI_EXIT_USAGE = 2,
    DMPI_EXIT_FAILED = 125,
    DMPI_EXIT_INTERRUPTED = 130,
};

/* How long `up` and `down` wait for each other when nobody says more. */
#define DMPI_LOCK_WAIT_MS ((int64_t)30000)

/* The first member of every verb's option struct. */
struct dmpi_common {
    const char *file;
    const char *name;
    bool by_environment; /* these two are those of DOCKMPI_FILE and DOCKMPI_NAME */
    bool verbose, json, help;
    bool dashes_first; /* `--` stood before the first operand */
};

/* One verb: a const descriptor in the verb's own file, listed in main.c's table. */
struct dmpi_verb {
    const char *name;
    const char *args;    /* operands, as in a usage line */
    const char *summary; /* one line, no full stop */
    const char *details; /* more help, may be NULL */
    const struct dmpi_opt *opts;
    size_t opts_size; /* size of the verb's struct, which begins with struct dmpi_common */
    enum dmpi_operands how;
    bool json;            /* whether the verb prints a result that --json can change */
    const void *defaults; /* initial contents of the struct, NULL for zeroes */
    /* Returns the process's exit code; a failure is told through `err` and -1. */
    int (*run)(void *opts, const struct dmpi_strv *operands, struct dmpi_err *err);
};

/** The verbs, ended by NULL, in the order in which help lists them. */
extern const struct dmpi_verb *const dmpi_verbs[];

/** The verb of that name, or NULL. */
const struct dmpi_verb *dmpi_verb_find(const char *name);

/** Takes file and name from the environment where neither is given. */
void dmpi_common_environment(struct dmpi_common *common);

/** Prints the help of one verb, or the overview when `verb` is NULL, on stdout. */
void dmpi_help_print(const struct dmpi_verb *verb);

/** The control that every blocking call of this process obeys: cancelled by the first Ctrl-C. */
const struct dmpi_ctl *dmpi_app_ctl(void);

/** Wrong usage: sets the error and gives the exit code 2. */
int dmpi_usage(struct dmpi_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A cluster as a verb works on it: its specification and the engines of its nodes. */
struct dmpi_session {
    struct dmpi_spec spec;
    struct dmpi_fleet *fleet;
};

/**
 * Finds the cluster that -f and --name name (or the one that `up` noted under that name, or the
 * default on the local engine) and makes its fleet; engines are opened when first used.
 * Release with dmpi_session_close, also after an error.
 */
int dmpi_session_open(struct dmpi_session *out, const struct dmpi_common *common,
                      struct dmpi_err *err);
void dmpi_session_close(struct dmpi_session *session);

/** The same with the nodes at these endpoints in place of a cluster file. */
int dmpi_session_open_at(struct dmpi_session *out, const struct dmpi_common *common,
                         const struct dmpi_strv *nodes, struct dmpi_err *err);

/** The cluster file that it takes: -f, else the noted one, else NULL. Owned by the caller. */
char *dmpi_session_file(const struct dmpi_common *common);

/** The names that `up` noted and nobody took down yet, sorted. The caller frees them. */
struct dmpi_strv dmpi_session_noted(void);

/** Notes which cluster file `up` used for a name, so that later verbs need no -f. Never fails. */
void dmpi_session_remember(const struct dmpi_spec *spec);

/** Forgets that note. */
void dmpi_session_forget(const char *name);

#endif
