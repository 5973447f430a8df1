// SPDX-License-Identifier: MIT
// The same code in the same place everywhere: what is there already with the same content is not
// sent again.
#ifndef DMPI_JOB_SYNC_H
#define DMPI_JOB_SYNC_H

#include <stddef.h>
#include <stdint.h>

#include "base/ctl.h"
#include "base/err.h"
#include "job/manifest.h"
#include "job/progress.h"
#include "job/target.h"

struct dmpi_fleet;

struct dmpi_sync_result {
    size_t files;   // in the tree
    size_t sent;    // files sent, summed over the containers
    uint64_t bytes; // of their content
};

// Brings every container's DEST/place to the manifest's content, at once, with one exec each. DEST
// is made when it is missing. A file of the same mode, size and time (to the nanosecond) is taken for the
// same, one with another time is compared by SHA-256; others are replaced as a whole; folders,
// links and modes are brought up to date. Files that are in the container only are left alone: a
// job's results lie beside its code. Everything belongs to root there. The error names the first
// container that failed.
int dmpi_sync(struct dmpi_manifest *manifest, const char *dest, struct dmpi_fleet *fleet,
              const struct dmpi_targets *targets, const struct dmpi_transfer_progress *progress,
              const struct dmpi_ctl *ctl, struct dmpi_sync_result *result, struct dmpi_err *err);

#endif
