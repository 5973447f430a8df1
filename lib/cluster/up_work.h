// SPDX-License-Identifier: MIT
// What the steps of `up` share. Private to lib/cluster/up*.c.
#ifndef DMPI_CLUSTER_UP_WORK_H
#define DMPI_CLUSTER_UP_WORK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/ctl.h"
#include "base/err.h"
#include "base/hash.h"
#include "cluster/decide.h"
#include "cluster/fit.h"
#include "cluster/member.h"
#include "cluster/state.h"
#include "cluster/up.h"
#include "mesh/mesh.h"
#include "spec/plan.h"
#include "spec/spec.h"

struct dmpi_engine;
struct dmpi_fleet;

// One container in work: a step of the decision and how far it has come. During a parallel pass an
// item belongs to one thread.
struct dmpi_item {
    struct dmpi_step *step;
    size_t node;
    char *id;               // of the container that stays or was made; NULL: none yet
    bool made;              // by this call: removed again unless it gets ready
    bool ready;             // member of the mesh, able to take part
    bool gone;              // what was to be removed is removed
    bool updated;           // kept, and given a changed mesh
    struct dmpi_talk *talk; // while it starts
    struct dmpi_fit fit;    // what is particular to its node
    int gpus;               // that its container sees; 0 also when nobody looked
    struct dmpi_key host_key;
    char mesh_id[33];             // kept: the mesh that it belongs to
    char digest[DMPI_SHA256_HEX]; // of the mesh that it knows
    struct dmpi_err err;          // DMPI_OK, or why it failed
};

struct dmpi_work {
    struct dmpi_fleet *fleet;
    const struct dmpi_spec *spec;
    const struct dmpi_plan *plan;
    const struct dmpi_up_opts *opts;
    const struct dmpi_ctl *ctl;
    bool locked; // nobody else changes the cluster meanwhile
    struct dmpi_state state;
    struct dmpi_decision decision;
    char **image_ids;            // one a plan member; NULL where unknown
    struct dmpi_err *image_errs; // one a plan member
    struct dmpi_item *items;     // one a step, in the same order
    size_t n;
    pthread_mutex_t lock; // guards mesh, shared and taken while items are worked on at once
    struct dmpi_mesh mesh;
    struct dmpi_work_shared *shared; // of the mesh as it is; NULL: to be made, by up_feed.c
    char digest[DMPI_SHA256_HEX];    // of the mesh that every member is to know in the end
    struct dmpi_port_set *taken;     // one a node: ports of our own workers
    pthread_mutex_t progress_lock;
};

// One stage for one item. An error needs no node name.
typedef int dmpi_item_fn(struct dmpi_work *work, struct dmpi_item *item, struct dmpi_engine *engine,
                         const struct dmpi_ctl *ctl, struct dmpi_err *err);

// Runs fn for every item that pick chooses: all nodes at once, several items of a node at once, each
// with its own deadline. A failure goes to the item's err and to progress.
void dmpi_work_each(struct dmpi_work *work, bool (*pick)(const struct dmpi_item *item),
                    dmpi_item_fn *fn);

// Tells progress. detail may be NULL.
void dmpi_work_tell(struct dmpi_work *work, const struct dmpi_item *item, enum dmpi_stage stage,
                    const char *detail);

// Notes that nothing more can be done for an item, and tells it. The error names the node.
void dmpi_work_fail(struct dmpi_work *work, struct dmpi_item *item, const struct dmpi_err *err);

// The worker index of an item, -1 for the launcher and for what is not wanted.
int dmpi_item_worker(const struct dmpi_item *item);

// up_images.c: asks every node for the images that its members are made from, once for each image.
// Fills image_ids and, for members that are to be made from an image that is not there, image_errs.
void dmpi_work_images(struct dmpi_work *work);

// up_keep.c: looks into the members that may be kept, reads the mesh out of them, and turns those
// that are not ready into replacements. Without any, makes a new mesh.
int dmpi_work_keep(struct dmpi_work *work, struct dmpi_err *err);

// up_hardware.c: whether the nodes have the hardware that the images of new members want. Changes
// nothing; fills fit and gpus, or err.
void dmpi_work_hardware(struct dmpi_work *work);

// up_make.c: removes what must go, creates and starts what is missing, reads the facts.
void dmpi_work_make(struct dmpi_work *work);
// The same for one item again, whose container has ended before it was ready.
int dmpi_work_remake(struct dmpi_work *work, struct dmpi_item *item, struct dmpi_engine *engine,
                     const struct dmpi_ctl *ctl, struct dmpi_err *err);
// Removes what was made and is not ready, or all that was made. Not cancellable; bounded in time.
void dmpi_work_undo(struct dmpi_work *work, bool everything);

// up_feed.c: addresses and ports for the new workers (pure), then keys and configuration for them.
void dmpi_work_place(struct dmpi_work *work);
void dmpi_work_feed_workers(struct dmpi_work *work);
// Drops what was packed of the mesh, because that changes or goes. With the lock held where threads are at work.
void dmpi_work_unshare(struct dmpi_work *work);
// The launcher, every member whose mesh is out of date, and the jobs that run.
void dmpi_work_feed_rest(struct dmpi_work *work);

#endif
