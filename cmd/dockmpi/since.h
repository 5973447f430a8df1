// SPDX-License-Identifier: MIT
#ifndef DMPI_CMD_SINCE_H
#define DMPI_CMD_SINCE_H

#include <stdint.h>

#include "base/err.h"

/**
 * The value of --since, as docker takes it: a duration back from now, or a time. *out_ns counts from the
 * epoch and is not 0. DMPI_EINVAL begins with --since.
 */
int dmpi_since_parse(int64_t *out_ns, const char *text, struct dmpi_err *err);

#endif
