// SPDX-License-Identifier: MIT
// run --dry-run: the command that would be run, from a mesh that is made up where only a running
// cluster could know (sshd's ports, exact networks).
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/shquote.h"
#include "job/compose.h"
#include "job/run.h"
#include "mesh/ports.h"
#include "mpi/command.h"
#include "spec/plan.h"

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

static json_t *result_json(const struct dmpi_mpi_command *command, const struct dmpi_job_code *code,
                           const char *workdir)
{
    dmpi_autofree char *line = dmpi_mpi_command_text(command);
    dmpi_autofree char *sync = NULL;
    if (code->local) {
        dmpi_autofree char *from = dmpi_shquote(code->local);
        sync = dmpi_xasprintf("# %s goes to %s/%s in the launcher and every worker\n", from,
                              workdir, code->place);
    }
    dmpi_autofree char *text = dmpi_xasprintf("%s# /etc/dockmpi/hostfile\n%s# command\n%s\n",
                                              sync ? sync : "", command->hostfile, line);
    json_t *o = dmpi_json_new_obj();
    dmpi_json_set_str(o, "text", text);
    dmpi_json_set_str(o, "hostfile", command->hostfile);
    dmpi_json_set(o, "env", dmpi_json_strv(&command->env));
    dmpi_json_set(o, "argv", dmpi_json_strv(&command->argv));
    dmpi_json_set_int(o, "np", command->np);
    dmpi_json_set(o, "sync", sync_json(code, workdir));
    return o;
}

static int master_port(const struct dmpi_spec *spec, int *out, struct dmpi_err *err)
{
    const struct dmpi_ports within = dmpi_ports_services(&spec->ports);
    dmpi_autofree char *seed = dmpi_xasprintf("%s/master", spec->name);
    return dmpi_port_choose(out, &within, NULL, NULL, seed, err);
}

int dmpi_run_dry(json_t **out, const struct dmpi_spec *spec, const struct dmpi_run_opts *opts,
                 struct dmpi_err *err)
{
    *out = NULL;
    struct dmpi_job_code code DMPI_AUTO(dmpi_job_code_free) = {0};
    struct dmpi_plan plan DMPI_AUTO(dmpi_plan_free) = {0};
    struct dmpi_mesh mesh DMPI_AUTO(dmpi_mesh_free) = {0};
    struct dmpi_mpi_command command DMPI_AUTO(dmpi_mpi_command_free) = {0};
    struct dmpi_compose what = {.opts = opts,
                                .code = &code,
                                .mesh = &mesh,
                                .workdir = opts->workdir ? opts->workdir : spec->workdir,
                                .cluster = spec->name};
    if (dmpi_job_code_find(&code, opts->images_dir, &opts->words, opts->program, err) < 0 ||
        dmpi_plan_make(&plan, spec, opts->images_dir, err) < 0)
        return -1;
    what.launcher_profile = plan.members[0].profile->name;
    if (made_up_mesh(&mesh, &plan, spec, err) < 0 ||
        master_port(spec, &what.master_port, err) < 0 || dmpi_job_compose(&command, &what, err) < 0)
        return -1;
    *out = result_json(&command, &code, what.workdir);
    return 0;
}
