// SPDX-License-Identifier: MIT
// Images to every node without a registry: taken from one engine, given to those that lack them,
// each getting only the layers that it does not have.
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
// the image is read from the source. total is 0 while unknown.
typedef void dmpi_push_fn(void *arg, const char *node, const char *image, uint64_t bytes,
                          uint64_t total);

struct dmpi_push_opts {
    const bool *nodes;      // which nodes of the fleet; NULL: all
    bool replace;           // also where another image has that name; else only where there is none
    dmpi_push_fn *progress; // may be NULL
    void *arg;
};

// What happened on a node.
enum dmpi_pushed { DMPI_PUSH_SKIPPED, DMPI_PUSH_SAME, DMPI_PUSH_SENT };

struct dmpi_push_result {
    enum dmpi_pushed what;
    uint64_t bytes; // sent
    size_t layers;  // of the image
    size_t had;     // layers that were there already
};

// Brings image `ref` from `source` to the fleet's nodes, all at once. results and errs have one entry
// a node. Returns the number of nodes that failed, or -1 with err when the image could not be read
// from the source (DMPI_ENOTFOUND: it is not there). Nothing is read when no node lacks it.
long dmpi_push_image(struct dmpi_fleet *fleet, struct dmpi_engine *source, const char *ref,
                     const struct dmpi_push_opts *opts, const struct dmpi_ctl *ctl,
                     struct dmpi_push_result *results, struct dmpi_err *errs, struct dmpi_err *err);

#endif
