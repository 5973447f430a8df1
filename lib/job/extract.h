// SPDX-License-Identifier: MIT
// Unpacks a tar stream that nobody vouches for below one folder, and nowhere else: no absolute
// names, no "..", no link is ever followed on the way, no devices, no set-user-id bits.
#ifndef DMPI_JOB_EXTRACT_H
#define DMPI_JOB_EXTRACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/tar.h"
#include "engine/stream.h"

struct dmpi_extract_dir; // private

struct dmpi_extract {
    struct dmpi_tar_reader reader;
    int root; // the folder
    char *root_name, *top, *as;
    char *parent; // path of parent_fd below root, NULL: none open
    int parent_fd;
    int fd;           // file being written, -1
    char *name, *tmp; // of it in parent_fd; tmp: to be renamed to name
    uint32_t mode;
    uint32_t kept; // bits of a mode that an archive may set: no set-uid, and less the umask
    int64_t mtime;
    struct dmpi_extract_dir *dirs; // to get mode and time at the end
    size_t n_dirs;
    uint64_t files, bytes;
    bool top_seen;
};

// root: an existing folder (links there are followed: it is the user's own word). top: the first
// component that every name in the archive must have ("." for none); it is replaced by as ("": by
// nothing, the content goes into root itself). x must not move while in use.
int dmpi_extract_open(struct dmpi_extract *x, const char *root, const char *top, const char *as,
                      struct dmpi_err *err);

// Feeds the next piece of the archive. Files that exist are replaced when the new one is complete;
// new ones are removed when they could not be completed. DMPI_EPARSE: damaged or hostile archive.
int dmpi_extract_feed(struct dmpi_extract *x, const void *data, size_t len, struct dmpi_err *err);
struct dmpi_sink dmpi_extract_sink(struct dmpi_extract *x);

// At the end of the stream: checks that it was complete, gives the folders their modes and times.
int dmpi_extract_finish(struct dmpi_extract *x, struct dmpi_err *err);

// Also after errors; removes what is incomplete.
void dmpi_extract_free(struct dmpi_extract *x);

#endif
