// SPDX-License-Identifier: MIT
#include "mpi/net.h"

#include <string.h>

#include "base/mem.h"

static void add_once(struct dmpi_strv *sv, const char *s)
{
    if (s && !dmpi_strv_has(sv, s))
        dmpi_strv_add(sv, s);
}

// The name that all have, or NULL.
static char *common_iface(const struct dmpi_mesh *mesh)
{
    const char *name = mesh->launcher_iface;

    for (size_t i = 0; name && i < mesh->n; i++) {
        if (!mesh->workers[i].iface || strcmp(mesh->workers[i].iface, name) != 0)
            name = NULL;
    }
    return dmpi_xstrdup(name);
}

void dmpi_net_choose(struct dmpi_net *out, const struct dmpi_mesh *mesh)
{
    size_t loopback = 0;

    *out = (struct dmpi_net){0};
    for (size_t i = 0; i < mesh->n; i++) {
        loopback += dmpi_addr_is_loopback(mesh->workers[i].addr);
        add_once(&out->cidrs, mesh->workers[i].cidr);
    }
    out->loopback = mesh->n > 0 && loopback == mesh->n;
    out->mixed = loopback > 0 && !out->loopback;
    out->iface = common_iface(mesh);
}

void dmpi_net_free(struct dmpi_net *net)
{
    if (!net)
        return;
    dmpi_strv_free(&net->cidrs);
    free(net->iface);
    *net = (struct dmpi_net){0};
}
