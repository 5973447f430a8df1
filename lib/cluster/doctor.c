// SPDX-License-Identifier: MIT
#include "cluster/doctor.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "cluster/doctor_impl.h"
#include "cluster/down.h"
#include "cluster/fetch.h"
#include "cluster/image.h"
#include "cluster/state.h"
#include "cluster/up.h"
#include "engine/engine.h"
#include "engine/exec.h"
#include "fleet/fleet.h"
#include "fleet/parallel.h"
#include "spec/plan.h"

#define PROBE_MS 60000
#define CLEAN_MS 60000
#define DIALS_AT_ONCE "16"
#define OUTPUT_MAX (1u << 20)

// Bytes that cross each link: enough for packets of full size, which a wrong MTU swallows.
#define DIAL_BYTES "100000"

struct exam {
    struct dmpi_report *report;
    pthread_mutex_t lock; // guards report
    struct dmpi_fleet *fleet;
    const struct dmpi_spec *spec;
    const struct dmpi_plan *plan;
    const struct dmpi_ctl *ctl;
    struct dmpi_state state;
    struct dmpi_mesh mesh;
    struct dmpi_probe *probes; // one a worker of the mesh
};

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

static void check_security(struct exam *x, const char *node, const json_t *info)
{
    size_t i;
    json_t *option;
    json_array_foreach (dmpi_json_arr(info, "SecurityOptions"), i, option) {
        const char *text = json_string_value(option);
        if (text && strstr(text, "name=rootless"))
            dmpi_report_add(x->report, DMPI_DOUBTFUL, "engine", node,
                            "use the system's engine for several nodes",
                            "a rootless engine: its \"host\" network is not the host's");
        if (text && strstr(text, "name=userns"))
            dmpi_report_add(x->report, DMPI_BAD, "engine", node,
                            "set \"userns-remap\" back, or add --option userns=host to that node",
                            "user namespaces are remapped: host networking is refused");
    }
}

static void check_gpu(struct exam *x, size_t node, const json_t *info)
{
    for (size_t i = 0; i < x->plan->n; i++) {
        const struct dmpi_plan_member *m = &x->plan->members[i];
        if (m->node != node || !m->profile->nvidia || has_nvidia(info))
            continue;
        dmpi_report_add(x->report, DMPI_BAD, "gpu", x->spec->nodes[node].name,
                        "install the driver and nvidia-container-toolkit, then: nvidia-ctk runtime "
                        "configure --runtime=docker; systemctl restart docker",
                        "image %s wants NVIDIA GPUs and this engine has no runtime for them",
                        m->profile->name);
        return;
    }
}

static int examine_engine(struct dmpi_engine *engine, size_t node, void *arg, struct dmpi_err *err)
{
    struct exam *x = arg;
    dmpi_json_auto json_t *info = NULL;
    if (dmpi_engine_info(engine, x->ctl, &info, err) < 0)
        return -1;
    const char *version = dmpi_json_str(info, "ServerVersion");
    const char *driver = dmpi_json_str(info, "Driver");
    pthread_mutex_lock(&x->lock);
    dmpi_report_add(x->report, DMPI_GOOD, "engine", x->spec->nodes[node].name, NULL,
                    "%s %s, API %s, %s", dmpi_engine_is_podman(engine) ? "Podman" : "Docker",
                    version ? version : "?", dmpi_engine_api(engine), driver ? driver : "?");
    check_security(x, x->spec->nodes[node].name, info);
    check_gpu(x, node, info);
    pthread_mutex_unlock(&x->lock);
    return 0;
}

static void examine_engines(struct exam *x)
{
    size_t n = dmpi_fleet_size(x->fleet);
    dmpi_autofree struct dmpi_err *errs = dmpi_xcalloc(n, sizeof *errs);
    dmpi_fleet_each(x->fleet, x->ctl, 0, examine_engine, x, errs);
    for (size_t i = 0; i < n; i++) {
        if (errs[i].code == DMPI_OK)
            continue;
        dmpi_autofree char *prefix = dmpi_xasprintf("node %s: ", x->spec->nodes[i].name);
        size_t skip = dmpi_text_starts_with(errs[i].msg, prefix) ? strlen(prefix) : 0;
        dmpi_report_add(x->report, DMPI_BAD, "engine", x->spec->nodes[i].name, NULL, "%s",
                        errs[i].msg + skip);
    }
}

// --- images ------------------------------------------------------------------------------------

struct found_image {
    const struct dmpi_profile *profile;
    const char *node;
    char *id;
};

static void compare_images(struct exam *x, struct found_image *found, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t k = 0; k < i; k++) {
            if (found[i].profile != found[k].profile || strcmp(found[i].id, found[k].id) == 0)
                continue;
            dmpi_autofree char *remedy =
                dmpi_xasprintf("dockmpi image push %s", found[i].profile->name);
            dmpi_report_add(x->report, DMPI_DOUBTFUL, "image", found[i].node, remedy,
                            "%s is not the same image as on %s", found[i].profile->image,
                            found[k].node);
            break;
        }
}

