// SPDX-License-Identifier: MIT
#include "since.h"

#include <time.h>

#include "base/text.h"

int dmpi_since_parse(int64_t *out_ns, const char *text, struct dmpi_err *err)
{
    struct dmpi_err ignored;
    int64_t ms;
    if (dmpi_text_time(out_ns, text) == 0 && *out_ns > 0)
        return 0;
    if (dmpi_text_duration(&ms, text, &ignored) < 0)
        return dmpi_err_set(err, DMPI_EINVAL,
                            "--since %s: write it like 10m, or 2026-11-21T10:00:00Z", text);
    int64_t now = (int64_t)time(NULL) * 1000;
    *out_ns = ms < now ? (now - ms) * 1000000 : 1;
    return 0;
}
