// SPDX-License-Identifier: MIT
#include "cluster/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "cluster/ended.h"
#include "engine/containers.h"
#include "fleet/fleet.h"
#include "fleet/parallel.h"
#include "spec/labels.h"

#define LIST_MS 20000
#define LOAD_MS 30000 // with what is asked of each job

// --- one container ---------------------------------------------------------------------------

static char *label(const json_t *labels, const char *name)
{
    const char *value = dmpi_json_str(labels, name);
    return dmpi_xstrdup(value ? value : "");
}

static int label_int(const json_t *labels, const char *name)
{
    const char *value = dmpi_json_str(labels, name);
    long long number = 0;
    if (!value || dmpi_text_int(&number, value, 0, 1 << 30) != 0)
        return 0;
    return (int)number;
}

static char *field(const json_t *entry, const char *name)
{
    const char *value = dmpi_json_str(entry, name);
    return dmpi_xstrdup(value ? value : "");
}

static char *first_name(const json_t *entry)
{
    const char *name = json_string_value(json_array_get(dmpi_json_arr(entry, "Names"), 0));
    if (!name)
        name = "";
    return dmpi_xstrdup(name[0] == '/' ? name + 1 : name);
}

// Volumes that the image asks for and nobody named: 64 hexadecimal digits.
static void add_volumes(struct dmpi_strv *out, const json_t *entry)
{
    const json_t *mounts = dmpi_json_arr(entry, "Mounts");
    for (size_t i = 0; i < json_array_size(mounts); i++) {
        const json_t *mount = json_array_get(mounts, i);
        const char *type = dmpi_json_str(mount, "Type"), *name = dmpi_json_str(mount, "Name");
        if (type && name && strcmp(type, "volume") == 0 && strlen(name) == 64 &&
            strspn(name, "0123456789abcdef") == 64)
            dmpi_strv_add(out, name);
    }
}

static bool member_parse(struct dmpi_member *out, const json_t *entry, size_t node)
{
    const json_t *labels = dmpi_json_obj(entry, "Labels");
    *out = (struct dmpi_member){.node = node, .exit_code = -1};
    if (!dmpi_json_str(labels, DMPI_LABEL_CLUSTER) ||
        dmpi_role_parse(&out->role, dmpi_json_str(labels, DMPI_LABEL_ROLE)) != 0)
        return false;
    out->id = field(entry, "Id");
    out->container = first_name(entry);
    out->state = field(entry, "State");
    out->image = field(entry, "Image");
    out->image_id = field(entry, "ImageID");
    out->created = dmpi_json_int(entry, "Created", 0);
    out->cluster = label(labels, DMPI_LABEL_CLUSTER);
    out->index = label_int(labels, DMPI_LABEL_INDEX);
    out->node_tag = label(labels, DMPI_LABEL_NODE);
    out->spec = label(labels, DMPI_LABEL_SPEC);
    out->given = label(labels, DMPI_LABEL_GIVEN);
    out->profile = label(labels, DMPI_LABEL_PROFILE);
    out->addr = label(labels, DMPI_LABEL_ADDR);
    out->origin = label(labels, DMPI_LABEL_ORIGIN);
    out->slots = label_int(labels, DMPI_LABEL_SLOTS);
    out->ttl_s = label_int(labels, DMPI_LABEL_TTL);
    out->job = label(labels, DMPI_LABEL_JOB);
    out->tags = label(labels, DMPI_LABEL_TAGS);
    out->job_name = label(labels, DMPI_LABEL_JOBNAME);
    out->program = label(labels, DMPI_LABEL_PROGRAM);
    out->ranks = label_int(labels, DMPI_LABEL_RANKS);
    add_volumes(&out->volumes, entry);
    out->unkept = dmpi_json_str(labels, DMPI_LABEL_UNKEPT) != NULL;
    out->grace_ms = label_int(labels, DMPI_LABEL_GRACE);
    out->restarts = label_int(labels, DMPI_LABEL_RESTARTS);
    return true;
}

static void member_free(struct dmpi_member *m)
{
    char *const strings[] = {m->id,       m->container, m->cluster,  m->node_tag,
                             m->state,    m->image,     m->image_id, m->spec,
                             m->profile,  m->addr,      m->origin,   m->job,
                             m->job_name, m->tags,      m->program,  m->given};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(strings); i++)
        free(strings[i]);
    dmpi_strv_free(&m->volumes);
}

