// SPDX-License-Identifier: MIT
#include "cluster/doctor.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "cluster/doctor_impl.h"
#include "cluster/down.h"
#include "cluster/fetch.h"
#include "cluster/remedy.h"
#include "cluster/state.h"
#include "cluster/up.h"
#include "engine/engine.h"
#include "engine/images.h"
#include "fleet/fleet.h"
#include "spec/plan.h"

#define CLEAN_MS 60000

// The message without its "node NAME: ", which has a column of its own.
static const char *without_node(const char *msg, const char *node)
{
    dmpi_autofree char *prefix = dmpi_xasprintf("node %s: ", node);
    return dmpi_text_starts_with(msg, prefix) ? msg + strlen(prefix) : msg;
}

// --- engines -----------------------------------------------------------------------------------

static bool has_nvidia(const json_t *info)
{
    if (json_object_get(dmpi_json_obj(info, "Runtimes"), "nvidia"))
        return true;
    const json_t *devices = dmpi_json_arr(info, "DiscoveredDevices"); // CDI, engines from 28 on
    for (size_t i = 0; i < json_array_size(devices); i++) {
        const char *id = dmpi_json_str(json_array_get(devices, i), "ID");
        if (id && dmpi_text_starts_with(id, "nvidia.com/"))
            return true;
    }
    return false;
}

static bool is_exempt(const struct dmpi_node *node)
{
    const char *mode = dmpi_json_str(node->options, "UsernsMode");
    return mode && strcmp(mode, "host") == 0;
}

static void judge_remapped(struct dmpi_exam *x, const struct dmpi_node *node)
{
    if (is_exempt(node))
        dmpi_report_add(x->report, DMPI_GOOD, "engine", node->name, NULL,
                        "userns-remap, from which UsernsMode: host exempts the containers");
    else
        dmpi_report_add(x->report, DMPI_BAD, "engine", node->name,
                        "say `options: { UsernsMode: host }` of the node in the cluster file, or "
                        "take userns-remap out of the engine's configuration",
                        "userns-remap: the engine gives the host's network only to containers that "
                        "it exempts");
}

// Podman without root does give its containers the host's network.
static void judge_rootless(struct dmpi_exam *x, const struct dmpi_node *node)
{
    if (x->spec->n_nodes > 1)
        dmpi_report_add(x->report, DMPI_BAD, "engine", node->name,
                        "use the engine that root runs there, or this node alone",
                        "a rootless engine: its containers have a network of their own, into "
                        "which no other node can dial");
    else
        dmpi_report_add(x->report, DMPI_GOOD, "engine", node->name, NULL,
                        "a rootless engine: enough for workers on this node alone");
}

void dmpi_exam_security(struct dmpi_exam *x, size_t node, bool podman, const json_t *info)
{
    size_t i;
    json_t *option;
    json_array_foreach (dmpi_json_arr(info, "SecurityOptions"), i, option) {
        const char *text = json_string_value(option);
        if (text && !podman && strstr(text, "name=rootless"))
            judge_rootless(x, &x->spec->nodes[node]);
        if (text && strstr(text, "name=userns"))
            judge_remapped(x, &x->spec->nodes[node]);
    }
}

static void check_gpu(struct dmpi_exam *x, size_t node, const json_t *info)
{
    for (size_t i = 0; i < x->plan->n; i++) {
        const struct dmpi_plan_member *m = &x->plan->members[i];
        if (m->node != node || m->profile->gpu != DMPI_GPU_NVIDIA || has_nvidia(info))
            continue;
        dmpi_report_add(x->report, DMPI_BAD, "gpu", x->spec->nodes[node].name,
                        "install the driver and nvidia-container-toolkit, then: nvidia-ctk runtime "
                        "configure --runtime=docker; systemctl restart docker",
                        "image %s wants NVIDIA GPUs and this engine has no runtime for them",
                        m->profile->name);
        return;
    }
}

// What the engine's answer says. By node, so that the table has their order.
static void judge_engine(struct dmpi_exam *x, size_t node, const struct dmpi_engine *engine,
                         const json_t *info)
{
    const char *name = x->spec->nodes[node].name;
    const char *version = dmpi_json_str(info, "ServerVersion");
    const char *driver = dmpi_json_str(info, "Driver"), *arch = dmpi_json_str(info, "Architecture");
    char memory[16];
    dmpi_report_add(x->report, DMPI_GOOD, "engine", name, NULL,
                    "%s %s, API %s, %s, %s, %lld cores, %s memory",
                    dmpi_engine_is_podman(engine) ? "Podman" : "Docker", version ? version : "?",
                    dmpi_engine_api(engine), driver ? driver : "?", arch ? arch : "?",
                    dmpi_json_int(info, "NCPU", 0),
                    dmpi_text_human_bytes(memory, dmpi_json_int(info, "MemTotal", 0)));
    dmpi_exam_security(x, node, dmpi_engine_is_podman(engine), info);
    check_gpu(x, node, info);
}

