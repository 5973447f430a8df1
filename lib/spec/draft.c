// SPDX-License-Identifier: MIT
#include "spec/draft.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "spec/hostfile.h"

static void draft_node_free(struct dmpi_draft_node *n)
{
    free(n->user);
    free(n->identity);
    free(n->known_hosts);
    free(n->tls);
    free(n->image);
    json_decref(n->options);
}

void dmpi_draft_free(struct dmpi_draft *d)
{
    for (size_t i = 0; i < d->spec->n_nodes; i++)
        draft_node_free(&d->nodes[i]);
    free(d->nodes);
    draft_node_free(&d->defaults);
    free(d->launcher_name);
    dmpi_yaml_free(&d->y);
}

struct dmpi_node *dmpi_draft_add(struct dmpi_draft *d)
{
    struct dmpi_spec *s = d->spec;
    size_t n = s->n_nodes + 1;
    s->nodes = dmpi_xreallocarray(s->nodes, n, sizeof(*s->nodes));
    d->nodes = dmpi_xreallocarray(d->nodes, n, sizeof(*d->nodes));
    s->nodes[n - 1] = (struct dmpi_node){.name = NULL};
    d->nodes[n - 1] = (struct dmpi_draft_node){.slots = DMPI_UNSET, .workers = DMPI_UNSET};
    s->n_nodes = n;
    return &s->nodes[n - 1];
}

int dmpi_draft_local(struct dmpi_draft *d, struct dmpi_endpoint *out, struct dmpi_err *err)
{
    if (!d->local)
        return dmpi_endpoint_default(out, err);
    dmpi_endpoint_copy(out, d->local);
    return 0;
}

// A node name made of a host name, or "nodeI" where that gives none or one that is taken.
static char *node_name(const struct dmpi_draft *d, const char *host)
{
    dmpi_autofree char *name = dmpi_xstrdup(host);
    for (char *p = name; *p; p++)
        *p = *p == ':' || *p == '%' ? '-' : (char)tolower((unsigned char)*p);
    bool taken = !dmpi_text_name_ok(name);
    for (size_t i = 0; i + 1 < d->spec->n_nodes && !taken; i++)
        taken = strcmp(d->spec->nodes[i].name, name) == 0;
    if (!taken)
        return DMPI_STEAL(name);
    return dmpi_xasprintf("node%zu", d->spec->n_nodes - 1);
}

static int add_host(struct dmpi_draft *d, const struct dmpi_hostfile_line *h, const char *file,
                    struct dmpi_err *err)
{
    struct dmpi_node *node = dmpi_draft_add(d);
    struct dmpi_draft_node *n = &d->nodes[d->spec->n_nodes - 1];
    node->name = node_name(d, h->host);
    n->slots = h->slots ? h->slots : DMPI_UNSET;
    if (!h->user && dmpi_host_is_loopback(h->host))
        return dmpi_draft_local(d, &node->ep, err);
    bool six = strchr(h->host, ':') != NULL;
    dmpi_autofree char *url =
        dmpi_xasprintf("ssh://%s%s%s%s%s", h->user ? h->user : "", h->user ? "@" : "",
                       six ? "[" : "", h->host, six ? "]" : "");
    if (dmpi_endpoint_parse(&node->ep, url, err))
        return dmpi_err_wrap(err, "%s:%d", file, h->line);
    return 0;
}

int dmpi_draft_hostfile(struct dmpi_draft *d, const char *text, size_t len, const char *name,
                        struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_hostfile_free) struct dmpi_hostfile hf;
    if (dmpi_hostfile_parse(&hf, text, len, name, err))
        return -1;
    for (size_t i = 0; i < hf.n; i++) {
        if (add_host(d, &hf.hosts[i], name, err))
            return -1;
    }
    return 0;
}
