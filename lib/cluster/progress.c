// SPDX-License-Identifier: MIT
#include "cluster/progress.h"

#include "cluster/up.h"

const char *dmpi_stage_name(enum dmpi_stage stage)
{
    static const char *const names[] = {
        [DMPI_STAGE_LIST] = "list",       [DMPI_STAGE_IMAGE] = "image",
        [DMPI_STAGE_REMOVE] = "remove",   [DMPI_STAGE_CREATE] = "create",
        [DMPI_STAGE_FEED] = "configure",  [DMPI_STAGE_UPDATE] = "update",
        [DMPI_STAGE_READY] = "ready",     [DMPI_STAGE_KEPT] = "kept",
        [DMPI_STAGE_REMOVED] = "removed", [DMPI_STAGE_FAILED] = "failed",
    };
    return names[stage];
}

const char *dmpi_change_name(enum dmpi_change change)
{
    static const char *const names[] = {
        [DMPI_KEPT] = "kept",       [DMPI_CREATED] = "created", [DMPI_REPLACED] = "replaced",
        [DMPI_REMOVED] = "removed", [DMPI_FAILED] = "failed",
    };
    return names[change];
}
