// SPDX-License-Identifier: MIT
#ifndef DMPI_TRANSPORT_RESOLVE_H
#define DMPI_TRANSPORT_RESOLVE_H

#include <netdb.h>

#include "base/ctl.h"
#include "base/err.h"

/*
 * The stream addresses of host (a name, or an address of either family; "%eth0" is allowed) and
 * port. *out is for freeaddrinfo. The system's look-up knows neither deadline nor cancel: it runs
 * in a thread of its own, which is left behind when ctl or ten seconds end the wait.
 * Errors: EUNREACHABLE (no such host, no answer), ECANCELED, ETIMEOUT (ctl's).
 */
int dmpi_resolve(struct addrinfo **out, const char *host, int port, const struct dmpi_ctl *ctl,
                 struct dmpi_err *err);

#endif
