// SPDX-License-Identifier: MIT
#include "job/explain.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cluster/state.h"
#include "engine/containers.h"
#include "fleet/fleet.h"
#include "job/compose.h"
#include "job/dry.h"
#include "job/explain_text.h"
#include "job/meet.h"
#include "job/target.h"
#include "mesh/ports.h"
#include "mpi/firewall.h"

// Whom all runs as, in numbers; *out is NULL for root and owned by the caller.
static int find_user(char **out, const char *user, struct dmpi_err *err)
{
    *out = NULL;
    if (!user || !*user || strcmp(user, "root") == 0)
        return 0;
    if (user[strspn(user, "0123456789:")])
        return dmpi_err_set(err, DMPI_EINVAL,
                            "only an image knows who %s is: give his number (run_as: UID:GID), or "
                            "explain a cluster that is up",
                            user);
    *out = strchr(user, ':') ? dmpi_xstrdup(user) : dmpi_xasprintf("%s:%s", user, user);
    return 0;
}

int dmpi_explain_plan(char **out, const struct dmpi_spec *spec, const struct dmpi_run_opts *opts,
                      struct dmpi_err *err)
{
    struct dmpi_dry dry DMPI_AUTO(dmpi_dry_free) = {0};
    dmpi_autofree char *user = NULL;
    *out = NULL;
    if (dmpi_dry_make(&dry, spec, opts, err) < 0 || find_user(&user, spec->run_as, err) < 0)
        return -1;
    struct dmpi_explain_member *members = dmpi_xcalloc(dry.plan.n, sizeof(*members));
    for (size_t i = 0; i < dry.plan.n; i++) {
        const struct dmpi_plan_member *m = &dry.plan.members[i];
        members[i] = (struct dmpi_explain_member){
            .ep = &spec->nodes[m->node].ep,
            .node = spec->nodes[m->node].name,
            .worker = m->role == DMPI_WORKER ? dmpi_mesh_find(&dry.mesh, m->index) : NULL,
            .config = m->create,
            .host = dmpi_json_obj(m->create, "HostConfig")};
    }
    const struct dmpi_explain what = {.cluster = spec->name,
                                      .workdir = dry.workdir,
                                      .user = user,
                                      .members = members,
                                      .n = dry.plan.n,
                                      .port = dry.mesh.workers[0].port - dry.mesh.workers[0].index,
                                      .code = &dry.code,
                                      .command = &dry.command};
    *out = dmpi_explain_text(&what);
    free(members);
    return 0;
}

// --- a cluster that runs ----------------------------------------------------------------------

struct live {
    struct dmpi_fleet *fleet;
    const struct dmpi_spec *spec;
    const struct dmpi_run_opts *opts;
    const struct dmpi_ctl *ctl;
    struct dmpi_state state;
    struct dmpi_targets targets; // the launcher first
    struct dmpi_mesh mesh;
    struct dmpi_job_code code;
    struct dmpi_mpi_command command;
    const char *workdir;
    char *user;
    json_t *inspected; // array, in the order of targets
};

static void live_free(struct live *l)
{
    json_decref(l->inspected);
    free(l->user);
    dmpi_mpi_command_free(&l->command);
    dmpi_job_code_free(&l->code);
    dmpi_mesh_free(&l->mesh);
    dmpi_targets_free(&l->targets);
    dmpi_state_free(&l->state);
}

static int inspect(struct live *l, struct dmpi_err *err)
{
    l->inspected = dmpi_json_new_arr();
    for (size_t i = 0; i < l->targets.n; i++) {
        const struct dmpi_target *t = &l->targets.v[i];
        struct dmpi_engine *engine;
        json_t *one = NULL;
        if (dmpi_fleet_engine(&engine, l->fleet, t->node, l->ctl, err) < 0 ||
            dmpi_container_inspect(engine, l->ctl, t->id, &one, err) < 0)
            return dmpi_err_wrap(err, "%s", t->container);
        dmpi_json_add(l->inspected, one);
    }
    const json_t *config = dmpi_json_obj(json_array_get(l->inspected, 0), "Config");
    const char *own = dmpi_json_str(config, "WorkingDir");
    if (find_user(&l->user, dmpi_json_str(config, "User"), err) < 0)
        return -1;
    l->workdir = l->opts->workdir ? l->opts->workdir : own && own[0] ? own : l->spec->workdir;
    return 0;
}

