// SPDX-License-Identifier: MIT
// What the user wants: cluster file, flags and defaults become one validated struct.
#ifndef DMPI_SPEC_SPEC_H
#define DMPI_SPEC_SPEC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"
#include "spec/endpoint.h"
#include "spec/ports.h"

#define DMPI_WORKERS_MAX 4096
#define DMPI_SLOTS_MAX 4096
#define DMPI_TTL_MIN_S 10
#define DMPI_TTL_MAX_S (365 * 24 * 3600)
#define DMPI_WORKDIR_DEFAULT "/work"
#define DMPI_IMAGE_DEFAULT "cpu"
#define DMPI_NAME_DEFAULT "default"
#define DMPI_LAUNCHER_IMAGE_DEFAULT "launcher"

struct dmpi_volume {
    char *host;      // absolute path on the node
    char *container; // absolute path in every container, normalised
    bool ro;
};

// Workers of one image on one node.
struct dmpi_group {
    char *image; // profile
    int workers; // 0 is possible
};

struct dmpi_node {
    char *name;
    struct dmpi_endpoint ep;   // control
    char *addr;                // data address; NULL: to be chosen from the node's facts
    int slots;                 // ranks for each worker
    bool slots_given;          // by the user; otherwise GPUs may make them more
    int workers;               // sum over the groups
    struct dmpi_group *groups; // in the order of their workers' indices
    size_t n_groups;
    json_t *options; // merged into HostConfig of this node's containers; NULL: none
};

// All strings are owned.
struct dmpi_spec {
    char *name;
    char *file;   // the cluster file; NULL: none
    char *origin; // 16 hex digits: who defines this cluster (see dmpi_spec_make)
    struct dmpi_node *nodes;
    size_t n_nodes;
    size_t launcher_node; // index into nodes
    char *launcher_image; // profile; NULL: what the workers' images ask for
    struct dmpi_volume *volumes;
    size_t n_volumes;
    struct dmpi_strv env;    // KEY=VALUE
    int64_t shm_size;        // bytes; 0: as the profile says
    int64_t ttl_s;           // seconds without use after which the cluster ends itself; 0: never
    char *run_as;            // UID[:GID] or NAME that the containers run as; NULL: root
    char *workdir;           // absolute, in every container
    char *subnet;            // "172.31.0.0/16": where data addresses are; NULL: not given
    struct dmpi_ports ports; // all that listens keeps to these; 0, 0: to none
};

// What a command line can say. Zero (NULL, empty) means: not given. Everything is borrowed.
struct dmpi_flags {
    const char *file;    // cluster file or hostfile
    const char *name;    // cluster
    const char *workers; // number as typed, so that errors can quote it
    const char *image;   // "cpu" or "cpu:2,g4dn:1"
    const char *launcher_image;
    const char *slots;    // number as typed
    const char *shm_size; // "8G"
    const char *ttl;      // "12h"
    const char *workdir;
    const char *ports;        // "30000-30199"
    const char *run_as;       // UID[:GID] or NAME; root under any name is the same as not given
    const char *user;         // ssh user for nodes that name none
    struct dmpi_strv nodes;   // endpoints in place of a file: "ssh://user@host"
    struct dmpi_strv volumes; // HOST:CONTAINER[:ro]
    struct dmpi_strv env;     // KEY=VALUE, or KEY: value of our own environment
};

// Reads flags->file when given, lets the flags win over it, fills in defaults, validates.
// - Without a file: one node "local" with the endpoint that docker itself would use.
// - With nodes: one node each, called as its endpoint is written.
// - With a hostfile: one node a line, in its order; slots as there.
// - --workers N is the number of workers in all, spread evenly over the nodes that bear workers.
// - --image "a:2,b:1" gives the workers of a single node; "a" replaces the image of all workers.
// - A cluster of one node without addr talks over 127.0.0.1. Of several nodes, one whose endpoint
//   names an address and for which no subnet applies uses that address for data, too.
// - origin tells apart two definitions that use the same name: it follows from the cluster file's
//   real path, or without file from user and host of the client.
// *out is owned by the caller and empty after an error. Errors name FILE:LINE or the flag.
int dmpi_spec_make(struct dmpi_spec *out, const struct dmpi_flags *flags, struct dmpi_err *err);

// The same with the file's text in memory (NULL: no file) and without looking at the environment:
// `local` is the endpoint of the node "local". For tests.
int dmpi_spec_make_text(struct dmpi_spec *out, const struct dmpi_flags *flags, const char *text,
                        size_t len, const struct dmpi_endpoint *local, struct dmpi_err *err);

void dmpi_spec_free(struct dmpi_spec *spec); // empty afterwards; NULL is allowed

// Sum over all nodes.
int dmpi_spec_workers(const struct dmpi_spec *spec);

// One HOST:CONTAINER[:ro|rw]: absolute paths, the second not one that dockmpi itself fills. *out is
// owned by the caller and empty after an error.
int dmpi_volume_parse(struct dmpi_volume *out, const char *text, struct dmpi_err *err);
void dmpi_volume_free(struct dmpi_volume *volume);

// KEY or KEY=VALUE appended to env as KEY=VALUE, replacing what has the same key; a bare KEY takes
// the value of our own environment and is an error when that has none.
int dmpi_env_parse(struct dmpi_strv *env, const char *text, struct dmpi_err *err);

// A time to live, "12h", within DMPI_TTL_MIN_S and DMPI_TTL_MAX_S.
int dmpi_ttl_parse(int64_t *out_s, const char *text, struct dmpi_err *err);

// Whether text is "a.b.c.d/n", or its IPv6 counterpart.
bool dmpi_subnet_ok(const char *text);

#endif
