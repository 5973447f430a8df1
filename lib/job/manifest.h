// SPDX-License-Identifier: MIT
// What a local file or folder consists of: paths, modes, times, and on demand hashes.
#ifndef DMPI_JOB_MANIFEST_H
#define DMPI_JOB_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"
#include "base/hash.h"

struct dmpi_manifest_entry {
    char *path; // in the container, relative: "code/lib/x.py"
    char *link; // target of a symbolic link, else NULL
    char type;  // DMPI_TAR_FILE, DMPI_TAR_DIR or DMPI_TAR_SYMLINK
    uint32_t mode;
    uint64_t size;
    struct timespec mtime;
    char sha256[DMPI_SHA256_HEX]; // of a file that dmpi_manifest_hash was asked for; else ""
};

struct dmpi_manifest {
    char *local;                   // what was read
    char *place;                   // path of the first entry
    struct dmpi_manifest_entry *v; // folders before what is in them, else sorted
    size_t n;
    size_t files;
    uint64_t bytes; // of all files
};

#define DMPI_MANIFEST_MAX ((size_t)1000000) // entries

// Lists everything at local (a file or a folder; a link there is followed), to be called place. Links inside are kept as links; devices, sockets and FIFOs are DMPI_EINVAL. skip_git leaves
// out folders called .git and __pycache__. *out is to be freed also after an error.
int dmpi_manifest_read(struct dmpi_manifest *out, const char *local, const char *place,
                       bool skip_git, struct dmpi_err *err);

// Where v[i] is here. Owned by the caller.
char *dmpi_manifest_local(const struct dmpi_manifest *manifest, size_t i);

// The SHA-256 of the file v[i] as it is now, kept in the entry; NULL when it cannot be read. Calls for
// one manifest must not overlap.
const char *dmpi_manifest_hash(struct dmpi_manifest *manifest, size_t i);

void dmpi_manifest_free(struct dmpi_manifest *manifest); // NULL is allowed

#endif
