// SPDX-License-Identifier: MIT
// The mesh: what every member of a cluster must know to reach every worker. It lives in the
// members' tmpfs (mesh.json and the key file) and in the client's memory, nowhere else.
#ifndef DMPI_MESH_MESH_H
#define DMPI_MESH_MESH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/hash.h"
#include "mesh/facts.h"
#include "mesh/keys.h"
#include "spec/ports.h"

#define DMPI_MESH_DIR "/etc/dockmpi"
#define DMPI_MESH_WORKERS_MAX 4096

// All strings are owned by the struct. Optional ones may be NULL.
struct dmpi_mesh_worker {
    int index;
    char *alias; // "worker-0": no dots, or Open MPI takes two workers for one
    char *node;
    char *addr; // data address
    int port;   // of its sshd
    int slots;
    char *profile;
    char *interpreter;  // optional
    char *host_public;  // "ssh-ed25519 AAAA..."
    char *iface, *cidr; // the interface of addr and its exact network; optional
    int mtu;            // 0: unknown
    int cpus;           // of its node, 0: unknown
    int ompi;           // generation of its Open MPI, 0: unknown
    int gpus;           // that it sees, of the kind that its image is for; 0: none or unknown
    bool rdma;          // its interface has an RDMA device
    bool guard;         // its launch daemon can be guarded, see dmpi_mesh_can_guard
};

struct dmpi_mesh {
    char id[33];                          // random, 32 hex digits
    struct dmpi_key key;                  // the cluster's; all zero when only mesh.json was read
    char *launcher_iface, *launcher_cidr; // of the launcher's node; optional
    int launcher_ompi;                    // generation of its Open MPI, 0: unknown
    bool launcher_guard;                  // its mpirun can be guarded
    bool unprivileged;                    // its containers run as another user than root
    struct dmpi_ports ports;              // all that listens keeps to these; 0, 0: to none
    struct dmpi_mesh_worker *workers;     // by rising index
    size_t n;
};

// A new mesh without workers: random id and key.
int dmpi_mesh_make(struct dmpi_mesh *out, struct dmpi_err *err);

void dmpi_mesh_free(struct dmpi_mesh *mesh); // wipes the key; NULL is allowed

// Frees the strings of a worker that is not (or no longer) in a mesh. NULL is allowed.
void dmpi_mesh_worker_clear(struct dmpi_mesh_worker *worker);

// Adds a worker, or replaces the one with that index. Strings are copied. DMPI_EINVAL names a field
// that could not stand in a configuration file.
int dmpi_mesh_put(struct dmpi_mesh *mesh, const struct dmpi_mesh_worker *worker,
                  struct dmpi_err *err);
// Removes the worker with that index; false when there is none.
bool dmpi_mesh_drop(struct dmpi_mesh *mesh, int index);
// Borrowed; NULL when there is none.
struct dmpi_mesh_worker *dmpi_mesh_find(const struct dmpi_mesh *mesh, int index);

// Sets iface, cidr, mtu, cpus, ompi, rdma and guard of a worker (addr set before) from the facts of its node.
void dmpi_mesh_worker_locate(struct dmpi_mesh_worker *worker, const struct dmpi_facts *facts);
// The same for the launcher, with the data address of its node.
void dmpi_mesh_launcher_locate(struct dmpi_mesh *mesh, const char *addr,
                               const struct dmpi_facts *facts);

// Whether a member's mpirun or launch daemon can be guarded (images/launcher/guard.c): its image has the library,
// its kernel does what that asks, and its environment names no launch agent of the user's own.
bool dmpi_mesh_can_guard(const struct dmpi_facts *facts);

// Whether launcher and workers can form one world: their Open MPI must be of one generation, because the
// launch daemons of 4 (ORTE) and 5 (PRRTE) do not understand each other. What is unknown fits. launcher
// is the image of the launcher, for the message. DMPI_EINVAL.
int dmpi_mesh_check_ompi(const struct dmpi_mesh *mesh, const char *launcher, struct dmpi_err *err);

// mesh.json, without the key. Owned by the caller.
json_t *dmpi_mesh_to_json(const struct dmpi_mesh *mesh);
// Reads it back; strict, because a container could have written anything. *out is to be freed also
// after an error.
int dmpi_mesh_from_json(struct dmpi_mesh *out, const char *text, size_t len, struct dmpi_err *err);

// Reads mesh.json and the key out of what `tar -c /etc/dockmpi` printed in a member.
// DMPI_ENOTFOUND when a file is not in it.
int dmpi_mesh_from_tar(struct dmpi_mesh *out, const void *tar, size_t len, struct dmpi_err *err);

// What self.json of an up-to-date member carries: changes with the key, the workers and the
// version of the files.
void dmpi_mesh_digest(const struct dmpi_mesh *mesh, char out[DMPI_SHA256_HEX]);

// A member's self.json.
struct dmpi_mesh_self {
    char id[33];
    char digest[DMPI_SHA256_HEX];
    char role[16];
    int index;
};
int dmpi_mesh_self_parse(struct dmpi_mesh_self *out, const char *text, size_t len,
                         struct dmpi_err *err);

#endif
