// SPDX-License-Identifier: MIT
#include "job/progress.h"

#include "base/ctl.h"

#define INTERVAL_MS 100

void dmpi_meter_tell(struct dmpi_meter *meter, uint64_t bytes, bool done)
{
    if (!meter->progress || !meter->progress->fn)
        return;
    int64_t now = dmpi_now_ms();
    if (!done && now - meter->told_ms < INTERVAL_MS)
        return;
    meter->told_ms = now;
    pthread_mutex_lock(meter->lock);
    meter->progress->fn(meter->progress->arg, meter->container, bytes, meter->total, done);
    pthread_mutex_unlock(meter->lock);
}
