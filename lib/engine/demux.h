// SPDX-License-Identifier: MIT
#ifndef DMPI_ENGINE_DEMUX_H
#define DMPI_ENGINE_DEMUX_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/stream.h"

/*
 * Splits the engine's multiplexed stream (frames of an 8-byte head: stream number, 3 zero bytes,
 * big-endian length) into stdout and stderr. Pure: fed with chunks cut anywhere, it hands the
 * payload on in pieces as they come and holds nothing but the head.
 */
struct dmpi_demux {
    struct dmpi_streams streams;
    unsigned char head[8];
    size_t head_len;
    uint32_t left; /* payload bytes of the present frame still to come */
    int stream;    /* of the present frame: 0 or 1 stdout, 2 stderr, 3 an error of the engine */
    char note[256];
    size_t note_len;
    /* Told where a frame of stream 1 or 2 begins; set after dmpi_demux_init, NULL: nobody. */
    void (*on_frame)(void *arg, int stream);
    void *arg;
};

void dmpi_demux_init(struct dmpi_demux *d, const struct dmpi_streams *streams);

/* Errors: EPARSE for a head that is none; what a sink gives; EENGINE for a frame of stream 3. */
int dmpi_demux_feed(struct dmpi_demux *d, const void *data, size_t n, struct dmpi_err *err);

/* At the end of the stream: EPARSE when it ended inside a frame. */
int dmpi_demux_finish(const struct dmpi_demux *d, struct dmpi_err *err);

/* Feeds a struct dmpi_demux (borrowed). */
struct dmpi_sink dmpi_sink_to_demux(struct dmpi_demux *d);

#endif
