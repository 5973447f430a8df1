// SPDX-License-Identifier: MIT
// The conversation with one container of ours: created, attached, started, it prints the facts of
// its node, is fed one tar on its standard input, and says when it is ready. Keys travel over that
// connection only. How the container answers is in spec/script.h.
#ifndef DMPI_CLUSTER_MEMBER_H
#define DMPI_CLUSTER_MEMBER_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/ctl.h"
#include "base/err.h"
#include "mesh/facts.h"
#include "mesh/mesh.h"

struct dmpi_engine;
struct dmpi_talk;

// Creates a container from `body` (borrowed) under the name `container`; nothing is started. `*id` is to be
// freed. A name that is taken gives DMPI_ECONFLICT and says by whom.
int dmpi_member_create(char **id, struct dmpi_engine *engine, const char *container, json_t *body,
                       const struct dmpi_ctl *ctl, struct dmpi_err *err);

// Attaches to a container that is not running, starts it, and reads its facts. `engine`, `id` and
// `container` are borrowed for the life of `*out`. When the container ends instead, the error holds
// the last lines that it printed.
int dmpi_talk_start(struct dmpi_talk **out, struct dmpi_engine *engine, const char *id,
                    const char *container, const struct dmpi_ctl *ctl, struct dmpi_err *err);

// What the container told about its node. Borrowed.
const struct dmpi_facts *dmpi_talk_facts(const struct dmpi_talk *talk);

// Sends the tar that the container waits for, or the next part of it.
int dmpi_talk_feed(struct dmpi_talk *talk, const void *tar, size_t len, const struct dmpi_ctl *ctl,
                   struct dmpi_err *err);

enum dmpi_ready {
    DMPI_READY,
    DMPI_PORT_TAKEN, // sshd could not bind its port; the container has ended and may start again
};

// Waits until the container says that it is ready.
int dmpi_talk_ready(struct dmpi_talk *talk, enum dmpi_ready *out, const struct dmpi_ctl *ctl,
                    struct dmpi_err *err);

// Ends the conversation; the container goes on. NULL is fine.
void dmpi_talk_free(struct dmpi_talk *talk);

// Unpacks a tar over / inside a running container. It comes in two parts, because most of it is the same for many
// (dmpi_mesh_shared); shared may be NULL.
int dmpi_member_put(struct dmpi_engine *engine, const char *id, const char *container,
                    const struct dmpi_buf *shared, const struct dmpi_buf *own,
                    const struct dmpi_ctl *ctl, struct dmpi_err *err);

// Reads self.json of a running container. DMPI_ENOTFOUND when it has none: it was restarted or never
// fed, so it is not ready.
int dmpi_member_self(struct dmpi_mesh_self *out, struct dmpi_engine *engine, const char *id,
                     const char *container, const struct dmpi_ctl *ctl, struct dmpi_err *err);

// Fetches /etc/dockmpi of a running container as a tar into `out`, which holds secrets: free it with
// dmpi_secret_buf_free. DMPI_ENOTFOUND as above.
int dmpi_member_fetch(struct dmpi_buf *out, struct dmpi_engine *engine, const char *id,
                      const char *container, const struct dmpi_ctl *ctl, struct dmpi_err *err);

#endif
