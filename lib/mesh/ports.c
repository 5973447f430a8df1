// SPDX-License-Identifier: MIT
#include "mesh/ports.h"

#include <stdint.h>

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

int dmpi_port_choose(int *out, const struct dmpi_ports *within, const struct dmpi_facts *facts,
                     const struct dmpi_port_set *taken, const char *seed, struct dmpi_err *err)
{
    return dmpi_port_choose_from(out, within, facts, taken, spread(seed), err);
}

int dmpi_port_choose_from(int *out, const struct dmpi_ports *within, const struct dmpi_facts *facts,
                          const struct dmpi_port_set *taken, unsigned at, struct dmpi_err *err)
{
    const struct dmpi_ports usual = {DMPI_PORT_FIRST, DMPI_PORT_LAST};
    bool own = within && dmpi_ports_given(within);
    const struct dmpi_ports *from = own ? within : &usual;
    int span = dmpi_ports_count(from);
    int start = (int)(at % (unsigned)span);
    bool any = own || !facts || ephemeral_allowed(facts);

    for (int i = 0; i < span; i++) {
        int port = from->first + (start + i) % span;

        if (!any && port >= facts->local_port_min && port <= facts->local_port_max)
            continue;
        if ((facts && dmpi_port_set_has(&facts->listening, port)) ||
            (taken && dmpi_port_set_has(taken, port)))
            continue;
        *out = port;
        return 0;
    }
    return dmpi_err_set(err, DMPI_ECONFLICT, "every TCP port from %d to %d is in use", from->first,
                        from->last);
}