static void judge_archs(struct dmpi_exam *x, json_t *const *infos)
{
    const char *first = NULL, *where = NULL;
    for (size_t i = 0; i < x->spec->n_nodes; i++) {
        const char *arch = infos[i] ? dmpi_json_str(infos[i], "Architecture") : NULL;
        if (!first) {
            first = arch;
            where = x->spec->nodes[i].name;
        } else if (arch && strcmp(arch, first) != 0) {
            dmpi_report_add(x->report, DMPI_BAD, "arch", x->spec->nodes[i].name,
                            "use machines of one architecture, or an image of each",
                            "%s here, %s on %s: the same image runs on one of them only", arch,
                            first, where);
        }
    }
}

struct asked {
    const struct dmpi_ctl *ctl;
    json_t **infos; // one a node
};

static int ask_engine(struct dmpi_engine *engine, size_t node, void *arg, struct dmpi_err *err)
{
    struct asked *asked = arg;
    return dmpi_engine_info(engine, asked->ctl, &asked->infos[node], err);
}

static void examine_engines(struct dmpi_exam *x)
{
    size_t n = dmpi_fleet_size(x->fleet);
    dmpi_autofree struct dmpi_err *errs = dmpi_xcalloc(n, sizeof *errs);
    dmpi_autofree json_t **infos = dmpi_xcalloc(n, sizeof(json_t *));
    struct asked asked = {x->ctl, infos};
    dmpi_fleet_each(x->fleet, x->ctl, 0, ask_engine, &asked, errs);
    for (size_t i = 0; i < n; i++) {
        struct dmpi_engine *engine;
        const char *name = x->spec->nodes[i].name;
        if (errs[i].code == DMPI_OK &&
            dmpi_fleet_engine(&engine, x->fleet, i, x->ctl, &errs[i]) == 0)
            judge_engine(x, i, engine, infos[i]);
        else
            dmpi_report_add(
                x->report, DMPI_BAD, "engine", name,
                "see that the machine runs, that its Docker engine does, and that docker: "
                "in the cluster file says how to reach it",
                "%s", without_node(errs[i].msg, name));
    }
    judge_archs(x, infos);
    for (size_t i = 0; i < n; i++)
        json_decref(infos[i]);
}

// --- images ------------------------------------------------------------------------------------

// An image on a node. Its id differs between kinds of image stores, its content does not.
struct found_image {
    const struct dmpi_profile *profile;
    const char *node;
    bool asked, there;
    char content[DMPI_SHA256_HEX];
};

static void content_of(char out[DMPI_SHA256_HEX], const json_t *image)
{
    static const char *const keys[] = {"Env", "Cmd", "Entrypoint", "WorkingDir", "User"};
    const json_t *config = dmpi_json_obj(image, "Config");
    dmpi_json_auto json_t *o = dmpi_json_new_obj();
    dmpi_json_set(o, "Layers",
                  json_incref(dmpi_json_arr(dmpi_json_obj(image, "RootFS"), "Layers")));
    for (size_t i = 0; i < DMPI_ARRAY_LEN(keys); i++) {
        json_t *value = json_object_get(config, keys[i]);
        if (value && !json_is_null(value))
            dmpi_json_set(o, keys[i], json_incref(value));
    }
    dmpi_autofree char *text = dmpi_json_dump(o);
    dmpi_sha256_hex(text, strlen(text), out);
}

static void find_image(struct dmpi_exam *x, size_t i, struct found_image *out)
{
    const struct dmpi_plan_member *m = &x->plan->members[i];
    dmpi_json_auto json_t *image = NULL;
    struct dmpi_engine *engine;
    struct dmpi_err err = DMPI_ERR_INIT; // a dead engine is told already
    *out = (struct found_image){.profile = m->profile, .node = x->spec->nodes[m->node].name};
    if (dmpi_fleet_engine(&engine, x->fleet, m->node, x->ctl, &err) < 0)
        return;
    out->there = dmpi_image_inspect(engine, x->ctl, m->profile->image, &image, &err) == 0;
    out->asked = out->there || err.code == DMPI_ENOTFOUND;
    if (out->there)
        content_of(out->content, image);
}

