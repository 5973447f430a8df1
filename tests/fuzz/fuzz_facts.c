// SPDX-License-Identifier: MIT
// What a container says about its node: whatever is accepted holds only well-formed values.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mesh/facts.h"
#include "mesh/ports.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct dmpi_facts *f)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    int port = 0;

    for (size_t i = 0; i < f->n_ifaces; i++) {
        dmpi_autofree char *cidr = dmpi_iface_cidr(&f->ifaces[i]);

        if (!dmpi_facts_iface(f, f->ifaces[i].addr) || !dmpi_facts_addr_in(f, cidr))
            abort();
    }
    for (size_t i = 0; i < f->env.n; i++) {
        if (!strchr(f->env.v[i], '=') || f->env.v[i][0] == '=')
            abort();
    }
    if (dmpi_port_choose(&port, NULL, f, NULL, f->hostname, &err) == 0 &&
        (port < DMPI_PORT_FIRST || port > DMPI_PORT_LAST || dmpi_port_set_has(&f->listening, port)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    DMPI_AUTO(dmpi_facts_free) struct dmpi_facts facts;
    struct dmpi_err err = DMPI_ERR_INIT;
    const char *text = (const char *)data;

    if (dmpi_facts_complete(text, size) > size)
        abort();
    if (dmpi_facts_parse(&facts, text, size, &err) == 0)
        check(&facts);
    return 0;
}
