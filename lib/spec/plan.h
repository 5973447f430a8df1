// SPDX-License-Identifier: MIT
// From the wish to containers: which one where, and the exact body that creates it. Nothing here
// talks to an engine.
#ifndef DMPI_SPEC_PLAN_H
#define DMPI_SPEC_PLAN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "spec/labels.h"
#include "spec/profile.h"
#include "spec/spec.h"

enum dmpi_role { DMPI_LAUNCHER, DMPI_WORKER, DMPI_JOB };

// "launcher", "worker", "job"; static.
const char *dmpi_role_name(enum dmpi_role role);
// The reverse; 0, or -1 when the word is none of them (NULL included).
int dmpi_role_parse(enum dmpi_role *out, const char *word);

struct dmpi_plan_member {
    enum dmpi_role role;
    int index;       // worker I; 0 for the launcher
    size_t node;     // index into the spec's nodes
    char *container; // dockmpi-NAME-launcher, dockmpi-NAME-worker-0
    char *alias;     // launcher, worker-0: dot-free, as in hostfile and ssh_config
    const struct dmpi_profile *profile; // borrowed from the plan
    char *addr;                         // data address; NULL: to be chosen from the node's facts
    int slots;                          // workers; 0 for the launcher
    bool slots_given;                   // by the user; otherwise one a GPU
    int gpu_turn, gpu_workers;          // which one of how many workers on its node with such GPUs
    json_t *create;                     // body of the engine's POST /containers/create
    char *spec_hash; // 16 hex digits, also in its label: same hash, same container
};

struct dmpi_plan {
    char *name;                       // cluster
    struct dmpi_plan_member *members; // the launcher first, then workers by index
    size_t n;
    struct dmpi_profile *profiles; // every profile in use, once
    size_t n_profiles;
};

// Profiles are read from images_dir, nothing else is. *out is owned by the caller and empty after
// an error.
int dmpi_plan_make(struct dmpi_plan *out, const struct dmpi_spec *spec, const char *images_dir,
                   struct dmpi_err *err);
void dmpi_plan_free(struct dmpi_plan *plan); // empty afterwards; NULL is allowed

// The plan for people and programs (--dry-run, --json). Owned by the caller.
json_t *dmpi_plan_json(const struct dmpi_plan *plan, const struct dmpi_spec *spec);

// What can be said of a member's network before its node is asked: which interface its ranks will use.
// Owned by the caller. addr may be NULL, subnet too.
char *dmpi_network_text(const char *addr, const char *subnet);

// The name of a container. Owned by the caller. index is not used for the launcher.
char *dmpi_container_name(const char *cluster, enum dmpi_role role, int index);

// A job's container, made like the launcher that it shares network, volumes and environment with.
struct dmpi_plan_job {
    const json_t *launcher; // the launcher's create body (dry run) or inspect answer
    const char *cluster;
    int index;           // N of dockmpi-CLUSTER-job-N
    const char *job;     // id
    const char *tags;    // DMPI_LABEL_TAGS; NULL: none
    const char *name;    // what the user calls it; NULL: nothing
    const char *program; // for people
    int ranks;
    bool unkept;                 // nothing of it is wanted after its end
    int grace_ms;                // of the ranks when the job is ended
    int restarts;                // attempts after the first that fails
    const char *workdir;         // NULL: the launcher's
    const struct dmpi_strv *env; // added to the launcher's; may be NULL
};

// *out: body of the engine's POST /containers/create, owned by the caller. DMPI_EPARSE when
// `launcher` does not look like a container.
int dmpi_plan_job(json_t **out, const struct dmpi_plan_job *job, struct dmpi_err *err);

#endif
