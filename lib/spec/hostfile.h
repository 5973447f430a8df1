// SPDX-License-Identifier: MIT
// Host lists as MPI users have them: Open MPI ("user@ip slots=4 max-slots=4"), MPICH ("host:4") or
// bare addresses, one a line, # comments.
#ifndef DMPI_SPEC_HOSTFILE_H
#define DMPI_SPEC_HOSTFILE_H

#include <stddef.h>

#include "base/err.h"

struct dmpi_hostfile_line {
    char *user; // NULL: none
    char *host; // name or address
    int slots;  // 0: not given
    int line;   // in the file
};

struct dmpi_hostfile {
    struct dmpi_hostfile_line *hosts;
    size_t n;
};

// A host that occurs twice gets the sum of its slots (as mpirun does). Errors are DMPI_EPARSE
// "NAME:LINE: ...": unknown attributes, malformed hosts, slots out of 1..4096, no host at all, more than
// 4096 hosts. *out is owned by the caller and empty after an error.
int dmpi_hostfile_parse(struct dmpi_hostfile *out, const char *text, size_t len, const char *name,
                        struct dmpi_err *err);
void dmpi_hostfile_free(struct dmpi_hostfile *hf); // empty afterwards; NULL is allowed

#endif
