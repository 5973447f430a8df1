// SPDX-License-Identifier: MIT
#include "spec/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/secret.h"
#include "spec/body.h"
#include "spec/rights.h"

static const char *const roles[] = {
    [DMPI_LAUNCHER] = DMPI_ROLE_LAUNCHER,
    [DMPI_WORKER] = DMPI_ROLE_WORKER,
    [DMPI_JOB] = DMPI_ROLE_JOB,
};

const char *dmpi_role_name(enum dmpi_role role)
{
    return roles[role];
}

int dmpi_role_parse(enum dmpi_role *out, const char *word)
{
    for (size_t i = 0; word && i < DMPI_ARRAY_LEN(roles); i++) {
        if (strcmp(word, roles[i]) == 0) {
            *out = (enum dmpi_role)i;
            return 0;
        }
    }
    return -1;
}

static const struct dmpi_profile *find_profile(const struct dmpi_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->n_profiles; i++) {
        if (strcmp(plan->profiles[i].name, name) == 0)
            return &plan->profiles[i];
    }
    return NULL;
}

static int need_profile(struct dmpi_plan *plan, const char *dir, const char *name,
                        struct dmpi_err *err)
{
    if (find_profile(plan, name))
        return 0;
    struct dmpi_profile profile;
    if (dmpi_profile_load(&profile, dir, name, err))
        return -1;
    plan->profiles =
        dmpi_xreallocarray(plan->profiles, plan->n_profiles + 1, sizeof(*plan->profiles));
    plan->profiles[plan->n_profiles++] = profile;
    return 0;
}

static int need_group(struct dmpi_plan *plan, const char *dir, const struct dmpi_group *group,
                      struct dmpi_err *err)
{
    if (group->workers == 0)
        return 0;
    if (need_profile(plan, dir, group->image, err))
        return -1;
    if (find_profile(plan, group->image)->launcher_only)
        return dmpi_err_set(err, DMPI_EINVAL, "image profile '%s' is for launchers only",
                            group->image);
    return 0;
}

// The user's choice; else what the workers' images ask for, whose mpirun must fit theirs.
static const char *launcher_image(const struct dmpi_plan *plan, const struct dmpi_spec *spec)
{
    if (spec->launcher_image)
        return spec->launcher_image;
    for (size_t i = 0; i < plan->n_profiles; i++) {
        if (plan->profiles[i].launcher)
            return plan->profiles[i].launcher;
    }
    return DMPI_LAUNCHER_IMAGE_DEFAULT;
}

// All of them before the first member borrows one: the array moves while it grows.
static int load_profiles(struct dmpi_plan *plan, char **launcher, const struct dmpi_spec *spec,
                         const char *dir, struct dmpi_err *err)
{
    for (size_t i = 0; i < spec->n_nodes; i++) {
        const struct dmpi_node *node = &spec->nodes[i];
        for (size_t g = 0; g < node->n_groups; g++) {
            if (need_group(plan, dir, &node->groups[g], err))
                return dmpi_err_wrap(err, "node %s", node->name);
        }
    }
    *launcher = dmpi_xstrdup(launcher_image(plan, spec));
    if (need_profile(plan, dir, *launcher, err))
        return dmpi_err_wrap(err, "launcher");
    return 0;
}

static void add_member(struct dmpi_plan *plan, const struct dmpi_spec *spec, enum dmpi_role role,
                       size_t node, const char *image)
{
    struct dmpi_plan_member *m = &plan->members[plan->n];
    *m = (struct dmpi_plan_member){
        .role = role,
        .index = role == DMPI_WORKER ? (int)plan->n - 1 : 0,
        .node = node,
        .profile = find_profile(plan, image),
        .addr = dmpi_xstrdup(spec->nodes[node].addr),
        .slots = role == DMPI_WORKER ? spec->nodes[node].slots : 0,
        .slots_given = spec->nodes[node].slots_given,
    };
    m->container = dmpi_container_name(spec->name, role, m->index);
    m->alias =
        role == DMPI_WORKER ? dmpi_xasprintf("worker-%d", m->index) : dmpi_xstrdup("launcher");
    plan->n++;
}

// Workers on one node share its GPUs.
static void count_gpu_workers(struct dmpi_plan *plan)
{
    for (size_t i = 0; i < plan->n; i++) {
        struct dmpi_plan_member *m = &plan->members[i];
        for (size_t k = 0; k < plan->n && m->profile->gpu != DMPI_GPU_NONE; k++) {
            const struct dmpi_plan_member *other = &plan->members[k];
            bool shares = other->role == DMPI_WORKER && m->role == DMPI_WORKER &&
                          other->node == m->node && other->profile->gpu == m->profile->gpu;
            m->gpu_workers += shares;
            m->gpu_turn += shares && k < i;
        }
    }
}

// Only root can make sshd trust the folders of such a container, see worker.sh.
static int check_users(const struct dmpi_plan_member *m, const struct dmpi_spec *spec,
                       struct dmpi_err *err)
{
    const char *mode = dmpi_json_str(dmpi_json_obj(m->create, "HostConfig"), "UsernsMode");
    if (!spec->run_as || !mode || strcmp(mode, "host") != 0)
        return 0;
    return dmpi_err_set(err, DMPI_EINVAL,
                        "node %s: UsernsMode: host and --user (run_as) exclude each other: where "
                        "userns-remap has given the image's files to another user, only root can "
                        "run sshd",
                        spec->nodes[m->node].name);
}

