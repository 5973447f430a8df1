// SPDX-License-Identifier: MIT
// How long work tells what it is doing.
#ifndef DMPI_CLUSTER_PROGRESS_H
#define DMPI_CLUSTER_PROGRESS_H

enum dmpi_stage {
    DMPI_STAGE_LIST,    // asking the engine what is there
    DMPI_STAGE_IMAGE,   // looking for, building or loading an image
    DMPI_STAGE_REMOVE,  // removing a container
    DMPI_STAGE_CREATE,  // creating and starting a container
    DMPI_STAGE_FEED,    // giving it keys and configuration
    DMPI_STAGE_UPDATE,  // giving a kept member the changed mesh
    DMPI_STAGE_READY,   // this member is ready
    DMPI_STAGE_KEPT,    // this member was ready before
    DMPI_STAGE_REMOVED, // this container is gone
    DMPI_STAGE_FAILED,  // this node or member failed; detail says why
};

// A word for a stage: "image", "create", ... Static.
const char *dmpi_stage_name(enum dmpi_stage stage);

// Called from many threads, never two at once. `container` is NULL for what concerns the node;
// `detail` may be NULL. Strings are valid during the call only.
typedef void dmpi_progress_fn(void *arg, const char *node, const char *container,
                              enum dmpi_stage stage, const char *detail);

#endif
