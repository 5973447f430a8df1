// SPDX-License-Identifier: MIT
#ifndef DMPI_ENGINE_RESOURCES_H
#define DMPI_ENGINE_RESOURCES_H

#include <jansson.h>

#include "base/ctl.h"
#include "base/err.h"
#include "engine/engine.h"

/* What an engine keeps besides containers and images. */

/* *out is a new array: "Volumes" of GET /volumes, all of them ([] when the engine has none). */
int dmpi_volume_list(struct dmpi_engine *e, const struct dmpi_ctl *ctl, json_t **out,
                     struct dmpi_err *err);

/*
 * body is borrowed; *out is a new object as POST /volumes/create answers it: when a volume of that name
 * exists already, that one with the labels that it has.
 */
int dmpi_volume_create(struct dmpi_engine *e, const struct dmpi_ctl *ctl, json_t *body,
                       json_t **out, struct dmpi_err *err);

/* One that is gone is a success. */
int dmpi_volume_remove(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *name,
                       struct dmpi_err *err);

/* *out is a new array as GET /networks answers it. labels: as for dmpi_container_list. */
int dmpi_network_list(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *const *labels,
                      json_t **out, struct dmpi_err *err);

#endif
