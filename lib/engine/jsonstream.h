// SPDX-License-Identifier: MIT
#ifndef DMPI_ENGINE_JSONSTREAM_H
#define DMPI_ENGINE_JSONSTREAM_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "engine/engine.h"
#include "engine/stream.h"

/*
 * Cuts a stream of JSON objects (build, load, pull, import, events) into objects, whatever white
 * space stands between them and however the chunks are cut. An object may have up to 4 MiB.
 */
struct dmpi_jsonstream {
    struct dmpi_buf text; /* of the object under way */
    int depth;
    bool in_string;
    bool escaped;
    bool stopped; /* cb said enough */
    dmpi_json_cb cb;
    void *arg;
};

/* cb may be NULL: objects are parsed and dropped. End with dmpi_jsonstream_free. */
void dmpi_jsonstream_init(struct dmpi_jsonstream *js, dmpi_json_cb cb, void *arg);
void dmpi_jsonstream_free(struct dmpi_jsonstream *js);

/* 0, 1 once cb said enough, -1 with EPARSE or what cb set. */
int dmpi_jsonstream_feed(struct dmpi_jsonstream *js, const void *data, size_t n,
                         struct dmpi_err *err);

/* At the end of the stream: EPARSE when it ended inside an object. */
int dmpi_jsonstream_finish(const struct dmpi_jsonstream *js, struct dmpi_err *err);

/*
 * Feeds js (borrowed). A cb that says enough makes it fail with ECANCELED, so that the transfer
 * ends: look at js->stopped.
 */
struct dmpi_sink dmpi_sink_to_jsonstream(struct dmpi_jsonstream *js);

/*
 * What build, load, pull and import tell: errors under HTTP 200 become EENGINE, "aux" and
 * "status" lines give the image's id, everything is handed on to cb (may be NULL).
 */
struct dmpi_progress {
    dmpi_json_cb cb;
    void *arg;
    char *id; /* the last image id seen; the caller's */
};
int dmpi_progress_object(void *progress, json_t *object, struct dmpi_err *err);

#endif
