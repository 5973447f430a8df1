// SPDX-License-Identifier: MIT
#include "mesh/ports.h"

#include <stdint.h>

#define PORT_SPAN (DMPI_PORT_LAST - DMPI_PORT_FIRST + 1)
#define SPAN_MIN 1000 // a smaller part outside the ephemeral range is not worth keeping to

// FNV-1a: spreads well enough, and gives the same port in every version.
static uint32_t spread(const char *text)
{
    uint32_t h = 2166136261U;

    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 16777619U;
    return h ^ h >> 16;
}

// Whether ephemeral ports may be used, too: they leave hardly anything else.
static bool ephemeral_allowed(const struct dmpi_facts *facts)
{
    int outside = 0;

    for (int port = DMPI_PORT_FIRST; port <= DMPI_PORT_LAST; port++)
        outside += port < facts->local_port_min || port > facts->local_port_max;
    return outside < SPAN_MIN;
}

int dmpi_port_choose(int *out, const struct dmpi_facts *facts, const struct dmpi_port_set *taken,
                     const char *seed, struct dmpi_err *err)
{
    int start = (int)(spread(seed) % PORT_SPAN);
    bool any = !facts || ephemeral_allowed(facts);

    for (int i = 0; i < PORT_SPAN; i++) {
        int port = DMPI_PORT_FIRST + (start + i) % PORT_SPAN;

        if (!any && port >= facts->local_port_min && port <= facts->local_port_max)
            continue;
        if ((facts && dmpi_port_set_has(&facts->listening, port)) ||
            (taken && dmpi_port_set_has(taken, port)))
            continue;
        *out = port;
        return 0;
    }
    return dmpi_err_set(err, DMPI_ECONFLICT, "every TCP port from %d to %d is in use",
                        DMPI_PORT_FIRST, DMPI_PORT_LAST);
}
