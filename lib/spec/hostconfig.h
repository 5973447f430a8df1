// SPDX-License-Identifier: MIT
// What a cluster file (options:) or an image profile (host_config:) may add to the engine's HostConfig.
#ifndef DMPI_SPEC_HOSTCONFIG_H
#define DMPI_SPEC_HOSTCONFIG_H

#include <jansson.h>

#include "base/err.h"

// Checks an object that is to be merged into HostConfig: it may not set what dockmpi itself decides
// (Binds, NetworkMode, AutoRemove, ...), and has only keys that an engine knows: engines ignore all
// others without a word. where begins the message. DMPI_EINVAL otherwise.
int dmpi_host_config_check(const json_t *host_config, const char *where, struct dmpi_err *err);

#endif
