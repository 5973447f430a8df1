// SPDX-License-Identifier: MIT
// What a worker answers about the processes of a job, and what is concluded from it.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/why_judge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// The answer is that of the worker and of the job's container, so that the plan is met, too.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dmpi_why_place places[2] = {{.alias = "worker-0", .index = 0, .node = "h0"},
                                       {.alias = "job", .index = -1, .node = "h0"}};
    struct dmpi_why_verdict v;
    struct dmpi_err err = DMPI_ERR_INIT;
    bool listening;

    for (size_t i = 0; i < 2; i++) {
        if (dmpi_why_parse(&places[i].look, (const char *)data, size, &err) != 0 && !err.msg[0])
            abort();
    }
    dmpi_why_judge(&v, places, 2, 3);
    if (!v.conclusion || v.n != 3)
        abort();
    for (size_t i = 0; i < places[0].look.n_socks; i++)
        dmpi_why_peer(places, 2, &places[0], &places[0].look.socks[i], &listening);
    dmpi_why_verdict_free(&v);
    dmpi_why_look_free(&places[0].look);
    dmpi_why_look_free(&places[1].look);
    return 0;
}
