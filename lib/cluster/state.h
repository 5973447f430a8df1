// SPDX-License-Identifier: MIT
// What is really there: the containers that carry our labels, on every node. Labels are the truth;
// nothing else is kept anywhere.
#ifndef DMPI_CLUSTER_STATE_H
#define DMPI_CLUSTER_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ctl.h"
#include "base/err.h"
#include "base/strv.h"
#include "spec/plan.h"

struct dmpi_fleet;

// In the container of a job that may be started again: as long as attempts have begun.
#define DMPI_ATTEMPTS_FILE "/tmp/dockmpi-attempts"

// One container of ours. Strings are never NULL; "" where a label is missing.
struct dmpi_member {
    char *id;        // engine's container id
    char *container; // container name without the leading slash
    char *cluster;
    enum dmpi_role role;
    int index;      // worker I; 0 for the launcher
    size_t node;    // where it was found: index into the fleet
    char *node_tag; // node name in its label
    char *state;    // engine's word: created, running, paused, restarting, exited, dead, removing
    char *image;    // image name it was made from
    char *image_id; // id of that image, "sha256:..."
    char *spec;     // hash of what it was made from
    char *given;    // options that it was made with (spec/given.h)
    char *profile;
    char *addr;
    char *origin; // which definition made it, see dmpi_origin in spec
    int slots;
    int ttl_s;      // seconds without use after which it ends; 0: never
    char *job;      // job: its id
    char *tags;     // of its output: "show", "hide", "": none; see job/ranklog.h
    char *job_name; // what the user calls it; "": nothing
    char *program;
    int ranks;
    bool unkept;              // job: nothing of it is wanted after its end
    int restarts;             // job: attempts that it may have after the first
    int attempts;             // job that may have several: how many have begun; 0: not known
    int64_t grace_ms;         // job: what its ranks have between TERM and KILL
    int64_t created;          // seconds since the epoch
    int64_t started;          // jobs only; milliseconds since the epoch, 0: never
    int64_t finished;         // jobs only; milliseconds since the epoch, 0: not yet
    int exit_code;            // jobs that ended; -1 otherwise
    const char *ending;       // jobs that ended: how (cluster/ended.h); NULL: not known. Static
    bool oom_killed;          // jobs only
    struct dmpi_strv volumes; // anonymous ones: the engine named them and removes them with it
};

struct dmpi_state {
    struct dmpi_member *members; // sorted by cluster, role, index, job
    size_t n;
    struct dmpi_err *errs; // one a node; DMPI_OK where the node answered
    size_t n_nodes;
};

// Lists the containers of `cluster` (NULL: of all clusters) on every node at once, each node within
// its own share of `ctl`. Returns 0 when every node answered. Otherwise returns -1 with a summary in
// `err`, and `out` still holds what the other nodes told and `out->errs` each node's own error.
// `out` is always to be freed with dmpi_state_free.
int dmpi_state_load(struct dmpi_state *out, struct dmpi_fleet *fleet, const char *cluster,
                    const struct dmpi_ctl *ctl, struct dmpi_err *err);

// The same without asking for the details of each job (attempts, started, finished, exit_code, ending, oom_killed).
int dmpi_state_list(struct dmpi_state *out, struct dmpi_fleet *fleet, const char *cluster,
                    const struct dmpi_ctl *ctl, struct dmpi_err *err);

void dmpi_state_free(struct dmpi_state *state);

// True while the engine counts the container as up.
bool dmpi_member_running(const struct dmpi_member *member);

// True for a job that has ended; one that was made and is still to be started has not.
bool dmpi_member_ended(const struct dmpi_member *job);

// What the user calls a job: its name if he gave it one, else its id. Borrowed from the member.
const char *dmpi_member_called(const struct dmpi_member *job);

// The launcher, worker I or job of a cluster; NULL when there is none. Borrowed. A NULL cluster
// matches every cluster.
const struct dmpi_member *dmpi_state_launcher(const struct dmpi_state *state, const char *cluster);
const struct dmpi_member *dmpi_state_worker(const struct dmpi_state *state, const char *cluster,
                                            int index);
const struct dmpi_member *dmpi_state_job(const struct dmpi_state *state, const char *cluster,
                                         const char *job);

#endif
