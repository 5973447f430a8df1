// SPDX-License-Identifier: MIT
#include "transfer.h"

#include <stddef.h>

#include "base/text.h"
#include "out.h"

static void show(void *arg, const char *container, uint64_t bytes, uint64_t total, bool done)
{
    (void)arg;
    (void)done;
    if (!bytes) // there may be nothing to send
        return;
    char now[16], all[16];
    dmpi_text_human_bytes(now, (int64_t)bytes);
    if (total)
        dmpi_progress_set(container, false, "%s of %s", now,
                          dmpi_text_human_bytes(all, (int64_t)total));
    else
        dmpi_progress_set(container, false, "%s", now);
}

struct dmpi_transfer_progress dmpi_transfer_display(void)
{
    return (struct dmpi_transfer_progress){.fn = show, .arg = NULL};
}
