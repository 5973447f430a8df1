// SPDX-License-Identifier: MIT
// What push.c (who needs the image, from where), push_send.c (layers to one node) and pull.c (one node
// pulls) share.
#ifndef DMPI_CLUSTER_PUSH_IMPL_H
#define DMPI_CLUSTER_PUSH_IMPL_H

#include <pthread.h>

#include "cluster/content.h"
#include "cluster/push.h"
#include "cluster/spool.h"

// One image on its way to all nodes.
struct dmpi_push {
    struct dmpi_fleet *fleet;
    const char *ref;
    const struct dmpi_push_opts *opts;
    const struct dmpi_ctl *ctl;
    struct dmpi_push_result *results;
    bool *looked;                  // one a node, as all below: whether it is asked what it has
    bool *needs;                   // it is to get the image
    struct dmpi_content *contents; // what it has
    struct dmpi_content local;
    const struct dmpi_content *wanted; // one of those
    long source;                       // node to take it from; -1: opts->local
    struct dmpi_spool *spool;
    const char *pull; // what a node asks the registry for
    char *auth;       // header for the registry; NULL: none
    pthread_mutex_t lock;
    int64_t told; // reading: when progress was last told
};

#define DMPI_PUSH_TELL_MS 100

void dmpi_push_tell(struct dmpi_push *p, const char *node, uint64_t bytes, uint64_t total);

// Sends the layers that the node lacks and makes sure that the image is there. results[node] is
// filled in.
int dmpi_push_send(struct dmpi_push *p, struct dmpi_engine *engine, size_t node,
                   struct dmpi_err *err);

// Has the node pull p->pull and gives it the name p->ref.
int dmpi_push_pull(struct dmpi_push *p, struct dmpi_engine *engine, size_t node,
                   struct dmpi_err *err);

#endif
