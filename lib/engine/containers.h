// SPDX-License-Identifier: MIT
#ifndef DMPI_ENGINE_CONTAINERS_H
#define DMPI_ENGINE_CONTAINERS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/ctl.h"
#include "base/err.h"
#include "engine/engine.h"
#include "engine/hijack.h"
#include "engine/stream.h"

/* id is a container's name or id everywhere. Error codes: see engine/engine.h. */

/*
 * Creates from an Engine API create body (borrowed). *id (may be NULL) is the caller's. What the
 * engine refuses and a container can do without is left out (engine/relax.h), with a word at -v.
 */
int dmpi_container_create(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *name,
                          json_t *body, char **id, struct dmpi_err *err);

/* A container that already runs is a success. */
int dmpi_container_start(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                         struct dmpi_err *err);

/* TERM, then KILL after grace_s seconds (negative: the engine's default). Stopped is a success. */
int dmpi_container_stop(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                        int grace_s, struct dmpi_err *err);

/* signal: "TERM", "KILL", "USR1". ECONFLICT when the container does not run. */
int dmpi_container_kill(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                        const char *signal, struct dmpi_err *err);

/* Waits until the container does not run (at once if so); *code is its exit code. */
int dmpi_container_wait(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                        int *code, struct dmpi_err *err);

/* *out is a new object as GET /containers/ID/json answers it. */
int dmpi_container_inspect(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                           json_t **out, struct dmpi_err *err);

/*
 * *out is a new array as GET /containers/json answers it. labels: "key=value" or "key",
 * NULL-terminated, all must match (NULL: no filter). all: stopped ones too.
 */
int dmpi_container_list(struct dmpi_engine *e, const struct dmpi_ctl *ctl,
                        const char *const *labels, bool all, json_t **out, struct dmpi_err *err);

/* force kills it first; volumes removes its anonymous ones. A container that is gone (404) or
 * whose removal is under way (409 "already in progress") is a success. */
int dmpi_container_remove(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                          bool force, bool volumes, struct dmpi_err *err);

int dmpi_container_rename(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                          const char *name, struct dmpi_err *err);

/* Size of the terminal of a container with Tty. */
int dmpi_container_resize(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                          int rows, int cols, struct dmpi_err *err);

struct dmpi_logs_opts {
    bool follow;
    bool timestamps;
    int64_t tail;     /* last lines only, negative: all */
    int64_t since_ns; /* nanoseconds since the epoch: not what was written before; 0: all */
    bool tty;         /* the container has a terminal: not multiplexed */
    /* Told before each entry of the log (a line; of longer ones a part) on stream 1 or 2; NULL: nobody. */
    void (*on_entry)(void *arg, int stream);
    void *arg;
};
#define DMPI_LOGS_ALL                                                                              \
    {                                                                                              \
        .tail = -1                                                                                 \
    }

/* With follow: returns when the container ends. opts NULL: everything there is. */
int dmpi_container_logs(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                        const struct dmpi_logs_opts *opts, const struct dmpi_streams *streams,
                        struct dmpi_err *err);

enum { DMPI_ATTACH_STDIN = 1, DMPI_ATTACH_OUTPUT = 2, DMPI_ATTACH_LOGS = 4 };

/*
 * Attaches to a created or running container: nothing that it writes later is missed.
 * what: DMPI_ATTACH_* or'ed; LOGS also replays what was written before.
 */
int dmpi_container_attach(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                          int what, struct dmpi_hijack **out, struct dmpi_err *err);

/* Extracts a tar into the folder path of the container (it must exist; running or not). */
int dmpi_container_put_archive(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                               const char *path, const struct dmpi_source *tar,
                               struct dmpi_err *err);

/* The file or folder path as a tar whose entries start with path's last component. */
int dmpi_container_get_archive(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                               const char *path, const struct dmpi_sink *tar, struct dmpi_err *err);

/*
 * HEAD archive: *out is a new object {"name","size","mode" (Go's os.FileMode),"mtime",
 * "linkTarget"}; ENOTFOUND when there is no such file.
 */
int dmpi_container_stat(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                        const char *path, json_t **out, struct dmpi_err *err);

#endif
