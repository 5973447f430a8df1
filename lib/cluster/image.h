// SPDX-License-Identifier: MIT
// Whether the image of a profile is on a node.
#ifndef DMPI_CLUSTER_IMAGE_H
#define DMPI_CLUSTER_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ctl.h"
#include "base/err.h"

struct dmpi_engine;
struct dmpi_profile;

// What one engine has of a profile.
struct dmpi_image_info {
    bool present;
    char *id;        // "sha256:..."; "" when not present; owned
    int64_t size;    // bytes, as the engine counts them (shared layers included)
    int64_t created; // unix seconds; 0: not known
};

// Asks the engine for the profile's image. An absent one is a success with present false. *out is
// to be freed with dmpi_image_info_free; it is empty after an error.
int dmpi_image_find(struct dmpi_image_info *out, struct dmpi_engine *engine,
                    const struct dmpi_profile *profile, const struct dmpi_ctl *ctl,
                    struct dmpi_err *err);

void dmpi_image_info_free(struct dmpi_image_info *info); // empty afterwards; NULL is allowed

// Sets err to DMPI_ENOTFOUND "image dockmpi/cpu:latest is not there: build it with `dockmpi image
// build cpu`" (callers put the node in front), with another remedy for a profile that cannot be built.
// Returns -1 always.
int dmpi_image_missing(const struct dmpi_profile *profile, struct dmpi_err *err);

// dmpi_image_find and, if it is not there, dmpi_image_missing.
int dmpi_image_require(struct dmpi_engine *engine, const struct dmpi_profile *profile,
                       const struct dmpi_ctl *ctl, struct dmpi_err *err);

#endif