static void judge_image(struct dmpi_exam *x, const struct found_image *all, size_t i)
{
    const struct found_image *it = &all[i], *first = NULL;
    dmpi_autofree char *push = dmpi_xasprintf("`dockmpi image push %s`", it->profile->name);
    for (size_t k = 0; k < i; k++) {
        if (strcmp(all[k].profile->image, it->profile->image) != 0)
            continue;
        if (strcmp(all[k].node, it->node) == 0)
            return; // told already
        if (!first && all[k].there)
            first = &all[k];
    }
    if (it->asked && !it->there)
        dmpi_report_add(x->report, DMPI_BAD, "image", it->node, push,
                        "%s is not there, so nothing could be started on this node",
                        it->profile->image);
    else if (it->there && first && strcmp(first->content, it->content) != 0)
        dmpi_report_add(x->report, DMPI_DOUBTFUL, "image", it->node, push,
                        "%s is not the same image as on %s", it->profile->image, first->node);
}

static void examine_images(struct dmpi_exam *x)
{
    dmpi_autofree struct found_image *found = dmpi_xcalloc(x->plan->n, sizeof *found);
    for (size_t i = 0; i < x->plan->n; i++) {
        find_image(x, i, &found[i]);
        judge_image(x, found, i);
    }
}

// --- the members ---------------------------------------------------------------------------------

static int examine_members(struct dmpi_exam *x, struct dmpi_err *err)
{
    dmpi_state_load(&x->state, x->fleet, x->spec->name, x->ctl, err); // dead nodes are told already
    if (dmpi_cluster_mesh(&x->mesh, x->fleet, &x->state, x->spec->name, x->ctl, err) < 0)
        return -1;
    x->probes = dmpi_xcalloc(x->mesh.n + 1, sizeof *x->probes);
    dmpi_exam_probe(x);
    dmpi_exam_network(x);
    for (size_t i = 0; i < x->mesh.n; i++)
        dmpi_probe_clear(&x->probes[i]);
    free(x->probes);
    return 0;
}

// --- the short-lived cluster -------------------------------------------------------------------

// Under which check the reason of a container that did not get ready belongs.
static const char *check_of(const char *why)
{
    static const struct {
        const char *word, *check;
    } table[] = {{"rlimit", "ulimits"},     {"ulimit", "ulimits"},           {"/dev/kfd", "gpu"},
                 {"/dev/dri", "gpu"},       {"select device driver", "gpu"}, {"nvidia", "gpu"},
                 {"no space left", "disk"}, {"TCP port from", "ports"}};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(table); i++)
        if (strstr(why, table[i].word))
            return table[i].check;
    return "worker";
}

// Whether that check has found that node wanting already.
static bool told(const struct dmpi_report *r, const char *check, const char *node)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->findings[i].verdict == DMPI_BAD && strcmp(r->findings[i].node, node) == 0 &&
            strcmp(r->findings[i].check, check) == 0)
            return true;
    return false;
}

// Whether that node was found wanting before any container: no worker can be there.
static bool told_already(const struct dmpi_report *r, const char *node)
{
    static const char *const checks[] = {"engine", "arch", "image", "gpu"};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(checks); i++)
        if (told(r, checks[i], node))
            return true;
    return false;
}

// Why a container did not get ready; the remedy that the reason ends with has a line of its own.
static void report_member(struct dmpi_report *r, const struct dmpi_up_member *m)
{
    const char *check = check_of(m->why), *remedy = dmpi_remedy_find(m->why);
    dmpi_autofree char *cause = dmpi_xstrdup(without_node(m->why, m->node));
    dmpi_autofree char *end = dmpi_xasprintf("; %s", remedy ? remedy : "");
    if (strcmp(check, "worker") != 0 && told(r, check, m->node))
        return; // of all containers of the node
    if (remedy && dmpi_text_ends_with(cause, end))
        cause[strlen(cause) - strlen(end)] = '\0';
    dmpi_report_add(r, DMPI_BAD, check, m->node, remedy, "%s", cause);
}

static void report_up(struct dmpi_exam *x, const struct dmpi_up_result *result)
{
    for (size_t i = 0; i < result->n; i++) {
        const struct dmpi_up_member *m = &result->members[i];
        if (m->change == DMPI_FAILED && !m->undone && !told_already(x->report, m->node))
            report_member(x->report, m);
    }
    if (result->workers_ready == result->workers_wanted)
        dmpi_report_add(x->report, DMPI_GOOD, "worker", NULL, NULL,
                        "a launcher and %d worker%s started and got ready", result->workers_ready,
                        result->workers_ready == 1 ? "" : "s");
}

