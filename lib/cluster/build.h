// SPDX-License-Identifier: MIT
// Build the image of a profile on an engine, with everything it is built on.
#ifndef DMPI_CLUSTER_BUILD_H
#define DMPI_CLUSTER_BUILD_H

#include <stdbool.h>

#include "base/ctl.h"
#include "base/err.h"
#include "base/strv.h"

struct dmpi_engine;

enum dmpi_build_event {
    DMPI_BUILD_IMAGE,  // work on this image begins
    DMPI_BUILD_STEP,   // "Step 2/5 : RUN ..."
    DMPI_BUILD_OUTPUT, // a line that a step prints
    DMPI_BUILD_LAYER,  // what the engine says about a layer that it pulls
    DMPI_BUILD_DONE,   // this image is there; text is its id, or ""
};

// Called on the thread that builds. image is the reference that is being built; text is one line
// without newline, as it came from the engine or a program: not safe for a terminal as it is.
typedef void dmpi_build_fn(void *arg, const char *image, enum dmpi_build_event event,
                           const char *text);

struct dmpi_build_opts {
    bool no_cache; // run every step of the named profile's Dockerfile again
    const struct dmpi_strv
        *args;           // further build arguments, NAME=VALUE, for every image built; may be NULL
    dmpi_build_fn *tell; // may be NULL
    void *arg;
};

// Builds the profile `name` of images_dir. Profiles that it is built on (`from:`) are built first if
// the engine lacks them, and below them all the base image (see cluster/base_image.h). The Dockerfile
// gets what it is built on as the build argument BASE. The containers of the build use the host's
// network, so that they reach what the host reaches. An error names the step that failed and ends with
// what it printed last. When ctl ends the build, the running step's container is gone when this
// returns, and an image of that name that was there before stays as it was.
int dmpi_build_profile(struct dmpi_engine *engine, const char *images_dir, const char *name,
                       const struct dmpi_build_opts *opts, const struct dmpi_ctl *ctl,
                       struct dmpi_err *err);

#endif