static int compose(struct live *l, struct dmpi_err *err)
{
    const struct dmpi_member *launcher = dmpi_state_launcher(&l->state, l->spec->name);
    struct dmpi_facts facts DMPI_AUTO(dmpi_facts_free) = {0};
    const struct dmpi_meet meet = {.fleet = l->fleet,
                                   .state = &l->state,
                                   .cluster = l->spec->name,
                                   .launcher = launcher,
                                   .first = &l->targets.v[l->targets.n > 1 ? 1 : 0],
                                   .ctl = l->ctl};
    struct dmpi_compose what = {.opts = l->opts,
                                .code = &l->code,
                                .mesh = &l->mesh,
                                .launcher_profile = launcher->profile[0] ? launcher->profile : NULL,
                                .workdir = l->workdir,
                                .cluster = l->spec->name};
    if (dmpi_job_meet(&l->mesh, &facts, &meet, err) < 0 ||
        dmpi_firewall_master_port(&what.master_port, &l->mesh.ports, &facts, l->spec->name, 1,
                                  err) < 0)
        return -1;
    l->mesh.launcher_guard = false; // by hand no member gets the key for it
    return dmpi_job_compose(&l->command, &what, err);
}

static int look(struct live *l, struct dmpi_err *err)
{
    const char *name = l->spec->name;
    if (dmpi_job_code_find(&l->code, l->opts->images_dir, &l->opts->words, l->opts->program, err) <
            0 ||
        dmpi_state_list(&l->state, l->fleet, name, l->ctl, err) < 0)
        return -1;
    if (!dmpi_state_launcher(&l->state, name))
        return dmpi_err_set(err, DMPI_ENOTFOUND,
                            "cluster %s is not up: start it with `dockmpi up`, or say with "
                            "--image, --workers or -f what it would be",
                            name);
    if (dmpi_targets_all(&l->targets, &l->state, name, true, err) < 0 || inspect(l, err) < 0)
        return -1;
    return compose(l, err);
}

// -1 for what is no worker of the mesh.
static int worker_index(const struct dmpi_state *state, const struct dmpi_target *t)
{
    for (size_t i = 0; i < state->n; i++) {
        if (state->members[i].id == t->id && state->members[i].role == DMPI_WORKER)
            return state->members[i].index;
    }
    return -1;
}

// Beside the workers that run: the last ports of what the cluster keeps to.
static int own_port(const struct live *l)
{
    const struct dmpi_ports within = dmpi_ports_services(&l->mesh.ports);
    int last = l->mesh.workers[l->mesh.n - 1].index;
    return dmpi_ports_given(&within) && within.last - last >= within.first ? within.last - last
                                                                           : DMPI_PORT_FIRST;
}

static char *live_text(const struct live *l)
{
    struct dmpi_explain_member *members = dmpi_xcalloc(l->targets.n, sizeof(*members));
    for (size_t i = 0; i < l->targets.n; i++) {
        const struct dmpi_node *node = &l->spec->nodes[l->targets.v[i].node];
        const json_t *one = json_array_get(l->inspected, i);
        members[i] = (struct dmpi_explain_member){
            .ep = &node->ep,
            .node = node->name,
            .worker = dmpi_mesh_find(&l->mesh, worker_index(&l->state, &l->targets.v[i])),
            .config = dmpi_json_obj(one, "Config"),
            .host = dmpi_json_obj(one, "HostConfig")};
    }
    const struct dmpi_explain what = {.cluster = l->spec->name,
                                      .workdir = l->workdir,
                                      .user = l->user,
                                      .members = members,
                                      .n = l->targets.n,
                                      .port = own_port(l),
                                      .live = true,
                                      .code = &l->code,
                                      .command = &l->command};
    char *text = dmpi_explain_text(&what);
    free(members);
    return text;
}

int dmpi_explain_cluster(char **out, struct dmpi_fleet *fleet, const struct dmpi_spec *spec,
                         const struct dmpi_run_opts *opts, const struct dmpi_ctl *ctl,
                         struct dmpi_err *err)
{
    struct live l DMPI_AUTO(live_free) = {.fleet = fleet, .spec = spec, .opts = opts, .ctl = ctl};
    *out = NULL;
    if (look(&l, err) < 0)
        return -1;
    *out = live_text(&l);
    return 0;
}
