// SPDX-License-Identifier: MIT
// A fake engine on a unix socket, for faults that no real engine shows on demand.
#ifndef DMPI_TESTS_UNIT_FAKE_ENGINE_H
#define DMPI_TESTS_UNIT_FAKE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>

struct fake;

/*
 * Serves one connection in a thread of its own; n counts connections from 0. The descriptor is
 * closed when it returns.
 */
typedef void (*fake_serve)(struct fake *f, int fd, int n, void *arg);

struct fake *fake_start(fake_serve serve, void *arg);
/* Ends all threads that still serve (their descriptors are shut down) and frees. */
void fake_stop(struct fake *f);
/* "unix:///tmp/..." Borrowed. */
const char *fake_url(const struct fake *f);

/*
 * Reads one request with its body (by length, or the chunks joined) as text into buf, always
 * NUL-terminated. false when the other side went away.
 */
bool fake_request(int fd, char *buf, size_t size);
/* The first line of the request only, its body dropped. */
bool fake_request_line(int fd, char *buf, size_t size);

void fake_send(int fd, const char *text);
void fake_send_n(int fd, const char *data, size_t n);
/* Byte by byte, each in a packet of its own. */
void fake_send_slowly(int fd, const char *data, size_t n);
/* A whole answer with Content-Length. */
void fake_answer(int fd, const char *status, const char *type, const char *body);
/* The answer to GET /_ping of an engine with that API version. */
void fake_pong(int fd, const char *api);

#endif
