// SPDX-License-Identifier: MIT
// run --dry-run: the command that would be run; of a running cluster with what its members know, else from
// a mesh that is made up where only a running cluster could know (sshd's ports, exact networks).
#include "job/dry.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/shquote.h"
#include "job/compose.h"
#include "job/run_impl.h"
#include "mesh/ports.h"
#include "mpi/firewall.h"

static const char no_key[] = "ssh-ed25519 AAAA";

static int add_worker(struct dmpi_mesh *mesh, const struct dmpi_plan_member *m,
                      const struct dmpi_spec *spec, struct dmpi_err *err)
{
    const struct dmpi_node *node = &spec->nodes[m->node];
    const struct dmpi_ports services = dmpi_ports_services(&spec->ports);
    struct dmpi_mesh_worker worker = {
        .index = m->index,
        .alias = m->alias,
        .node = node->name,
        .addr = m->addr ? m->addr : node->name,
        .port = (dmpi_ports_given(&services) ? services.first : DMPI_PORT_FIRST) + m->index,
        .slots = m->slots,
        .profile = m->profile->name,
        .interpreter = m->profile->interpreter,
        .host_public = (char *)no_key,
        .cidr = spec->subnet};
    return dmpi_mesh_put(mesh, &worker, err);
}

static int made_up_mesh(struct dmpi_mesh *mesh, const struct dmpi_plan *plan,
                        const struct dmpi_spec *spec, struct dmpi_err *err)
{
    mesh->ports = spec->ports;
    mesh->unprivileged = spec->run_as != NULL;
    for (size_t i = 0; i < plan->n; i++) {
        if (plan->members[i].role == DMPI_WORKER &&
            add_worker(mesh, &plan->members[i], spec, err) < 0)
            return -1;
    }
    return 0;
}

static json_t *sync_json(const struct dmpi_job_code *code, const char *workdir)
{
    if (!code->local)
        return json_null();
    dmpi_autofree char *remote = dmpi_xasprintf("%s/%s", workdir, code->place);
    json_t *o = dmpi_json_new_obj();
    dmpi_json_set_str(o, "local", code->local);
    dmpi_json_set_str(o, "remote", remote);
    return o;
}

// Which network each worker's ranks use.
struct network {
    const struct dmpi_mesh *mesh;
    const struct dmpi_spec *spec;
    const struct dmpi_plan
        *plan; // of a mesh that is made up; NULL: the mesh is that of a running cluster
};

static const char *planned_addr(const struct dmpi_plan *plan, int index)
{
    for (size_t i = 0; i < plan->n; i++) {
        if (plan->members[i].role == DMPI_WORKER && plan->members[i].index == index)
            return plan->members[i].addr;
    }
    return NULL;
}

static char *network_of(const struct network *net, const struct dmpi_mesh_worker *w)
{
    if (net->plan)
        return dmpi_network_text(planned_addr(net->plan, w->index), net->spec->subnet);
    return dmpi_xasprintf("%s, network %s, MTU %d", w->iface ? w->iface : "any interface",
                          w->cidr ? w->cidr : "unknown", w->mtu);
}

static json_t *network_json(const struct network *net)
{
    json_t *list = dmpi_json_new_arr();
    for (size_t i = 0; i < net->mesh->n; i++) {
        const struct dmpi_mesh_worker *w = &net->mesh->workers[i];
        json_t *o = dmpi_json_new_obj();
        dmpi_autofree char *text = network_of(net, w);
        dmpi_json_set_str(o, "worker", w->alias);
        dmpi_json_set_str(o, "node", w->node);
        dmpi_json_set_str(o, "interface", net->plan ? NULL : w->iface);
        dmpi_json_set_str(o, "network", net->plan ? NULL : w->cidr);
        dmpi_json_set_str(o, "text", text);
        dmpi_json_add(list, o);
    }
    return list;
}

static char *network_lines(const json_t *list)
{
    struct dmpi_strv lines DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    size_t i;
    json_t *o;
    json_array_foreach (list, i, o)
        dmpi_strv_addf(&lines, "# %s on node %s: %s\n", dmpi_json_str(o, "worker"),
                       dmpi_json_str(o, "node"), dmpi_json_str(o, "text"));
    return dmpi_strv_join(&lines, "");
}

