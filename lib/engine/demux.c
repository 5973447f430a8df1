// SPDX-License-Identifier: MIT
#include "engine/demux.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"

enum { STREAM_STDERR = 2, STREAM_ENGINE = 3 };

void dmpi_demux_init(struct dmpi_demux *d, const struct dmpi_streams *streams)
{
    *d = (struct dmpi_demux){.streams = *streams};
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static int open_frame(struct dmpi_demux *d, struct dmpi_err *err)
{
    const unsigned char *h = d->head;
    if (h[0] > STREAM_ENGINE || h[1] || h[2] || h[3])
        return dmpi_err_set(err, DMPI_EPARSE,
                            "the output stream is damaged: %02x%02x%02x%02x is no frame (does the "
                            "container have a terminal?)",
                            h[0], h[1], h[2], h[3]);
    d->stream = h[0];
    if (d->on_frame && d->stream != STREAM_ENGINE)
        d->on_frame(d->arg, d->stream == STREAM_STDERR ? STREAM_STDERR : 1);
    d->left = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
    return 0;
}

/* The engine's own words about a stream that failed; only their start is kept. */
static int note_error(struct dmpi_demux *d, const char *data, size_t n, struct dmpi_err *err)
{
    size_t keep = min_size(n, sizeof d->note - 1 - d->note_len);
    memcpy(d->note + d->note_len, data, keep);
    d->note_len += keep;
    if (d->left > n)
        return 0;
    d->note[d->note_len] = '\0';
    dmpi_autofree char *safe = dmpi_text_print_safe(d->note);
    return dmpi_err_set(err, DMPI_EENGINE, "%s",
                        *safe ? safe : "the engine ended the stream and does not say why");
}

static int payload(struct dmpi_demux *d, const char *data, size_t n, struct dmpi_err *err)
{
    if (d->stream == STREAM_ENGINE)
        return note_error(d, data, n, err);
    return dmpi_sink_write(d->stream == STREAM_STDERR ? &d->streams.err : &d->streams.out, data, n,
                           err);
}

int dmpi_demux_feed(struct dmpi_demux *d, const void *data, size_t n, struct dmpi_err *err)
{
    const char *p = data;
    while (n > 0) {
        if (d->left > 0) {
            size_t part = min_size(n, d->left);
            if (payload(d, p, part, err) != 0)
                return -1;
            d->left -= (uint32_t)part;
            p += part;
            n -= part;
            continue;
        }
        size_t part = min_size(n, sizeof d->head - d->head_len);
        memcpy(d->head + d->head_len, p, part);
        d->head_len += part;
        p += part;
        n -= part;
        if (d->head_len < sizeof d->head)
            break;
        d->head_len = 0;
        if (open_frame(d, err) != 0)
            return -1;
    }
    return 0;
}

int dmpi_demux_finish(const struct dmpi_demux *d, struct dmpi_err *err)
{
    if (d->left == 0 && d->head_len == 0)
        return 0;
    return dmpi_err_set(err, DMPI_EPARSE,
                        "the output stream was cut off in the middle: the connection to the engine "
                        "was lost");
}

static int demux_write(void *arg, const void *data, size_t n, struct dmpi_err *err)
{
    return dmpi_demux_feed(arg, data, n, err);
}

struct dmpi_sink dmpi_sink_to_demux(struct dmpi_demux *d)
{
    return (struct dmpi_sink){demux_write, d};
}
