// SPDX-License-Identifier: MIT
// One image to every node that lacks it, judged by content and not by name: taken from an engine that
// has it, each node getting only the layers that it does not have; or pulled by the nodes themselves
// where it lives in a registry.
#ifndef DMPI_CLUSTER_PUSH_H
#define DMPI_CLUSTER_PUSH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ctl.h"
#include "base/err.h"

struct dmpi_engine;
struct dmpi_fleet;

// Told about every 100 ms for each node, from several threads, never two at once. node is NULL while
// the image is read from its source. total is 0 while unknown.
typedef void dmpi_push_fn(void *arg, const char *node, const char *image, uint64_t bytes,
                          uint64_t total);

struct dmpi_push_opts {
    const bool *nodes;         // which nodes of the fleet; NULL: all
    struct dmpi_engine *local; // the engine whose image counts when it has it; NULL: there is none
    bool registry;             // the image comes from a registry: the nodes may pull it
    dmpi_push_fn *progress;    // may be NULL
    void *arg;
};

// What happened on a node.
enum dmpi_pushed { DMPI_PUSH_SKIPPED, DMPI_PUSH_SAME, DMPI_PUSH_SENT, DMPI_PUSH_PULLED };

struct dmpi_push_result {
    enum dmpi_pushed what;
    bool replaced;  // another image had that name there
    uint64_t bytes; // sent or pulled
    size_t layers;  // of the image
    size_t had;     // layers that were there already
};

// Brings image `ref` to the chosen nodes, all at once. The image that counts is that of opts->local;
// when it has none, the newest that any node of the fleet has; when nobody has one and it is in a
// registry, what the nodes pull. Nothing is read where every node has it. results and errs have one
// entry a node. Returns the number of chosen nodes that failed, or -1 with err when the image is
// nowhere (DMPI_ENOTFOUND) or could not be read from its source.
long dmpi_push_image(struct dmpi_fleet *fleet, const char *ref, const struct dmpi_push_opts *opts,
                     const struct dmpi_ctl *ctl, struct dmpi_push_result *results,
                     struct dmpi_err *errs, struct dmpi_err *err);

// What a node has under the name of an image.
enum dmpi_standing {
    DMPI_IMAGE_ABSENT,
    DMPI_IMAGE_SAME,  // what dmpi_push_image would bring
    DMPI_IMAGE_OTHER, // another image
};

// Only looks: out and errs have one entry a node. Returns the number of chosen nodes that failed, or -1
// with err when the local engine did.
long dmpi_push_compare(struct dmpi_fleet *fleet, const char *ref, const struct dmpi_push_opts *opts,
                       const struct dmpi_ctl *ctl, enum dmpi_standing *out, struct dmpi_err *errs,
                       struct dmpi_err *err);

#endif
