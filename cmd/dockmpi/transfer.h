// SPDX-License-Identifier: MIT
/* Live display of transfers, for cp and for the code that run sends. */
#ifndef DMPI_CMD_TRANSFER_H
#define DMPI_CMD_TRANSFER_H

#include "job/progress.h"

/** Shows each container's bytes; to be used between dmpi_progress_start and dmpi_progress_end. */
struct dmpi_transfer_progress dmpi_transfer_display(void);

#endif
