// SPDX-License-Identifier: MIT
// Local files as a tar stream that is made while it is read.
#ifndef DMPI_JOB_PACK_H
#define DMPI_JOB_PACK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/tar.h"
#include "engine/stream.h"

// One thing to pack. Strings are borrowed until the next call.
struct dmpi_pack_item {
    const char *path; // in the archive
    int dirfd;        // where name is to be opened
    const char *name;
    struct stat st;
    bool follow;  // name may be a link to the file
    bool precise; // a file's time to the nanosecond, as a proof that it has not changed since
};

// Gives the next item: 1, 0 at the end, -1 with *err.
typedef int (*dmpi_pack_next_fn)(void *arg, struct dmpi_pack_item *item, struct dmpi_err *err);

struct dmpi_pack {
    dmpi_pack_next_fn next;
    void *arg;
    struct dmpi_tar_writer tar;
    struct dmpi_buf out; // made, not yet read
    size_t out_pos;
    int fd;        // file being packed, -1
    uint64_t left; // bytes of it still to come
    char *name;    // its path, for messages
    bool ended;
    void *linked;          // files with several names: where the first of them lies in the archive
    uint64_t files, bytes; // packed so far: files and their content
};

// Owner is root in the archive; of the mode, only the permissions and the sticky bit go in. Names of one
// file become hard links to the first of them; holes of sparse files are packed as zeros.
void dmpi_pack_init(struct dmpi_pack *p, dmpi_pack_next_fn next, void *arg);
void dmpi_pack_free(struct dmpi_pack *p);

// The archive. p must stay where it is. A file that became shorter meanwhile is DMPI_ECONFLICT; one that
// grew is cut to what it was.
struct dmpi_source dmpi_pack_source(struct dmpi_pack *p);

#endif
