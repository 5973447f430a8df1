// SPDX-License-Identifier: MIT
#include "mpi/hostfile.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

#define TEXT_MAX (4U << 20)

// Ranks on all workers of the same node as worker.
static int ranks_on_node(const struct dmpi_layout *layout, const char *node)
{
    int ranks = 0;

    for (size_t i = 0; i < layout->n; i++) {
        if (strcmp(layout->places[i].worker->node, node) == 0)
            ranks += layout->places[i].ranks;
    }
    return ranks;
}

static bool oversubscribed(const struct dmpi_layout *layout)
{
    for (size_t i = 0; i < layout->n; i++) {
        const struct dmpi_mesh_worker *w = layout->places[i].worker;
        bool seen = i > 0 && strcmp(w->node, layout->places[i - 1].worker->node) == 0;

        if (!seen && w->cpus > 0 && ranks_on_node(layout, w->node) > w->cpus)
            return true;
    }
    return false;
}

const char *dmpi_layout_crowded(const struct dmpi_layout *layout, int *ranks, int *gpus)
{
    for (size_t i = 0; i < layout->n; i++) {
        const struct dmpi_mesh_worker *w = layout->places[i].worker;

        *ranks = *gpus = 0;
        for (size_t k = 0; w->gpus > 0 && k < layout->n; k++) {
            const struct dmpi_mesh_worker *other = layout->places[k].worker;

            if (other->gpus == 0 || strcmp(other->node, w->node) != 0)
                continue;
            *ranks += layout->places[k].ranks;
            *gpus = other->gpus > *gpus ? other->gpus : *gpus;
        }
        if (*ranks > *gpus)
            return w->node;
    }
    return NULL;
}

static int total_slots(const struct dmpi_mesh *mesh, int slots)
{
    int total = 0;

    for (size_t i = 0; i < mesh->n; i++)
        total += slots > 0 ? slots : mesh->workers[i].slots;
    return total;
}

int dmpi_layout_make(struct dmpi_layout *out, const struct dmpi_mesh *mesh, int np, int slots,
                     struct dmpi_err *err)
{
    *out = (struct dmpi_layout){0};
    if (np < 0 || slots < 0 || slots > 65536)
        return dmpi_err_set(err, DMPI_EINVAL, "ranks and slots must be positive");
    if (mesh->n == 0)
        return dmpi_err_set(err, DMPI_EINVAL, "the cluster has no workers");
    int total = total_slots(mesh, slots);
    if (np > total)
        return dmpi_err_set(err, DMPI_EINVAL,
                            "%d ranks need %d slots, and the %zu worker%s %d: ask for fewer ranks "
                            "(--np), more slots a worker (--slots) or more workers",
                            np, np, mesh->n, mesh->n == 1 ? " has" : "s have", total);
    out->np = np > 0 ? np : total;
    out->places = dmpi_xcalloc(mesh->n, sizeof(*out->places));
    for (int left = out->np; left > 0; out->n++) {
        const struct dmpi_mesh_worker *w = &mesh->workers[out->n];
        struct dmpi_place *p = &out->places[out->n];

        *p = (struct dmpi_place){.worker = w, .slots = slots > 0 ? slots : w->slots};
        p->ranks = left < p->slots ? left : p->slots;
        left -= p->ranks;
    }
    out->oversubscribed = oversubscribed(out);
    return 0;
}

void dmpi_layout_free(struct dmpi_layout *layout)
{
    if (!layout)
        return;
    free(layout->places);
    *layout = (struct dmpi_layout){0};
}

char *dmpi_layout_hostfile(const struct dmpi_layout *layout)
{
    struct dmpi_buf out = DMPI_BUF_INIT(TEXT_MAX);

    for (size_t i = 0; i < layout->n; i++)
        dmpi_buf_addf(&out, "%s slots=%d\n", layout->places[i].worker->alias,
                      layout->places[i].slots);
    return dmpi_buf_steal(&out);
}

char *dmpi_layout_plan(const struct dmpi_layout *layout)
{
    struct dmpi_buf out = DMPI_BUF_INIT(TEXT_MAX);
    const struct dmpi_place *p = layout->places;

    for (size_t first = 0, last; first < layout->n; first = last + 1) {
        for (last = first; last + 1 < layout->n && p[last + 1].ranks == p[first].ranks &&
                           p[last + 1].worker->index == p[last].worker->index + 1;)
            last++;
        dmpi_buf_addf(&out, "%s%d", first ? "," : "", p[first].worker->index);
        if (last > first)
            dmpi_buf_addf(&out, "-%d", p[last].worker->index);
        dmpi_buf_addf(&out, ":%d", p[first].ranks);
    }
    return dmpi_buf_steal(&out);
}