static void examine_images(struct exam *x)
{
    dmpi_autofree struct found_image *found = dmpi_xcalloc(x->plan->n, sizeof *found);
    size_t n = 0;
    for (size_t i = 0; i < x->plan->n; i++) {
        const struct dmpi_plan_member *m = &x->plan->members[i];
        struct dmpi_image_info info = {0};
        struct dmpi_engine *engine;
        struct dmpi_err err = DMPI_ERR_INIT; // told by examine_engines already
        if (dmpi_fleet_engine(&engine, x->fleet, m->node, x->ctl, &err) < 0 ||
            dmpi_image_find(&info, engine, m->profile, x->ctl, &err) < 0)
            continue;
        if (info.present)
            found[n++] = (struct found_image){m->profile, x->spec->nodes[m->node].name,
                                              dmpi_xstrdup(info.id)};
        dmpi_image_info_free(&info);
    }
    compare_images(x, found, n);
    for (size_t i = 0; i < n; i++)
        free(found[i].id);
}

// --- probes ------------------------------------------------------------------------------------

static const char probe_script[] =
    "echo \"now $(date +%s%N)\"\n"
    "echo \"shm $(df -B1 --output=size /dev/shm 2>/dev/null | tail -n1)\"\n"
    "echo \"disk $(df -B1 --output=avail / 2>/dev/null | tail -n1)\"\n"
    "while read -r k v u; do [ $k = MemAvailable: ] && echo \"memory $((v * 1024))\"; done "
    "</proc/meminfo\n"
    "echo \"memlock $(ulimit -l)\"\n"
    "echo \"mpi $(mpirun --version 2>/dev/null | head -n1)\"\n";

// Every link: ssh as mpirun will use it, and bytes enough to fill packets. One line a worker that
// could not be reached, with ssh's own reason.
static const char dial_script[] =
    "dial() {\n"
    "got=$(ssh -o ConnectTimeout=6 \"$1\" head -c " DIAL_BYTES " /dev/zero 2>&1 </dev/null | tr -d "
    "'\\000' | head -n1)\n"
    "n=$(ssh -o ConnectTimeout=6 \"$1\" true 2>/dev/null </dev/null && echo 0 || echo 1)\n"
    "[ \"$n\" = 0 ] && [ -z \"$got\" ] || echo \"$1 ${got:-no answer}\"\n"
    "}\n"
    "i=0\n"
    "for w; do dial \"$w\" & i=$((i + 1)); [ $((i % " DIALS_AT_ONCE ")) = 0 ] && wait; done\n"
    "wait\n";

static long long wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int run_script(struct exam *x, const struct dmpi_mesh_worker *w, const char *script,
                      const struct dmpi_strv *args, struct dmpi_buf *out, struct dmpi_err *err)
{
    const struct dmpi_member *m = dmpi_state_worker(&x->state, x->spec->name, w->index);
    struct dmpi_engine *engine;
    if (!m)
        return dmpi_err_set(err, DMPI_ENOTFOUND, "%s has vanished", w->alias);
    const struct dmpi_ctl ctl = dmpi_ctl_within(x->ctl, PROBE_MS);
    struct dmpi_strv argv = DMPI_STRV_INIT;
    dmpi_strv_add(&argv, "/bin/sh");
    dmpi_strv_add(&argv, "-c");
    dmpi_strv_add(&argv, script);
    dmpi_strv_add(&argv, "sh");
    if (args)
        dmpi_strv_add_all(&argv, args);
    int code;
    int rc = dmpi_fleet_engine(&engine, x->fleet, m->node, &ctl, err);
    if (rc == 0)
        rc = dmpi_exec_run(engine, &ctl, m->id, &argv, NULL, 0, out, NULL, &code, err);
    dmpi_strv_free(&argv);
    return rc;
}

static void fail_probe(struct exam *x, const struct dmpi_mesh_worker *w, const struct dmpi_err *err)
{
    pthread_mutex_lock(&x->lock);
    dmpi_report_add(x->report, DMPI_BAD, "worker", w->node, NULL, "%s", err->msg);
    pthread_mutex_unlock(&x->lock);
}

static void probe_one(size_t i, void *arg)
{
    struct exam *x = arg;
    const struct dmpi_mesh_worker *w = &x->mesh.workers[i];
    struct dmpi_probe *p = &x->probes[i];
    struct dmpi_buf out = DMPI_BUF_INIT(OUTPUT_MAX);
    struct dmpi_err err = DMPI_ERR_INIT;
    p->node = dmpi_xstrdup(w->node);
    p->iface = dmpi_xstrdup(w->iface);
    p->cidr = dmpi_xstrdup(w->cidr);
    p->mtu = w->mtu;
    long long asked = wall_ms();
    if (run_script(x, w, probe_script, NULL, &out, &err) < 0)
        fail_probe(x, w, &err);
    else
        dmpi_probe_parse(p, dmpi_buf_str(&out), asked, wall_ms());
    dmpi_buf_free(&out);
}

