// SPDX-License-Identifier: MIT
/*
 * One client at a time changes a cluster: `up` and `down` hold its lock, `run` looks for it between the
 * creation of its job's container and the job's start, so that who changes the cluster either finds the
 * job or is found by it.
 *
 * The lock is a volume on the engine of the launcher's node, which has no other use: creating a volume is
 * atomic there, is one short call, needs no image, and answers with the labels of the one that exists
 * when there is one. The labels say who holds it. A client that was killed leaves it behind: another
 * client on the same machine sees that the process is gone, one elsewhere counts it until its time is
 * over. Who takes over makes the next volume in the row (dockmpi-CLUSTER-lock-2), looks at all of them
 * again, withdraws when one is alive, and only then removes the dead one: so nobody ever removes a lock
 * that has just been taken.
 */
#ifndef DMPI_CLUSTER_LOCK_H
#define DMPI_CLUSTER_LOCK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ctl.h"
#include "base/err.h"

struct dmpi_engine;
struct dmpi_fleet;
struct dmpi_lock;

// The role of these volumes, in the label of that name.
#define DMPI_ROLE_LOCK "lock"

// What a client wants with the lock.
struct dmpi_lock_wish {
    const char *cluster;
    const char *verb; // "up", for the others' messages
    int64_t wait_ms;  // patience while another client holds it
    int64_t
        expect_ms; // how long it may be held; a client on another machine counts it dead afterwards
};

// Takes the lock of a cluster, which is on that node; fleet and the wish's strings are borrowed until
// dmpi_lock_release. DMPI_ECONFLICT names who holds it, and what to do. *out is NULL also after a success where the
// engine does not answer, or lets no volumes be made (a proxy between): the caller goes on without.
int dmpi_lock_take(struct dmpi_lock **out, struct dmpi_fleet *fleet, size_t node,
                   const struct dmpi_lock_wish *wish, const struct dmpi_ctl *ctl,
                   struct dmpi_err *err);

// Gives it back, within some seconds of its own. NULL is fine.
void dmpi_lock_release(struct dmpi_lock *lock);

// Fails with DMPI_ECONFLICT when a living client holds the cluster's lock.
int dmpi_lock_check(struct dmpi_engine *engine, const char *cluster, const struct dmpi_ctl *ctl,
                    struct dmpi_err *err);

// Removes the locks of dead clients; cluster NULL: all locks of all clusters.
void dmpi_lock_sweep(struct dmpi_engine *engine, const char *cluster, const struct dmpi_ctl *ctl);

// Whether a client with these labels is alive, as seen from this process at `now` (seconds since the
// epoch). Reads /proc for clients on this machine.
bool dmpi_lock_alive(const json_t *labels, int64_t now);

// The label that tells a client's machine and process: "BOOT PIDS PID START". Owned by the caller.
char *dmpi_lock_client(void);

#endif
