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
struct dmpi_copy_end {
    bool remote;
    char *member; // remote: "worker-0", "launcher"; NULL: all of them (":PATH")
    char *path;   // what follows the colon, or the local path
};

// ":PATH" means every container, "worker-0:PATH" or "launcher:PATH" one; what has no colon, or a '/'
// before its first one ("./a:b"), is local. Remote paths must be absolute and without "..". *out is to
// be freed also after an error.
int dmpi_copy_end_parse(struct dmpi_copy_end *out, const char *text, struct dmpi_err *err);
void dmpi_copy_end_free(struct dmpi_copy_end *place); // NULL is allowed

struct dmpi_copy_opts {
    const char *cluster;
    bool workers_only; // ":PATH" as destination leaves out the launcher (as source it always does)
    struct dmpi_transfer_progress progress;
};

struct dmpi_copy_result {
    uint64_t files;
    uint64_t bytes; // of file content; both summed over the containers
};

// Copies every source to the last word, DST. Either all sources are local and DST is remote, or all
// sources are remote and DST is local. Rules, those of `docker cp`:
// - DST is a folder: the source goes into it under its own name. SRC/. means what is in folder SRC.
// - DST is not there: a single source becomes DST itself. Several sources, and a file for a DST that
//   ends in '/', need a folder, which is made. So are missing parents.
// - DST is a file: a single file replaces it.
// - Sources ":PATH" are read from every worker; worker-I's part goes into the folder DST/worker-I.
// Modes and times (seconds) are kept, set-user-id and set-group-id bits are dropped; the owner is root
// in containers and the user here. Links are copied as links; a SRC that ends in '/' is followed.
// Devices, sockets and named pipes are errors, found before anything is sent. A file that exists is
// replaced when the new one is complete. Nothing outside DST is written, whatever a container sends,
// and links in it are not followed. The error names the first container that failed; the others
// were served.
int dmpi_copy(const struct dmpi_strv *words, struct dmpi_fleet *fleet,
              const struct dmpi_state *state, const struct dmpi_copy_opts *opts,
              const struct dmpi_ctl *ctl, struct dmpi_copy_result *result, struct dmpi_err *err);

#endif
