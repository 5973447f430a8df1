// SPDX-License-Identifier: MIT
// A spec while it is being put together, private to lib/spec.
#ifndef DMPI_SPEC_DRAFT_H
#define DMPI_SPEC_DRAFT_H

#include "base/yaml.h"
#include "spec/read.h"
#include "spec/spec.h"

#define DMPI_UNSET (-1)

// What a node's entry says, and what stands in when it says nothing.
struct dmpi_draft_node {
    char *user, *identity, *known_hosts, *tls, *image;
    bool insecure;
    int slots, workers; // DMPI_UNSET: not given
    json_t *options;
};

struct dmpi_draft {
    struct dmpi_spec *spec;
    const struct dmpi_flags *flags;
    const struct dmpi_endpoint *local; // NULL: ask the environment, when it is needed
    struct dmpi_yaml y;                // the cluster file
    struct dmpi_draft_node defaults;
    struct dmpi_draft_node *nodes; // one for each of the spec
    char *launcher_name;           // node; NULL: not given
};

void dmpi_draft_free(struct dmpi_draft *d);

// A node more in spec->nodes and d->nodes. Borrowed until the next one.
struct dmpi_node *dmpi_draft_add(struct dmpi_draft *d);

// Endpoint of a node that names none.
int dmpi_draft_local(struct dmpi_draft *d, struct dmpi_endpoint *out, struct dmpi_err *err);

// Reads the cluster file d->y.
int dmpi_draft_read(struct dmpi_draft *d, struct dmpi_err *err);

// Makes a node of each line of a hostfile.
int dmpi_draft_hostfile(struct dmpi_draft *d, const char *text, size_t len, const char *name,
                        struct dmpi_err *err);

// Sets groups and workers of every node, flags included.
int dmpi_draft_workers(struct dmpi_draft *d, struct dmpi_err *err);

// Puts before what err holds where node i says so: "FILE:LINE: nodes[I].KEY: ", or "node NAME: ". -1.
int dmpi_draft_node_err(const struct dmpi_draft *d, size_t i, const char *key,
                        struct dmpi_err *err);

// --FLAG TEXT as a number from 1 to max; NULL leaves *out alone.
int dmpi_flag_int(int *out, const char *flag, const char *text, int max, struct dmpi_err *err);

void dmpi_node_clear_groups(struct dmpi_node *node);

// "cpu", "cpu:2", "cpu:2,g4dn:1": appends to node->groups. *counted: whether a count was given. Counts
// are 1 where none was given.
int dmpi_image_mix(struct dmpi_node *node, bool *counted, const char *text, struct dmpi_err *err);

// Adds a volume; one with the same container path is replaced, or refused when `replace` is false.
int dmpi_spec_add_volume(struct dmpi_spec *spec, const char *text, bool replace,
                         struct dmpi_err *err);

// An absolute path without empty, "." and ".." parts and without slash at the end; NULL when text is
// no such path ("..", relative, control characters). Owned by the caller.
char *dmpi_path_normal(const char *text);

#endif