// In milliseconds since the epoch; 0 for Go's zero time and for what is no time.
static int64_t time_parse(const char *text)
{
    int64_t ns = 0;
    return text && dmpi_text_time(&ns, text) == 0 ? ns / 1000000 : 0;
}

// --- one node --------------------------------------------------------------------------------

struct found {
    struct dmpi_member *v;
    size_t n;
};

struct inspecting {
    struct dmpi_engine *engine;
    const struct dmpi_ctl *ctl;
    struct found *found;
};

// The job's container has a file with a byte for each attempt (lib/mesh/attempts.sh).
static int count_attempts(const struct inspecting *in, const struct dmpi_member *m)
{
    dmpi_json_auto json_t *file = NULL;
    struct dmpi_err ignored;
    if (m->restarts == 0 ||
        dmpi_container_stat(in->engine, in->ctl, m->id, DMPI_ATTEMPTS_FILE, &file, &ignored) != 0)
        return 0;
    long long n = dmpi_json_int(file, "size", 0);
    return n > 0 && n <= m->restarts + 1 ? (int)n : 0;
}

// What the list of containers does not tell of a job. A job that has just gone keeps what the list
// said.
static void inspect_job(size_t i, void *arg)
{
    const struct inspecting *in = arg;
    struct dmpi_member *m = &in->found->v[i];
    dmpi_json_auto json_t *info = NULL;
    struct dmpi_err ignored;
    if (m->role != DMPI_JOB ||
        dmpi_container_inspect(in->engine, in->ctl, m->id, &info, &ignored) != 0)
        return;
    const json_t *state = dmpi_json_obj(info, "State");
    m->started = time_parse(dmpi_json_str(state, "StartedAt"));
    m->finished = time_parse(dmpi_json_str(state, "FinishedAt"));
    m->oom_killed = dmpi_json_bool(state, "OOMKilled", false);
    m->attempts = count_attempts(in, m);
    free(m->state);
    m->state = field(state, "Status");
    if (strcmp(m->state, "exited") == 0 || strcmp(m->state, "dead") == 0)
        m->exit_code = (int)dmpi_json_int(state, "ExitCode", -1);
    if (m->exit_code >= 0)
        m->ending = dmpi_ended_word(in->engine, m->id, m->exit_code, in->ctl);
}

struct loading {
    struct dmpi_fleet *fleet;
    const char *cluster;
    const struct dmpi_ctl *ctl;
    bool details;
    struct found *nodes; // one a node
};

static int load_node(struct dmpi_engine *engine, size_t node, void *arg, struct dmpi_err *err)
{
    const struct loading *loading = arg;
    struct found *found = &loading->nodes[node];
    dmpi_autofree char *filter = loading->cluster
                                     ? dmpi_xasprintf(DMPI_LABEL_CLUSTER "=%s", loading->cluster)
                                     : dmpi_xstrdup(DMPI_LABEL_CLUSTER);
    const char *filters[] = {filter, NULL};
    dmpi_json_auto json_t *list = NULL;
    struct dmpi_ctl within = dmpi_ctl_within(loading->ctl, LOAD_MS);
    struct dmpi_ctl soon = dmpi_ctl_within(loading->ctl, LIST_MS);
    dmpi_fleet_asked(loading->fleet, node);
    int rc = dmpi_container_list(engine, &soon, filters, true, &list, err);
    dmpi_fleet_answered(loading->fleet, node);
    if (rc != 0)
        return dmpi_err_wrap(err, "list containers");
    found->v = dmpi_xcalloc(json_array_size(list), sizeof(*found->v));
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (member_parse(&found->v[found->n], json_array_get(list, i), node))
            found->n++;
    }
    struct inspecting in = {.engine = engine, .ctl = &within, .found = found};
    if (loading->details)
        dmpi_parallel(found->n, DMPI_NODE_WINDOW, inspect_job, &in);
    return 0;
}

// --- all nodes -------------------------------------------------------------------------------

static int compare(const void *pa, const void *pb)
{
    const struct dmpi_member *a = pa, *b = pb;
    int order = strcmp(a->cluster, b->cluster);
    if (order == 0)
        order = (a->role > b->role) - (a->role < b->role);
    if (order == 0)
        order = (a->index > b->index) - (a->index < b->index);
    if (order == 0)
        order = (a->created > b->created) - (a->created < b->created);
    if (order == 0)
        order = strcmp(a->id, b->id);
    return order != 0 ? order : (a->node > b->node) - (a->node < b->node);
}

