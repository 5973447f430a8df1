// SPDX-License-Identifier: MIT
#ifndef DMPI_ENGINE_HTTP_H
#define DMPI_ENGINE_HTTP_H

#include <curl/curl.h>
#include <pthread.h>
#include <stdbool.h>

#include "base/ctl.h"
#include "base/err.h"
#include "engine/engine.h"
#include "engine/stream.h"
#include "transport/transport.h"

/* Inside lib/engine only: one HTTP exchange, and the engine's inside. */

/* Far above what a command line can make, so that no URL is ever cut. */
#define DMPI_URL_MAX (4u << 20)

/* A handle with a connection cache of its own, so that no two threads ever share either. */
struct dmpi_link {
    CURL *easy;
    CURLM *multi;
    char why[CURL_ERROR_SIZE]; /* libcurl's words about the last failure */
    struct dmpi_link *next;
};

struct dmpi_engine {
    struct dmpi_transport *transport;
    char api[16];
    char os[32];
    bool podman;
    int64_t pause_ms;                        /* see dmpi_link_drive; 10 s, less in tests */
    pthread_mutex_t lock;                    /* of what follows */
    struct dmpi_link *idle[DMPI_LANE_COUNT]; /* links whose connection may be used again */
    unsigned n_idle[DMPI_LANE_COUNT];
};

/* A header that the caller wants from the answer. */
struct dmpi_http_header {
    const char *name;
    char *value; /* the caller's; stays NULL when it did not come */
};

struct dmpi_http {
    const char *method;
    const char *path;   /* starts with '/', no version prefix, escaped */
    const char *type;   /* Content-Type of the body, NULL: none */
    const char *header; /* one more "Name: value", NULL: none */
    const char *body;   /* either a body in memory (borrowed) ... */
    size_t body_len;
    const struct dmpi_source *source; /* ... or a streamed one, or none */
    const struct dmpi_sink *sink;     /* of the answer's body, NULL: dropped */
    enum dmpi_lane lane;
    bool unversioned;
    bool quick; /* an engine that is well answers this at once: never wait longer than 2 min, and
                   not for a GET's answer that does not go on */

    /* The answer. */
    long status;
    struct dmpi_http_header *headers; /* to be filled in */
    size_t n_headers;
};

/*
 * Carries out one exchange. Fails when there was no whole answer or its status is not 2xx or 304;
 * req->status tells which (0: none came).
 */
int dmpi_http_exchange(struct dmpi_engine *e, const struct dmpi_ctl *ctl, struct dmpi_http *req,
                       struct dmpi_err *err);

/* An exchange with JSON both ways; *out (may be NULL) stays NULL when no body came. */
int dmpi_http_json(struct dmpi_engine *e, const struct dmpi_ctl *ctl, struct dmpi_http *req,
                   json_t *body, json_t **out, struct dmpi_err *err);

/* A new link, set up for the lane; never from the pool. */
int dmpi_link_open(struct dmpi_engine *e, enum dmpi_lane lane, const struct dmpi_ctl *ctl,
                   struct dmpi_link **out, struct dmpi_err *err);
void dmpi_link_close(struct dmpi_link *link);

/* A link from the pool, or a new one; give it back when its last transfer ended well. */
int dmpi_link_take(struct dmpi_engine *e, enum dmpi_lane lane, const struct dmpi_ctl *ctl,
                   struct dmpi_link **out, struct dmpi_err *err);
void dmpi_link_give(struct dmpi_engine *e, enum dmpi_lane lane, struct dmpi_link *link);

/*
 * Runs the link's transfer to its end; *code is libcurl's verdict. -1: ctl ended it, or pause_ms (0: none): an
 * answer that has begun may take so long, and a millisecond more for each byte.
 */
int dmpi_link_drive(struct dmpi_link *link, const struct dmpi_ctl *ctl, int64_t pause_ms,
                    CURLcode *code, struct dmpi_err *err);

/* Whether something of the answer to the link's transfer has come. */
bool dmpi_link_answered(const struct dmpi_link *link);

struct dmpi_hijack;

/* POSTs body (borrowed, NULL: none) to path and takes the connection over. *out: hijack_close. */
int dmpi_hijack_open(struct dmpi_engine *e, enum dmpi_lane lane, const struct dmpi_ctl *ctl,
                     const char *path, json_t *body, struct dmpi_hijack **out,
                     struct dmpi_err *err);

/* Closes all idle links. */
void dmpi_pool_close(struct dmpi_engine *e);

#endif
