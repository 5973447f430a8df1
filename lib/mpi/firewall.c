// SPDX-License-Identifier: MIT
#include "mpi/firewall.h"

#include <string.h>

#include "base/mem.h"
#include "mesh/ports.h"

// Its rendezvous, and some for mpirun, of which the last job may still keep one. Jobs at the same time have
// other numbers, and so other ports.
#define PORTS_A_JOB 4

static int check_node(const struct dmpi_layout *layout, const char *node,
                      const struct dmpi_ports *ports, struct dmpi_err *err)
{
    int workers = 0, ranks = 0;

    for (size_t i = 0; i < layout->n; i++) {
        if (strcmp(layout->places[i].worker->node, node) != 0)
            continue;
        workers++;
        ranks += layout->places[i].ranks;
    }
    return dmpi_ports_check(ports, node, workers, ranks, err);
}

int dmpi_firewall_check(const struct dmpi_layout *layout, const struct dmpi_ports *ports,
                        struct dmpi_err *err)
{
    const char *before = NULL; // workers of one node follow each other

    for (size_t i = 0; dmpi_ports_given(ports) && i < layout->n; i++) {
        const char *node = layout->places[i].worker->node;

        if (before && strcmp(before, node) == 0)
            continue;
        if (check_node(layout, node, ports, err) != 0)
            return -1;
        before = node;
    }
    return 0;
}

int dmpi_firewall_master_port(int *out, const struct dmpi_ports *ports,
                              const struct dmpi_facts *facts, const char *cluster, int job,
                              struct dmpi_err *err)
{
    const struct dmpi_ports within = dmpi_ports_services(ports);
    dmpi_autofree char *seed = dmpi_xasprintf("%s/job/%d", cluster, job);

    if (!dmpi_ports_given(ports))
        return dmpi_port_choose(out, NULL, facts, NULL, seed, err);
    return dmpi_port_choose_from(out, &within, facts, NULL, (unsigned)job * PORTS_A_JOB, err);
}

// Those that follow the job's own port.
static int choose_ports(struct dmpi_strv *out, const struct dmpi_mesh *mesh, int master_port,
                        struct dmpi_err *err)
{
    const struct dmpi_ports within = dmpi_ports_services(&mesh->ports);
    dmpi_autofree struct dmpi_port_set *taken = dmpi_xcalloc(1, sizeof(*taken));
    unsigned at = master_port > within.first ? (unsigned)(master_port - within.first) : 0;
    struct dmpi_err full = DMPI_ERR_INIT;
    int port = 0;

    dmpi_port_set_add(taken, master_port);
    for (size_t i = 0; i < mesh->n; i++)
        dmpi_port_set_add(taken, mesh->workers[i].port);
    while (out->n + 1 < PORTS_A_JOB &&
           dmpi_port_choose_from(&port, &within, NULL, taken, at, &full) == 0) {
        dmpi_port_set_add(taken, port);
        dmpi_strv_addf(out, "%d", port);
    }
    if (out->n == 0)
        return dmpi_err_set(err, DMPI_ECONFLICT,
                            "ports %d-%d: the workers' sshd leave none of them to mpirun: give the "
                            "cluster more",
                            within.first, within.last);
    return 0;
}

// mpirun listens on every port of the list that is free and hands the list on to its daemons, each of
// which takes one; the daemon beside mpirun may get none. So the tree is made flat: all daemons dial
// mpirun and nobody dials them.
int dmpi_firewall_daemon_env(struct dmpi_strv *env, const struct dmpi_mesh *mesh, int master_port,
                             struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv list = DMPI_STRV_INIT;

    if (!dmpi_ports_given(&mesh->ports))
        return 0;
    if (choose_ports(&list, mesh, master_port, err) != 0)
        return -1;
    dmpi_autofree char *ports = dmpi_strv_join(&list, ",");
    dmpi_strv_addf(env, "PRTE_MCA_oob_tcp_dynamic_ipv4_ports=%s", ports);
    dmpi_strv_addf(env, "PRTE_MCA_rml_base_radix=%d", DMPI_MESH_WORKERS_MAX);
    dmpi_strv_addf(env, "OMPI_MCA_oob_tcp_dynamic_ipv4_ports=%s", ports);
    dmpi_strv_addf(env, "OMPI_MCA_routed_radix=%d", DMPI_MESH_WORKERS_MAX);
    return 0;
}

void dmpi_firewall_rank_mca(struct dmpi_strv *mca, const struct dmpi_ports *ports)
{
    static const char *const families[] = {"v4", "v6"};
    const struct dmpi_ports ranks = dmpi_ports_ranks(ports);

    for (size_t i = 0; dmpi_ports_given(&ranks) && i < DMPI_ARRAY_LEN(families); i++) {
        dmpi_strv_addf(mca, "btl_tcp_port_min_%s=%d", families[i], ranks.first);
        dmpi_strv_addf(mca, "btl_tcp_port_range_%s=%d", families[i], dmpi_ports_count(&ranks));
    }
}

// UCX keeps to a range by itself. gloo and NCCL know none: where the image has our library
// (images/launcher/ports.c), the rank wrapper loads it for those who ask the kernel for any port.
void dmpi_firewall_rank_env(struct dmpi_strv *env, const struct dmpi_ports *ports)
{
    const struct dmpi_ports ranks = dmpi_ports_ranks(ports);

    if (!dmpi_ports_given(&ranks))
        return;
    dmpi_autofree char *text = dmpi_ports_str(&ranks);
    dmpi_strv_env_set(env, "UCX_TCP_PORT_RANGE", text);
    dmpi_strv_env_set(env, "DOCKMPI_PORTS", text);
}
