// SPDX-License-Identifier: MIT
#include "spec/ports.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define LOWEST 1024
#define HIGHEST 65535
#define SPARE_SERVICES 6 // rendezvous, mpirun with a few to choose from
#define EACH_RANK 2      // Open MPI or UCX, and gloo or NCCL

int dmpi_ports_parse(struct dmpi_ports *out, const char *text, struct dmpi_err *err)
{
    const char *dash = strchr(text, '-');
    long long first = 0, last = 0;
    dmpi_autofree char *head = dmpi_xstrndup(text, dash ? (size_t)(dash - text) : 0);
    dmpi_autofree char *safe = dmpi_text_print_safe(text);
    if (!dash || dmpi_text_int(&first, head, LOWEST, HIGHEST) ||
        dmpi_text_int(&last, dash + 1, LOWEST, HIGHEST) || last < first)
        return dmpi_err_set(err, DMPI_EINVAL,
                            "'%.64s': expected FIRST-LAST such as 30000-30199, from %d to %d", safe,
                            LOWEST, HIGHEST);
    *out = (struct dmpi_ports){(int)first, (int)last};
    return 0;
}

bool dmpi_ports_given(const struct dmpi_ports *ports)
{
    return ports->last > 0;
}

int dmpi_ports_count(const struct dmpi_ports *ports)
{
    return dmpi_ports_given(ports) ? ports->last - ports->first + 1 : 0;
}

struct dmpi_ports dmpi_ports_services(const struct dmpi_ports *ports)
{
    if (!dmpi_ports_given(ports))
        return *ports;
    return (struct dmpi_ports){ports->last - dmpi_ports_count(ports) / 4 + 1, ports->last};
}

struct dmpi_ports dmpi_ports_ranks(const struct dmpi_ports *ports)
{
    if (!dmpi_ports_given(ports))
        return *ports;
    return (struct dmpi_ports){ports->first, ports->last - dmpi_ports_count(ports) / 4};
}

int dmpi_ports_needed(int workers, int ranks)
{
    int by_workers = 4 * (workers + SPARE_SERVICES);
    int by_ranks = (4 * EACH_RANK * ranks + 2) / 3;
    return by_workers > by_ranks ? by_workers : by_ranks;
}

int dmpi_ports_check(const struct dmpi_ports *ports, const char *node, int workers, int ranks,
                     struct dmpi_err *err)
{
    int needed = dmpi_ports_needed(workers, ranks), there = dmpi_ports_count(ports);
    if (!dmpi_ports_given(ports) || there >= needed)
        return 0;
    return dmpi_err_set(err, DMPI_EINVAL,
                        "ports %d-%d: %d are too few for node %s with %d worker%s and %d rank%s: "
                        "at least %d are needed (a quarter of them for one sshd a worker and %d "
                        "for mpirun and rendezvous, the others for %d a rank)",
                        ports->first, ports->last, there, node, workers, workers == 1 ? "" : "s",
                        ranks, ranks == 1 ? "" : "s", needed, SPARE_SERVICES, EACH_RANK);
}

char *dmpi_ports_str(const struct dmpi_ports *ports)
{
    return dmpi_xasprintf("%d-%d", ports->first, ports->last);
}