static json_t *result_json(const struct dmpi_mpi_command *command, const struct dmpi_job_code *code,
                           const char *workdir, const struct network *net)
{
    dmpi_autofree char *line = dmpi_mpi_command_text(command);
    dmpi_autofree char *sync = NULL;
    if (code->local) {
        dmpi_autofree char *from = dmpi_shquote(code->local);
        sync = dmpi_xasprintf("# %s goes to %s/%s in the launcher and every worker\n", from,
                              workdir, code->place);
    }
    json_t *o = dmpi_json_new_obj(), *networks = network_json(net);
    dmpi_autofree char *lines = network_lines(networks);
    dmpi_autofree char *text =
        dmpi_xasprintf("%s# network\n%s# /etc/dockmpi/hostfile\n%s# command\n%s\n",
                       sync ? sync : "", lines, command->hostfile, line);
    dmpi_json_set_str(o, "text", text);
    dmpi_json_set(o, "network", networks);
    dmpi_json_set_str(o, "hostfile", command->hostfile);
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv env = DMPI_STRV_INIT;
    for (size_t i = 0; i < command->env.n; i++)
        dmpi_strv_take(&env, dmpi_secret_shown(command->env.v[i]));
    dmpi_json_set(o, "env", dmpi_json_strv(&env));
    dmpi_json_set(o, "argv", dmpi_json_strv(&command->argv));
    dmpi_json_set_int(o, "np", command->np);
    dmpi_json_set(o, "sync", sync_json(code, workdir));
    return o;
}

int dmpi_dry_make(struct dmpi_dry *out, const struct dmpi_spec *spec,
                  const struct dmpi_run_opts *opts, struct dmpi_err *err)
{
    *out = (struct dmpi_dry){.workdir = opts->workdir ? opts->workdir : spec->workdir};
    struct dmpi_compose what = {.opts = opts,
                                .code = &out->code,
                                .mesh = &out->mesh,
                                .workdir = out->workdir,
                                .cluster = spec->name};
    if (dmpi_job_code_find(&out->code, opts->images_dir, &opts->words, opts->program, err) < 0 ||
        dmpi_plan_make(&out->plan, spec, opts->images_dir, err) < 0)
        return -1;
    what.launcher_profile = out->plan.members[0].profile->name;
    if (made_up_mesh(&out->mesh, &out->plan, spec, err) < 0 ||
        dmpi_firewall_master_port(&what.master_port, &spec->ports, NULL, spec->name, 1, err) < 0)
        return -1;
    return dmpi_job_compose(&out->command, &what, err);
}

void dmpi_dry_free(struct dmpi_dry *dry)
{
    dmpi_mpi_command_free(&dry->command);
    dmpi_mesh_free(&dry->mesh);
    dmpi_plan_free(&dry->plan);
    dmpi_job_code_free(&dry->code);
}

int dmpi_run_dry(json_t **out, const struct dmpi_spec *spec, const struct dmpi_run_opts *opts,
                 struct dmpi_err *err)
{
    struct dmpi_dry dry DMPI_AUTO(dmpi_dry_free) = {0};
    *out = NULL;
    if (dmpi_dry_make(&dry, spec, opts, err) < 0)
        return -1;
    const struct network net = {&dry.mesh, spec, &dry.plan};
    *out = result_json(&dry.command, &dry.code, dry.workdir, &net);
    return 0;
}

int dmpi_run_dry_live(json_t **out, struct dmpi_fleet *fleet, const struct dmpi_spec *spec,
                      const struct dmpi_run_opts *opts, const struct dmpi_ctl *ctl,
                      struct dmpi_err *err)
{
    struct dmpi_mpi_command command DMPI_AUTO(dmpi_mpi_command_free) = {0};
    struct dmpi_run_result result = {0};
    struct dmpi_run r = {.fleet = fleet, .spec = spec, .opts = opts, .ctl = ctl, .result = &result};
    *out = NULL;
    int rc = dmpi_run_prepare(&r, err);
    if (rc == 0)
        rc = dmpi_run_meet(&r, err);
    if (rc == 0)
        rc = dmpi_run_compose(&command, &r, err);
    if (rc == 0) {
        const struct network net = {&r.mesh, spec, NULL};
        *out = result_json(&command, &r.code, r.workdir, &net);
    }
    dmpi_run_free(&r);
    dmpi_run_result_free(&result);
    return rc;
}