int dmpi_plan_make(struct dmpi_plan *out, const struct dmpi_spec *spec, const char *images_dir,
                   struct dmpi_err *err)
{
    *out = (struct dmpi_plan){.name = dmpi_xstrdup(spec->name)};
    dmpi_autofree char *launcher = NULL;
    if (load_profiles(out, &launcher, spec, images_dir, err)) {
        dmpi_plan_free(out);
        return -1;
    }
    size_t n = (size_t)dmpi_spec_workers(spec) + 1;
    out->members = dmpi_xcalloc(n, sizeof(*out->members));
    add_member(out, spec, DMPI_LAUNCHER, spec->launcher_node, launcher);
    for (size_t i = 0; i < spec->n_nodes; i++) {
        const struct dmpi_node *node = &spec->nodes[i];
        for (size_t g = 0; g < node->n_groups; g++) {
            for (int w = 0; w < node->groups[g].workers; w++)
                add_member(out, spec, DMPI_WORKER, i, node->groups[g].image);
        }
    }
    count_gpu_workers(out);
    for (size_t i = 0; i < out->n; i++) {
        dmpi_body_make(&out->members[i], spec);
        if (check_users(&out->members[i], spec, err)) {
            dmpi_plan_free(out);
            return -1;
        }
    }
    return 0;
}

void dmpi_plan_free(struct dmpi_plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->n; i++) {
        struct dmpi_plan_member *m = &plan->members[i];
        free(m->container);
        free(m->alias);
        free(m->addr);
        json_decref(m->create);
        free(m->spec_hash);
    }
    for (size_t i = 0; i < plan->n_profiles; i++)
        dmpi_profile_free(&plan->profiles[i]);
    free(plan->members);
    free(plan->profiles);
    free(plan->name);
    *plan = (struct dmpi_plan){.name = NULL};
}

static json_t *node_json(const struct dmpi_spec *spec, size_t i)
{
    const struct dmpi_node *node = &spec->nodes[i];
    json_t *obj = dmpi_json_new_obj();
    dmpi_autofree char *docker = dmpi_endpoint_str(&node->ep);
    dmpi_json_set_str(obj, "name", node->name);
    dmpi_json_set_str(obj, "docker", docker);
    dmpi_json_set_str(obj, "addr", node->addr);
    dmpi_json_set_int(obj, "workers", node->workers);
    dmpi_json_set_bool(obj, "launcher", spec->launcher_node == i);
    return obj;
}

// The create body without the shell script, which says nothing to people, and without secrets.
static json_t *create_json(const struct dmpi_plan_member *m)
{
    json_t *create = json_copy(m->create), *env = dmpi_json_new_arr();
    const json_t *v;
    size_t i;
    json_array_foreach (dmpi_json_arr(create, "Env"), i, v) {
        dmpi_autofree char *shown = dmpi_secret_shown(json_string_value(v));
        dmpi_json_add_str(env, shown);
    }
    dmpi_json_set(create, "Env", env);
    json_object_del(create, "Entrypoint");
    return create;
}

char *dmpi_network_text(const char *addr, const char *subnet)
{
    if (addr && dmpi_host_is_loopback(addr))
        return dmpi_xstrdup("lo, within this machine");
    if (addr)
        return dmpi_xasprintf("the interface that carries %s; up reads its name and exact network "
                              "on the node",
                              addr);
    if (subnet)
        return dmpi_xasprintf("the interface with an address in %s; up reads its name and exact "
                              "network on the node",
                              subnet);
    return dmpi_xstrdup("not known: give addr for this node, or subnet, in the cluster file");
}

static json_t *member_json(const struct dmpi_plan_member *m, const struct dmpi_spec *spec)
{
    json_t *obj = dmpi_json_new_obj();
    dmpi_json_set_str(obj, "container", m->container);
    dmpi_json_set_str(obj, "role", dmpi_role_name(m->role));
    dmpi_json_set_int(obj, "index", m->index);
    dmpi_json_set_str(obj, "node", spec->nodes[m->node].name);
    dmpi_json_set_str(obj, "profile", m->profile->name);
    dmpi_json_set_str(obj, "image", m->profile->image);
    dmpi_json_set_str(obj, "addr", m->addr);
    dmpi_autofree char *network = dmpi_network_text(m->addr, spec->subnet);
    dmpi_json_set_str(obj, "network", network);
    dmpi_json_set_int(obj, "slots", m->slots);
    dmpi_json_set_str(obj, "spec", m->spec_hash);
    dmpi_autofree char *adds = dmpi_rights_text(dmpi_json_obj(m->create, "HostConfig"), m->role);
    dmpi_json_set_str(obj, "rights_added", adds);
    dmpi_json_set(obj, "create", create_json(m));
    return obj;
}

json_t *dmpi_plan_json(const struct dmpi_plan *plan, const struct dmpi_spec *spec)
{
    json_t *out = dmpi_json_new_obj(), *nodes = dmpi_json_new_arr(), *members = dmpi_json_new_arr();
    for (size_t i = 0; i < spec->n_nodes; i++)
        dmpi_json_add(nodes, node_json(spec, i));
    for (size_t i = 0; i < plan->n; i++)
        dmpi_json_add(members, member_json(&plan->members[i], spec));
    dmpi_json_set_str(out, "cluster", plan->name);
    dmpi_autofree char *ports =
        dmpi_ports_given(&spec->ports) ? dmpi_ports_str(&spec->ports) : NULL;
    dmpi_json_set_str(out, "ports", ports);
    dmpi_json_set(out, "nodes", nodes);
    dmpi_json_set(out, "members", members);
    return out;
}
