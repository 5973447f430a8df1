// SPDX-License-Identifier: MIT
#include "engine/stream.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"

int dmpi_sink_write(const struct dmpi_sink *sink, const void *data, size_t n, struct dmpi_err *err)
{
    if (!sink || !sink->write || n == 0)
        return 0;
    return sink->write(sink->arg, data, n, err);
}

static int buf_write(void *arg, const void *data, size_t n, struct dmpi_err *err)
{
    struct dmpi_buf *buf = arg;
    dmpi_buf_add(buf, data, n);
    if (buf->overflow)
        return dmpi_err_set(err, DMPI_EENGINE, "more than %zu bytes came", buf->max);
    return 0;
}

struct dmpi_sink dmpi_sink_to_buf(struct dmpi_buf *buf)
{
    return (struct dmpi_sink){buf_write, buf};
}

static int buf_write_capped(void *arg, const void *data, size_t n, struct dmpi_err *err)
{
    (void)err;
    struct dmpi_buf *buf = arg;
    size_t room = buf->max - buf->len;
    if (!buf->overflow && n > room)
        dmpi_buf_add(buf, data, room); /* as much as fits, then the addition that does not */
    dmpi_buf_add(buf, data, n);
    return 0;
}

struct dmpi_sink dmpi_sink_to_buf_capped(struct dmpi_buf *buf)
{
    return (struct dmpi_sink){buf_write_capped, buf};
}

static int fd_write(void *arg, const void *data, size_t n, struct dmpi_err *err)
{
    return dmpi_io_write_all(*(const int *)arg, data, n, err);
}

struct dmpi_sink dmpi_sink_to_fd(const int *fd)
{
    return (struct dmpi_sink){fd_write, (void *)(intptr_t)fd};
}

static ssize_t fd_read(void *arg, void *buf, size_t n, struct dmpi_err *err)
{
    int fd = *(const int *)arg;
    for (;;) {
        ssize_t got = read(fd, buf, n);
        if (got >= 0)
            return got;
        if (errno == EAGAIN) {
            struct pollfd p = {.fd = fd, .events = POLLIN};
            poll(&p, 1, -1);
        } else if (errno != EINTR) {
            return dmpi_err_sys(err, errno, "read");
        }
    }
}

struct dmpi_source dmpi_source_from_fd(const int *fd)
{
    return (struct dmpi_source){fd_read, (void *)(intptr_t)fd};
}

static ssize_t memory_read(void *arg, void *buf, size_t n, struct dmpi_err *err)
{
    (void)err;
    struct dmpi_memory *m = arg;
    if (n > m->len - m->pos)
        n = m->len - m->pos;
    if (n > 0)
        memcpy(buf, m->data + m->pos, n);
    m->pos += n;
    return (ssize_t)n;
}

struct dmpi_source dmpi_source_from_memory(struct dmpi_memory *state)
{
    return (struct dmpi_source){memory_read, state};
}
