// SPDX-License-Identifier: MIT
// Endpoint URLs: what is accepted has a canonical form that means the same.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "spec/endpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    DMPI_AUTO(dmpi_endpoint_free) struct dmpi_endpoint ep, again;
    dmpi_autofree char *url = dmpi_xstrndup(size ? (const char *)data : "", size);
    again = (struct dmpi_endpoint)DMPI_ENDPOINT_INIT;
    if (dmpi_endpoint_parse(&ep, url, &err))
        return 0;
    if ((ep.host && ep.host[0] == '-') || (ep.user && ep.user[0] == '-'))
        abort();
    dmpi_autofree char *text = dmpi_endpoint_str(&ep);
    if (dmpi_endpoint_parse(&again, text, &err))
        abort();
    dmpi_autofree char *twice = dmpi_endpoint_str(&again);
    if (strcmp(text, twice) != 0 || again.port != ep.port || again.scheme != ep.scheme)
        abort();
    dmpi_endpoint_check(&ep, &err);
    return 0;
}
