// SPDX-License-Identifier: MIT
#ifndef DMPI_ENGINE_TOP_H
#define DMPI_ENGINE_TOP_H

#include <jansson.h>

#include "base/ctl.h"
#include "base/err.h"
#include "engine/engine.h"

/*
 * The processes of a running container: *out is a new object
 * {"Titles":[...],"Processes":[[...]]}, one cell a column; the last column is the command as it
 * was called. ps_args NULL: the engine's default.
 */
int dmpi_container_top(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *id,
                       const char *ps_args, json_t **out, struct dmpi_err *err);

/* Pure: Podman gives ps' lines as they are, one cell a row. Splits such rows into columns. */
void dmpi_top_columns(json_t *top);

#endif
