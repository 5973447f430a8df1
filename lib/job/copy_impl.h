// SPDX-License-Identifier: MIT
// Shared by copy.c, copy_in.c and copy_out.c, and by nobody else.
#ifndef DMPI_JOB_COPY_IMPL_H
#define DMPI_JOB_COPY_IMPL_H

#include <pthread.h>

#include "fleet/fleet.h"
#include "job/copy.h"
#include "job/target.h"

// A path taken apart.
struct dmpi_copy_path {
    char *path;    // without trailing slashes and "/."; "/" stays
    char *parent;  // folder of path: "/", "." or a path
    char *base;    // last part; "" for "/"
    bool slash;    // ended in '/'
    bool contents; // was "." or ended in "/.": what is in it is meant
};
void dmpi_copy_path_split(struct dmpi_copy_path *out, const char *path);
void dmpi_copy_path_free(struct dmpi_copy_path *path);

// What all containers of one copy share.
struct dmpi_copy_run {
    struct dmpi_fleet *fleet;
    const struct dmpi_ctl *ctl;
    const struct dmpi_copy_opts *opts;
    struct dmpi_targets targets;
    pthread_mutex_t lock; // of the progress and the result
    struct dmpi_copy_result *result;
    struct dmpi_err *errs; // one a target
};
void dmpi_copy_count(struct dmpi_copy_run *run, uint64_t files, uint64_t bytes);

// Runs fn for every target at once. The error is that of the first target that failed, with its
// alias in front.
int dmpi_copy_each(struct dmpi_copy_run *run,
                   int (*fn)(struct dmpi_copy_run *run, struct dmpi_engine *engine, size_t i,
                             void *arg, struct dmpi_err *err),
                   void *arg, struct dmpi_err *err);

// The local sources, n of them, to the folder or file dst in every target.
int dmpi_copy_in(struct dmpi_copy_run *run, const struct dmpi_copy_end *sources, size_t n,
                 const char *dst, struct dmpi_err *err);

// The file or folder src of every target to the local dst, whose state is known: into it, or (as not
// NULL) under the name as. per_target: into a folder of its own for each target.
struct dmpi_copy_out_to {
    const char *folder; // exists
    const char *as;     // NULL: the source's own name ("" of a source that means contents)
    bool per_target;
};
int dmpi_copy_out(struct dmpi_copy_run *run, const char *src, const struct dmpi_copy_out_to *to,
                  struct dmpi_err *err);

#endif
