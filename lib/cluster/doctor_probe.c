// SPDX-License-Identifier: MIT
// The doctor's look at each node, from inside a worker there.
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/mem.h"
#include "cluster/doctor_impl.h"
#include "engine/containers.h"
#include "fleet/fleet.h"
#include "fleet/parallel.h"
#include "mesh/ports.h"
#include "spec/plan.h"
#include "spec/script.h"
#include "spec/spec.h"

#define OUTPUT_MAX (4u << 20)

// $1: the interpreter that jobs of this image use. PyTorch's version is read, not imported: that takes
// seconds.
static const char probe_script[] =
    "echo \"now $(date +%s%N)\"\n"
    "echo \"shm $(df -B1 --output=size /dev/shm 2>/dev/null | tail -n1)\"\n"
    "echo \"disk $(df -B1 --output=avail / 2>/dev/null | tail -n1)\"\n"
    "while read -r k v u; do [ $k = MemAvailable: ] && echo \"memory $((v * 1024))\"; done "
    "</proc/meminfo\n"
    "for f in memory.max memory/memory.limit_in_bytes; do\n"
    "read -r v </sys/fs/cgroup/$f && echo \"limit $v\"; done 2>/dev/null\n"
    "echo \"memlock $(ulimit -l)\"\n"
    "for d in /sys/class/infiniband/*; do [ -e \"$d\" ] && echo \"rdma ${d##*/}\"; done\n"
    "echo \"mpi $(mpirun --version 2>/dev/null | head -n1)\"\n"
    "echo \"ucx $(ucx_info -v 2>/dev/null | head -n1)\"\n"
    "echo \"torch $(\"$1\" -c 'import importlib.util, os\n"
    "where = os.path.dirname(importlib.util.find_spec(\"torch\").origin)\n"
    "exec(open(os.path.join(where, \"version.py\")).read())\n"
    "print(__version__)' 2>/dev/null)\"\n"
    "f=/usr/lib/dockmpi/fabric; [ ! -x $f ] || echo \"fabric $($f probe 2>/dev/null | tr -d "
    "'\\n')\"\n";

static long long wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int count_free(const struct dmpi_ports *ports, const struct dmpi_port_set *listening)
{
    int n = 0;
    for (int port = ports->first; port <= ports->last; port++)
        n += !dmpi_port_set_has(listening, port);
    return n;
}

// Ports, and whether Open MPI would find the data address. addr: that of the worker.
static void use_facts(struct dmpi_probe *p, const struct dmpi_spec *spec, const char *addr,
                      const struct dmpi_buf *text)
{
    const struct dmpi_ports *ports = &spec->ports;
    struct dmpi_facts facts DMPI_AUTO(dmpi_facts_free) = {0};
    struct dmpi_err ignored = DMPI_ERR_INIT; // unknown, then
    const struct dmpi_ports usual = {DMPI_PORT_FIRST, DMPI_PORT_LAST};
    p->services = dmpi_ports_given(ports) ? dmpi_ports_services(ports) : usual;
    p->ranks = dmpi_ports_ranks(ports);
    if (dmpi_facts_parse(&facts, dmpi_buf_str(text), text->len, &ignored) < 0)
        return;
    p->services_free = count_free(&p->services, &facts.listening);
    if (dmpi_ports_given(ports))
        p->ranks_free = count_free(&p->ranks, &facts.listening);
    p->addr = dmpi_xstrdup(addr);
    // With one node there is nobody to be found.
    if (spec->n_nodes > 1 && !dmpi_addr_is_loopback(addr))
        p->rival = dmpi_xstrdup(dmpi_facts_rival(&facts, addr));
}

static void load_of(struct dmpi_probe *p, const struct dmpi_exam *x)
{
    for (size_t i = 0; i < x->spec->n_nodes; i++) {
        if (strcmp(x->spec->nodes[i].name, p->node) != 0)
            continue;
        p->n_workers = x->loads[i].workers;
        p->n_ranks = x->loads[i].ranks;
    }
}

// The limit of that name; NULL when it is not set.
static const json_t *limit_of(const json_t *host_config, const char *name)
{
    size_t i;
    json_t *limit;
    json_array_foreach (dmpi_json_arr(host_config, "Ulimits"), i, limit) {
        const char *own = dmpi_json_str(limit, "Name");
        if (own && name && strcmp(own, name) == 0)
            return limit;
    }
    return NULL;
}

static json_t *wanted_of(const struct dmpi_exam *x, int index)
{
    for (size_t i = 0; i < x->plan->n; i++) {
        if (x->plan->members[i].role == DMPI_WORKER && x->plan->members[i].index == index)
            return dmpi_json_obj(x->plan->members[i].create, "HostConfig");
    }
    return NULL;
}

// Limits that the container was to have and that its engine may not set are left out when it is made.
static void probe_limits(struct dmpi_probe *p, struct dmpi_exam *x,
                         const struct dmpi_mesh_worker *w)
{
    const struct dmpi_member *m = dmpi_state_worker(&x->state, x->spec->name, w->index);
    const json_t *wanted = wanted_of(x, w->index);
    dmpi_json_auto json_t *info = NULL;
    struct dmpi_err ignored = DMPI_ERR_INIT; // whatever fails here fails the probe, too
    struct dmpi_engine *engine;
    size_t i;
    json_t *limit;
    if (!m || json_array_size(dmpi_json_arr(wanted, "Ulimits")) == 0 ||
        dmpi_fleet_engine(&engine, x->fleet, m->node, x->ctl, &ignored) < 0 ||
        dmpi_container_inspect(engine, x->ctl, m->id, &info, &ignored) < 0)
        return;
    json_array_foreach (dmpi_json_arr(wanted, "Ulimits"), i, limit) {
        const char *name = dmpi_json_str(limit, "Name");
        const json_t *got = limit_of(dmpi_json_obj(info, "HostConfig"), name);
        if (name && (!got || dmpi_json_int(got, "Soft", 0) != dmpi_json_int(limit, "Soft", 0)))
            dmpi_strv_add(&p->refused, name);
    }
}

static void probe_one(size_t i, void *arg)
{
    struct dmpi_exam *x = arg;
    const struct dmpi_mesh_worker *w = &x->mesh.workers[i];
    struct dmpi_probe *p = &x->probes[i];
    struct dmpi_buf out DMPI_AUTO(dmpi_buf_free) = DMPI_BUF_INIT(OUTPUT_MAX);
    struct dmpi_strv args DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    struct dmpi_err err = DMPI_ERR_INIT;
    p->node = dmpi_xstrdup(w->node);
    p->iface = dmpi_xstrdup(w->iface);
    p->cidr = dmpi_xstrdup(w->cidr);
    p->mtu = w->mtu;
    load_of(p, x);
    probe_limits(p, x, w);
    dmpi_strv_add(&args, w->interpreter ? w->interpreter : "python3");
    long long asked = wall_ms();
    dmpi_autofree char *script = dmpi_xasprintf("%s%s", probe_script, dmpi_facts_sh);
    if (dmpi_exam_shell(x, w, script, &args, &out, &err) < 0) {
        dmpi_exam_failed(x, w, &err);
        return;
    }
    dmpi_probe_parse(p, dmpi_buf_str(&out), asked, wall_ms());
    use_facts(p, x->spec, w->addr, &out);
}

void dmpi_exam_probe(struct dmpi_exam *x)
{
    dmpi_parallel(x->mesh.n, DMPI_FLEET_WINDOW, probe_one, x);
    dmpi_probes_judge(x->report, x->probes, x->mesh.n);
}
