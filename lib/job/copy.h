// SPDX-License-Identifier: MIT
// cp: files and folders into containers and out of them, as streams in bounded memory.
#ifndef DMPI_JOB_COPY_H
#define DMPI_JOB_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ctl.h"
#include "base/err.h"
#include "base/strv.h"
#include "job/progress.h"

struct dmpi_fleet;
struct dmpi_state;

// One end of a copy, as the user writes it.
struct dmpi_place {
    bool remote;
    char *member; // remote: "worker-0", "launcher"; NULL: all of them (":PATH")
    char *path;   // as written after the colon, or the local path
};

// ":PATH" means every container, "worker-0:PATH" and "launcher:PATH" one; anything else, and anything
// with '/' before its first colon ("./a:b"), is local. Remote paths must be absolute. "-" is
// refused. *out is owned by the caller.
int dmpi_place_parse(struct dmpi_place *out, const char *text, struct dmpi_err *err);
void dmpi_place_free(struct dmpi_place *place); // NULL is allowed

struct dmpi_copy_opts {
    const char *cluster;
    bool launcher; // ":PATH" as destination includes the launcher (as source it never does)
    struct dmpi_transfer_progress progress;
};

struct dmpi_copy_result {
    uint64_t files;
    uint64_t bytes; // of file content, summed over the containers
};

// Copies every source to the last word, DST. All sources are local and DST is remote, or all sources
// are remote and DST is local. Rules, those of `docker cp` and `cp -r`:
// - DST is a folder: the source goes into it under its own name. SRC/. means what is in SRC.
// - DST does not exist: one source becomes DST itself; several need a folder, which is made, as it is
//   when DST ends in '/'. Missing parents are made, too.
// - DST is a file: one file replaces it.
// - From ":PATH" each worker's part goes into DST/worker-I/, which is made.
// Modes and times (seconds) are kept; set-user-id and the like are dropped; owner is root in
// containers and the user here. Symbolic links are copied as links; SRC itself is followed when it
// ends in '/' . Devices, sockets and FIFOs are errors. Nothing outside DST is ever written, whatever
// a container sends.
int dmpi_copy(const struct dmpi_strv *words, struct dmpi_fleet *fleet,
              const struct dmpi_state *state, const struct dmpi_copy_opts *opts,
              const struct dmpi_ctl *ctl, struct dmpi_copy_result *result, struct dmpi_err *err);

#endif
