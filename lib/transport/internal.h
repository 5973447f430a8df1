// SPDX-License-Identifier: MIT
#ifndef DMPI_TRANSPORT_INTERNAL_H
#define DMPI_TRANSPORT_INTERNAL_H

#include "transport/transport.h"

/* One row of the table in transport.c: how a scheme is spoken. */
struct dmpi_transport_ops {
    enum dmpi_scheme scheme;
    bool lanes; /* the two lanes are different connections */

    /* Checks the endpoint and sets t->base (allocated); may set t->state. */
    int (*open)(struct dmpi_transport *t, const struct dmpi_ctl *ctl, struct dmpi_err *err);

    /* Sets what is particular to the scheme; what holds for all is set already. */
    int (*setup)(struct dmpi_transport *t, CURL *easy, enum dmpi_lane lane,
                 const struct dmpi_ctl *ctl, struct dmpi_err *err);

    /* Names the cause of a transfer that failed; 0 when it has nothing particular to say. */
    int (*explain)(struct dmpi_transport *t, CURLcode code, const char *detail,
                   struct dmpi_err *err);

    /* Frees t->state; may be NULL. Also called after a failed open. */
    void (*close)(struct dmpi_transport *t);
};

struct dmpi_transport {
    const struct dmpi_transport_ops *ops;
    struct dmpi_endpoint ep;
    char *base;
    char *name;
    bool met;    /* an engine answered once */
    void *state; /* of the row */
};

extern const struct dmpi_transport_ops dmpi_transport_unix;
extern const struct dmpi_transport_ops dmpi_transport_tcp;
extern const struct dmpi_transport_ops dmpi_transport_ssh;

/* Why nothing can be had from the unix socket at path: connects once to find out. Returns -1. */
int dmpi_transport_explain_socket(const char *path, struct dmpi_err *err);

#endif
