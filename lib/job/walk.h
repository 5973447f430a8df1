// SPDX-License-Identifier: MIT
// Walks a local tree: each folder before what is in it, names sorted, memory bounded by depth and
// the largest folder.
#ifndef DMPI_JOB_WALK_H
#define DMPI_JOB_WALK_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"

struct dmpi_walk_level; // private

struct dmpi_walk {
    char *local;
    bool emit_root, follow, started;
    bool (*skip)(const char *name); // folders left out; NULL: none
    struct dmpi_walk_level *levels;
    size_t depth;
    struct dmpi_buf path; // archive path of the present item
    // The present item.
    int dirfd;        // folder that holds it (AT_FDCWD for the root)
    const char *name; // in dirfd
    struct stat st;   // of the link itself
};

// local: file, folder or link. as: its path in what is walked. emit_root false: only what is in
// the folder, with as as prefix ("" for none). follow: a link at local is followed.
void dmpi_walk_init(struct dmpi_walk *w, const char *local, const char *as, bool emit_root,
                    bool follow);

// 1: w->path, dirfd, name, st describe the next item; 0: end; -1: DMPI_EINVAL for devices, sockets and
// FIFOs, or what the system said. Files that vanish meanwhile are errors.
int dmpi_walk_next(struct dmpi_walk *w, struct dmpi_err *err);

void dmpi_walk_free(struct dmpi_walk *w); // NULL is allowed

#endif
