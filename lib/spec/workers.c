// SPDX-License-Identifier: MIT
// How many workers of which image on which node: from the nodes' entries, then the flags.
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "spec/draft.h"

int dmpi_flag_int(int *out, const char *flag, const char *text, int max, struct dmpi_err *err)
{
    long long n = 0;
    if (!text)
        return 0;
    if (dmpi_text_int(&n, text, LLONG_MIN, LLONG_MAX))
        return dmpi_err_set(err, DMPI_EINVAL, "--%s %.40s: expected a whole number", flag, text);
    if (n < 1)
        return dmpi_err_set(err, DMPI_EINVAL, "--%s %s: at least 1", flag, text);
    if (n > max)
        return dmpi_err_set(err, DMPI_EINVAL, "--%s %.40s: at most %d", flag, text, max);
    *out = (int)n;
    return 0;
}

// A node named as launcher that says nothing of workers is a host of its own for the launcher.
static bool only_launches(const struct dmpi_draft *d, size_t i)
{
    const struct dmpi_draft_node *n = &d->nodes[i];
    return d->launcher_name && d->spec->n_nodes > 1 &&
           strcmp(d->launcher_name, d->spec->nodes[i].name) == 0 && n->workers == DMPI_UNSET &&
           !n->image;
}

int dmpi_draft_node_err(const struct dmpi_draft *d, size_t i, const char *key, struct dmpi_err *err)
{
    if (!d->y.root || json_array_size(json_object_get(d->y.root, "nodes")) == 0)
        return dmpi_err_wrap(err, "node %s", d->spec->nodes[i].name);
    dmpi_autofree char *path = dmpi_xasprintf("nodes[%zu]", i);
    struct dmpi_read r = {&d->y, json_array_get(json_object_get(d->y.root, "nodes"), i), path};
    return dmpi_read_wrap(&r, json_object_get(r.obj, key) ? key : NULL, err);
}

// The groups of one node from its image and number of workers.
static int node_workers(struct dmpi_draft *d, size_t i, struct dmpi_err *err)
{
    struct dmpi_node *node = &d->spec->nodes[i];
    const struct dmpi_draft_node *n = &d->nodes[i];
    const char *image = n->image ? n->image : d->defaults.image;
    bool counted = false;
    if (dmpi_image_mix(node, &counted, image ? image : DMPI_IMAGE_DEFAULT, err))
        return dmpi_draft_node_err(d, i, "image", err);
    if (counted && n->workers > 0) {
        dmpi_err_set(err, DMPI_EINVAL, "image '%s' counts workers already", image);
        return dmpi_draft_node_err(d, i, "workers", err);
    }
    int workers = n->workers != DMPI_UNSET   ? n->workers
                  : only_launches(d, i)      ? 0
                  : d->defaults.workers >= 0 ? d->defaults.workers
                                             : 1;
    if (counted && workers > 0)
        return 0;
    node->groups[0].workers = workers;
    for (size_t g = 1; g < node->n_groups; g++)
        node->groups[g].workers = 0;
    return 0;
}

void dmpi_node_clear_groups(struct dmpi_node *node)
{
    for (size_t g = 0; g < node->n_groups; g++)
        free(node->groups[g].image);
    free(node->groups);
    node->groups = NULL;
    node->n_groups = 0;
}

static int node_total(const struct dmpi_node *node)
{
    int sum = 0;
    for (size_t g = 0; g < node->n_groups; g++)
        sum += node->groups[g].workers;
    return sum;
}

// The nodes with workers; *out has room for all. Their number.
static size_t bearers(const struct dmpi_spec *s, size_t *out)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_nodes; i++) {
        if (node_total(&s->nodes[i]) > 0)
            out[n++] = i;
    }
    return n;
}

// --image: one name for all workers, or a mix for the only node that bears some.
static int flag_image(struct dmpi_draft *d, const size_t *at, size_t n, struct dmpi_err *err)
{
    const char *text = d->flags->image;
    struct dmpi_node probe = {.name = NULL};
    bool counted = false;
    int rc = dmpi_image_mix(&probe, &counted, text, err);
    if (rc) {
        dmpi_err_wrap(err, "--image");
    } else if (counted && n > 1) {
        rc = dmpi_err_set(err, DMPI_EINVAL,
                          "--image %.200s: counts of workers need a single node with workers; here "
                          "are %zu: use image: in the cluster file",
                          text, n);
    } else if (counted) {
        dmpi_node_clear_groups(&d->spec->nodes[at[0]]);
        rc = dmpi_image_mix(&d->spec->nodes[at[0]], &counted, text, err);
    } else {
        for (size_t i = 0; i < n; i++) {
            struct dmpi_node *node = &d->spec->nodes[at[i]];
            int workers = node_total(node);
            dmpi_node_clear_groups(node);
            dmpi_image_mix(node, &counted, text, err);
            node->groups[0].workers = workers;
        }
    }
    dmpi_node_clear_groups(&probe);
    return rc;
}

// --workers: so many in all, evenly over the nodes that bear workers.
static int flag_workers(struct dmpi_draft *d, const size_t *at, size_t n, struct dmpi_err *err)
{
    int wanted = 0;
    if (dmpi_flag_int(&wanted, "workers", d->flags->workers, DMPI_WORKERS_MAX, err))
        return -1;
    int total = 0;
    for (size_t i = 0; i < d->spec->n_nodes; i++)
        total += node_total(&d->spec->nodes[i]);
    if (wanted == 0 || wanted == total)
        return 0;
    for (size_t i = 0; i < n; i++) {
        struct dmpi_node *node = &d->spec->nodes[at[i]];
        if (node->n_groups > 1)
            return dmpi_err_set(err, DMPI_EINVAL,
                                "--workers %d: the images of node %s say %d workers: change these",
                                wanted, node->name, node_total(node));
        node->groups[0].workers = wanted / (int)n + ((int)i < wanted % (int)n);
    }
    return 0;
}

int dmpi_draft_workers(struct dmpi_draft *d, struct dmpi_err *err)
{
    struct dmpi_spec *s = d->spec;
    for (size_t i = 0; i < s->n_nodes; i++) {
        if (node_workers(d, i, err))
            return -1;
    }
    dmpi_autofree size_t *at = dmpi_xcalloc(s->n_nodes, sizeof(*at));
    size_t n = bearers(s, at);
    if (n == 0)
        return dmpi_err_set(err, DMPI_EINVAL, "%s: no node has workers: at least 1 is needed",
                            s->file ? s->file : "cluster");
    if ((d->flags->image && flag_image(d, at, n, err)) || flag_workers(d, at, n, err))
        return -1;
    long total = 0;
    for (size_t i = 0; i < s->n_nodes; i++)
        total += s->nodes[i].workers = node_total(&s->nodes[i]);
    if (total > DMPI_WORKERS_MAX)
        return dmpi_err_set(err, DMPI_EINVAL, "%ld workers in all: at most %d", total,
                            DMPI_WORKERS_MAX);
    return 0;
}