static int examine_cluster(struct dmpi_exam *x, dmpi_progress_fn *progress, void *arg,
                           struct dmpi_err *err)
{
    const struct dmpi_up_opts opts = {
        .progress = progress, .progress_arg = arg, .min_workers = 1, .unique = true};
    struct dmpi_up_result result = {0};
    int rc = dmpi_cluster_up(x->fleet, x->spec, x->plan, &opts, x->ctl, &result, err);
    report_up(x, &result);
    if (rc == 0)
        rc = examine_members(x, err);
    else if (err->code != DMPI_ECANCELED && x->report->bad == 0)
        dmpi_report_add(x->report, DMPI_BAD, "worker", NULL, NULL, "%s", err->msg);
    dmpi_up_result_free(&result);
    if (rc < 0 && err->code != DMPI_ECANCELED && x->report->bad) {
        *err = (struct dmpi_err)DMPI_ERR_INIT; // the report tells it
        return 0;
    }
    return rc;
}

// Not under the caller's control: what was made goes also after Ctrl-C.
static void clean_up(struct dmpi_exam *x)
{
    struct dmpi_ctl none = DMPI_CTL_NONE;
    const struct dmpi_ctl ctl = dmpi_ctl_within(&none, CLEAN_MS);
    struct dmpi_down_result result = {0};
    struct dmpi_err err = DMPI_ERR_INIT;
    dmpi_autofree char *down = dmpi_xasprintf("`dockmpi down --name %s`", x->spec->name);
    if (dmpi_cluster_down(x->fleet, x->spec->name, NULL, &ctl, &result, &err) < 0 && result.left)
        dmpi_report_add(x->report, DMPI_BAD, "worker", NULL, down,
                        "containers of the short-lived cluster %s were not removed: %s",
                        x->spec->name, err.msg);
    dmpi_down_result_free(&result);
}

// What the nodes are to bear in the cluster itself.
static struct dmpi_load *loads_of(const struct dmpi_spec *spec)
{
    struct dmpi_load *loads = dmpi_xcalloc(spec->n_nodes, sizeof *loads);
    for (size_t i = 0; i < spec->n_nodes; i++) {
        const struct dmpi_node *node = &spec->nodes[i];
        loads[i] = (struct dmpi_load){node->workers, node->workers * node->slots};
    }
    return loads;
}

static void shorten(struct dmpi_spec *spec)
{
    char tail[9];
    dmpi_random_hex(tail, 4);
    free(spec->name);
    spec->name = dmpi_xasprintf("doctor-%s", tail);
    for (size_t i = 0; i < spec->n_volumes; i++)
        dmpi_volume_free(&spec->volumes[i]);
    spec->n_volumes = 0;
    for (size_t i = 0; i < spec->n_nodes; i++) {
        struct dmpi_node *node = &spec->nodes[i];
        bool lone = spec->n_nodes == 1 && node->n_groups == 1; // two, so that there is a link
        node->workers = 0;
        for (size_t g = 0; g < node->n_groups; g++) {
            if (node->groups[g].workers > (lone ? 2 : 1))
                node->groups[g].workers = lone ? 2 : 1;
            node->workers += node->groups[g].workers;
        }
    }
}

int dmpi_doctor(struct dmpi_report *out, struct dmpi_fleet *fleet, struct dmpi_spec *spec,
                const char *images_dir, dmpi_progress_fn *progress, void *arg,
                const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct dmpi_plan plan = {0};
    dmpi_autofree struct dmpi_load *loads = loads_of(spec);
    dmpi_autofree char *cluster = dmpi_xstrdup(spec->name);
    *out = (struct dmpi_report){0};
    shorten(spec);
    if (dmpi_plan_make(&plan, spec, images_dir, err) < 0)
        return -1;
    struct dmpi_exam x = {.report = out,
                          .lock = PTHREAD_MUTEX_INITIALIZER,
                          .fleet = fleet,
                          .spec = spec,
                          .plan = &plan,
                          .loads = loads,
                          .ctl = ctl};
    examine_engines(&x);
    examine_images(&x);
    int rc = dmpi_ctl_check(ctl, err);
    if (rc == 0)
        rc = examine_cluster(&x, progress, arg, err);
    if (rc == 0)
        dmpi_exam_standing(out, fleet, cluster, ctl);
    clean_up(&x);
    dmpi_mesh_free(&x.mesh);
    dmpi_state_free(&x.state);
    dmpi_plan_free(&plan);
    return rc;
}