static void report_dials(struct exam *x, const struct dmpi_mesh_worker *from, const char *text)
{
    struct dmpi_strv lines = dmpi_strv_split(text, '\n');
    pthread_mutex_lock(&x->lock);
    for (size_t i = 0; i < lines.n; i++) {
        if (!*lines.v[i])
            continue;
        dmpi_autofree char *safe = dmpi_text_print_safe(lines.v[i]);
        dmpi_report_add(
            x->report, DMPI_BAD, "network", from->node,
            "open all TCP ports between the nodes (security group, firewall), and check "
            "that addr: in the cluster file is the address they reach each other by",
            "%s cannot reach %s", from->alias, safe);
    }
    pthread_mutex_unlock(&x->lock);
    dmpi_strv_free(&lines);
}

static void dial_from(size_t i, void *arg)
{
    struct exam *x = arg;
    const struct dmpi_mesh_worker *w = &x->mesh.workers[i];
    struct dmpi_buf out = DMPI_BUF_INIT(OUTPUT_MAX);
    struct dmpi_strv aliases = DMPI_STRV_INIT;
    struct dmpi_err err = DMPI_ERR_INIT;
    for (size_t k = 0; k < x->mesh.n; k++)
        if (k != i)
            dmpi_strv_add(&aliases, x->mesh.workers[k].alias);
    if (aliases.n && run_script(x, w, dial_script, &aliases, &out, &err) < 0)
        fail_probe(x, w, &err);
    else
        report_dials(x, w, dmpi_buf_str(&out));
    dmpi_strv_free(&aliases);
    dmpi_buf_free(&out);
}

static int examine_members(struct exam *x, struct dmpi_err *err)
{
    size_t bad = x->report->bad;
    dmpi_state_load(&x->state, x->fleet, x->spec->name, x->ctl, err); // dead nodes are told already
    if (dmpi_cluster_mesh(&x->mesh, x->fleet, &x->state, x->spec->name, x->ctl, err) < 0)
        return -1;
    x->probes = dmpi_xcalloc(x->mesh.n + 1, sizeof *x->probes);
    dmpi_parallel(x->mesh.n, DMPI_FLEET_WINDOW, probe_one, x);
    dmpi_probes_judge(x->report, x->probes, x->mesh.n);
    dmpi_parallel(x->mesh.n, DMPI_FLEET_WINDOW, dial_from, x);
    if (x->report->bad == bad && x->mesh.n > 1)
        dmpi_report_add(x->report, DMPI_GOOD, "network", NULL, NULL,
                        "all %zu workers reach each other, packets of full size included",
                        x->mesh.n);
    for (size_t i = 0; i < x->mesh.n; i++)
        dmpi_probe_clear(&x->probes[i]);
    free(x->probes);
    return 0;
}

// --- the short-lived cluster -------------------------------------------------------------------

static void report_up(struct exam *x, const struct dmpi_up_result *result)
{
    for (size_t i = 0; i < result->n; i++)
        if (result->members[i].change == DMPI_FAILED)
            dmpi_report_add(x->report, DMPI_BAD, "worker", result->members[i].node, NULL, "%s",
                            *result->members[i].why ? result->members[i].why : "did not get ready");
    if (result->workers_ready == result->workers_wanted)
        dmpi_report_add(x->report, DMPI_GOOD, "worker", NULL, NULL,
                        "a launcher and %d worker%s started and got ready", result->workers_ready,
                        result->workers_ready == 1 ? "" : "s");
}

static int examine_cluster(struct exam *x, dmpi_progress_fn *progress, void *arg,
                           struct dmpi_err *err)
{
    const struct dmpi_up_opts opts = {.progress = progress, .progress_arg = arg, .min_workers = 1};
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
static void clean_up(struct exam *x)
{
    struct dmpi_ctl none = DMPI_CTL_NONE;
    const struct dmpi_ctl ctl = dmpi_ctl_within(&none, CLEAN_MS);
    struct dmpi_down_result result = {0};
    struct dmpi_err err = DMPI_ERR_INIT;
    if (dmpi_cluster_down(x->fleet, x->spec->name, NULL, &ctl, &result, &err) < 0 && result.left)
        dmpi_report_add(x->report, DMPI_BAD, "worker", NULL, "dockmpi down --name with that name",
                        "containers of the short-lived cluster %s were not removed: %s",
                        x->spec->name, err.msg);
    dmpi_down_result_free(&result);
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
    *out = (struct dmpi_report){0};
    shorten(spec);
    if (dmpi_plan_make(&plan, spec, images_dir, err) < 0)
        return -1;
    struct exam x = {.report = out,
                     .lock = PTHREAD_MUTEX_INITIALIZER,
                     .fleet = fleet,
                     .spec = spec,
                     .plan = &plan,
                     .ctl = ctl};
    examine_engines(&x);
    examine_images(&x);
    int rc = dmpi_ctl_check(ctl, err);
    if (rc == 0)
        rc = examine_cluster(&x, progress, arg, err);
    clean_up(&x);
    dmpi_mesh_free(&x.mesh);
    dmpi_state_free(&x.state);
    dmpi_plan_free(&plan);
    return rc;
}
