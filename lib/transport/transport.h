// SPDX-License-Identifier: MIT
#ifndef DMPI_TRANSPORT_TRANSPORT_H
#define DMPI_TRANSPORT_TRANSPORT_H

#include <curl/curl.h>
#include <stdbool.h>

#include "base/ctl.h"
#include "base/err.h"
#include "spec/endpoint.h"

/*
 * How the bytes of the Engine API reach one engine: unix socket, TCP (with TLS), SSH.
 * A transport only prepares libcurl handles; it never speaks HTTP itself. It is safe to use from
 * several threads at once between open and close.
 */
struct dmpi_transport;

/*
 * Short calls and logs go over CONTROL, big bodies over BULK. Only a transport on which one
 * transfer can hold up another (ssh) makes a difference between them.
 */
enum dmpi_lane { DMPI_LANE_CONTROL, DMPI_LANE_BULK };
#define DMPI_LANE_COUNT 2

/*
 * Opens the transport that the endpoint's scheme asks for. The endpoint is copied. Whether an
 * engine answers is not known yet: unix and tcp connect at the first request only.
 * Errors: EINVAL (plain tcp to another machine), EDENIED and EUNREACHABLE (certificates, ssh).
 */
int dmpi_transport_open(struct dmpi_transport **out, const struct dmpi_endpoint *ep,
                        const struct dmpi_ctl *ctl, struct dmpi_err *err);

/* NULL is allowed. Every handle that was set up with it must be done with it. */
void dmpi_transport_close(struct dmpi_transport *t);

/* Sets socket path, TLS files and the like on a handle that was just made or reset. */
int dmpi_transport_setup(struct dmpi_transport *t, CURL *easy, enum dmpi_lane lane,
                         const struct dmpi_ctl *ctl, struct dmpi_err *err);

/* Scheme and authority to put before a path, such as "http://localhost". Borrowed. */
const char *dmpi_transport_base(const struct dmpi_transport *t);

/* The endpoint as the user wrote it, for messages. Borrowed. */
const char *dmpi_transport_name(const struct dmpi_transport *t);

/* True when the two lanes are different connections, so that handles of one never serve the other. */
bool dmpi_transport_has_lanes(const struct dmpi_transport *t);

/* Tells that an engine answered: a connection that breaks later has other causes than one at first. */
void dmpi_transport_met(struct dmpi_transport *t);

/*
 * Turns a failed transfer into an error that names the endpoint, the cause and the remedy.
 * detail: libcurl's error buffer or NULL. Returns -1.
 */
int dmpi_transport_explain(struct dmpi_transport *t, CURLcode code, const char *detail,
                           struct dmpi_err *err);

#endif
