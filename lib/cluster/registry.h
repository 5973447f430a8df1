// SPDX-License-Identifier: MIT
// The user's own credentials for image registries, as `docker login` keeps them.
#ifndef DMPI_CLUSTER_REGISTRY_H
#define DMPI_CLUSTER_REGISTRY_H

#include "base/ctl.h"
#include "base/err.h"

// The X-Registry-Auth header (base64url of JSON) for the registry of image `ref`, from config.json in
// $DOCKER_CONFIG or ~/.docker: the registry's credential helper, else the credential store, else
// what stands in the file. *out is NULL when there is nothing for that registry (0: images that need
// no login work without); to be freed with dmpi_registry_auth_free. -1 when the file cannot be read
// or a helper fails; the message holds no secret.
int dmpi_registry_auth(char **out, const char *ref, const struct dmpi_ctl *ctl,
                       struct dmpi_err *err);

void dmpi_registry_auth_free(char *auth); // wiped; NULL is allowed

// The registry of an image reference: "registry.example", "localhost:5000", or "docker.io" for one that names
// none. To be freed.
char *dmpi_registry_of(const char *ref);

#endif