// Two nodes may be the same engine under two names: a container counts once, for the node that its
// label names.
static void drop_doubles(struct dmpi_state *state, const struct dmpi_fleet *fleet)
{
    size_t kept = 0;
    for (size_t i = 0; i < state->n; i++) {
        struct dmpi_member *m = &state->members[i];
        struct dmpi_member *last = kept > 0 ? &state->members[kept - 1] : NULL;
        if (!last || strcmp(last->id, m->id) != 0) {
            state->members[kept++] = *m;
            continue;
        }
        if (strcmp(m->node_tag, dmpi_fleet_name(fleet, m->node)) == 0)
            last->node = m->node;
        member_free(m);
    }
    state->n = kept;
}

static int load(struct dmpi_state *out, struct dmpi_fleet *fleet, const char *cluster, bool details,
                const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    size_t n = dmpi_fleet_size(fleet);
    *out = (struct dmpi_state){.n_nodes = n};
    out->errs = dmpi_xcalloc(n, sizeof(*out->errs));
    dmpi_autofree struct found *nodes = dmpi_xcalloc(n, sizeof(*nodes));
    struct loading loading = {
        .fleet = fleet, .cluster = cluster, .ctl = ctl, .details = details, .nodes = nodes};
    dmpi_fleet_each(fleet, ctl, 0, load_node, &loading, out->errs);
    for (size_t i = 0; i < n; i++) {
        out->members =
            dmpi_xreallocarray(out->members, out->n + nodes[i].n + 1, sizeof(*out->members));
        if (nodes[i].n > 0)
            memcpy(out->members + out->n, nodes[i].v, nodes[i].n * sizeof(*nodes[i].v));
        out->n += nodes[i].n;
        free(nodes[i].v);
    }
    if (out->n > 0)
        qsort(out->members, out->n, sizeof(*out->members), compare);
    drop_doubles(out, fleet);
    return dmpi_fleet_sum(fleet, out->errs, err);
}

int dmpi_state_load(struct dmpi_state *out, struct dmpi_fleet *fleet, const char *cluster,
                    const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    return load(out, fleet, cluster, true, ctl, err);
}

int dmpi_state_list(struct dmpi_state *out, struct dmpi_fleet *fleet, const char *cluster,
                    const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    return load(out, fleet, cluster, false, ctl, err);
}

void dmpi_state_free(struct dmpi_state *state)
{
    if (!state)
        return;
    for (size_t i = 0; i < state->n; i++)
        member_free(&state->members[i]);
    free(state->members);
    free(state->errs);
    *state = (struct dmpi_state){0};
}

// --- looking up ------------------------------------------------------------------------------

bool dmpi_member_running(const struct dmpi_member *member)
{
    return strcmp(member->state, "running") == 0 || strcmp(member->state, "paused") == 0 ||
           strcmp(member->state, "restarting") == 0;
}

bool dmpi_member_ended(const struct dmpi_member *job)
{
    return !dmpi_member_running(job) && strcmp(job->state, "created") != 0;
}

const char *dmpi_member_called(const struct dmpi_member *job)
{
    return job->job_name[0] ? job->job_name : job->job;
}

static const struct dmpi_member *find(const struct dmpi_state *state, const char *cluster,
                                      enum dmpi_role role, int index, const char *job)
{
    for (size_t i = 0; i < state->n; i++) {
        const struct dmpi_member *m = &state->members[i];
        if (m->role == role && (!cluster || strcmp(m->cluster, cluster) == 0) &&
            (role != DMPI_WORKER || m->index == index) &&
            (role != DMPI_JOB || strcmp(m->job, job) == 0))
            return m;
    }
    return NULL;
}

const struct dmpi_member *dmpi_state_launcher(const struct dmpi_state *state, const char *cluster)
{
    return find(state, cluster, DMPI_LAUNCHER, 0, NULL);
}

const struct dmpi_member *dmpi_state_worker(const struct dmpi_state *state, const char *cluster,
                                            int index)
{
    return find(state, cluster, DMPI_WORKER, index, NULL);
}

const struct dmpi_member *dmpi_state_job(const struct dmpi_state *state, const char *cluster,
                                         const char *job)
{
    return find(state, cluster, DMPI_JOB, 0, job);
}
