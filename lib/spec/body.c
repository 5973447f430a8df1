// SPDX-License-Identifier: MIT
#include "spec/body.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "spec/given.h"
#include "spec/rights.h"
#include "spec/runas.h"
#include "spec/script.h"

#define HASH_DIGITS 16
#define HOSTNAME_LEN 63
#define SHM_DEFAULT (1LL << 30) // the engine's own 64 MiB are too few for NCCL and data loaders
#define STOP_SECONDS 2

char *dmpi_container_name(const char *cluster, enum dmpi_role role, int index)
{
    if (role == DMPI_LAUNCHER)
        return dmpi_xasprintf("dockmpi-%s-launcher", cluster);
    return dmpi_xasprintf("dockmpi-%s-%s-%d", cluster, dmpi_role_name(role), index);
}

// Open MPI takes its own host's name for the local host and cuts names at dots: so the name has
// neither dots nor the form of an alias. The cluster's part gives way when it gets too long.
static char *hostname(const char *cluster, enum dmpi_role role, int index)
{
    dmpi_autofree char *rest = dmpi_container_name("", role, index);
    size_t room = HOSTNAME_LEN - strlen(rest), len = strlen(cluster);
    dmpi_autofree char *cut = dmpi_xstrndup(cluster, len < room ? len : room);
    for (char *p = cut; *p; p++) {
        if (!isalnum((unsigned char)*p))
            *p = '-';
    }
    return dmpi_container_name(cut, role, index);
}

json_t *dmpi_body_base(const char *cluster, enum dmpi_role role, int index)
{
    json_t *body = dmpi_json_new_obj();
    dmpi_autofree char *host = hostname(cluster, role, index);
    dmpi_json_set_str(body, "Hostname", host);
    dmpi_json_set_str(body, "User", "root");
    dmpi_json_set(body, "Cmd", dmpi_json_new_arr());
    dmpi_json_set_bool(body, "Tty", false);
    dmpi_json_set_bool(body, "OpenStdin", true);
    dmpi_json_set_bool(body, "StdinOnce", true);
    dmpi_json_set_bool(body, "AttachStdin", true);
    dmpi_json_set_bool(body, "AttachStdout", true);
    dmpi_json_set_bool(body, "AttachStderr", true);
    dmpi_json_set_int(body, "StopTimeout", STOP_SECONDS);
    return body;
}

char *dmpi_body_seal(json_t *body, const char *origin)
{
    char hex[DMPI_SHA256_HEX];
    dmpi_autofree char *text = dmpi_json_dump(body);
    dmpi_sha256_hex(text, strlen(text), hex);
    hex[HASH_DIGITS] = '\0';
    json_t *labels = json_object_get(body, "Labels");
    dmpi_json_set_str(labels, DMPI_LABEL_SPEC, hex);
    if (origin)
        dmpi_json_set_str(labels, DMPI_LABEL_ORIGIN, origin);
    return dmpi_xstrdup(hex);
}

static void set_number(json_t *labels, const char *key, int n)
{
    char text[16];
    snprintf(text, sizeof(text), "%d", n);
    dmpi_json_set_str(labels, key, text);
}

static json_t *labels_of(const struct dmpi_plan_member *m, const struct dmpi_spec *spec)
{
    json_t *labels = dmpi_json_new_obj();
    dmpi_json_set_str(labels, DMPI_LABEL_CLUSTER, spec->name);
    dmpi_json_set_str(labels, DMPI_LABEL_ROLE, dmpi_role_name(m->role));
    set_number(labels, DMPI_LABEL_INDEX, m->index);
    dmpi_json_set_str(labels, DMPI_LABEL_NODE, spec->nodes[m->node].name);
    dmpi_json_set_str(labels, DMPI_LABEL_PROFILE, m->profile->name);
    dmpi_autofree char *given = dmpi_given_label(spec);
    dmpi_json_set_str(labels, DMPI_LABEL_GIVEN, given);
    if (m->addr)
        dmpi_json_set_str(labels, DMPI_LABEL_ADDR, m->addr);
    if (dmpi_ports_given(&spec->ports)) {
        dmpi_autofree char *ports = dmpi_ports_str(&spec->ports);
        dmpi_json_set_str(labels, DMPI_LABEL_PORTS, ports);
    }
    if (spec->ttl_s) {
        dmpi_autofree char *ttl = dmpi_xasprintf("%lld", (long long)spec->ttl_s);
        dmpi_json_set_str(labels, DMPI_LABEL_TTL, ttl);
    }
    if (m->role == DMPI_WORKER)
        set_number(labels, DMPI_LABEL_SLOTS, m->slots);
    // Whoever gets a neighbour has to leave him some: another label is another container.
    if (m->gpu_workers > 1) {
        dmpi_autofree char *share = dmpi_xasprintf("%d/%d", m->gpu_turn, m->gpu_workers);
        dmpi_json_set_str(labels, DMPI_LABEL_GPUS, share);
    }
    return labels;
}

static json_t *binds_of(const struct dmpi_spec *spec)
{
    json_t *arr = dmpi_json_new_arr();
    for (size_t i = 0; i < spec->n_volumes; i++) {
        const struct dmpi_volume *v = &spec->volumes[i];
        dmpi_autofree char *bind =
            dmpi_xasprintf("%s:%s%s", v->host, v->container, v->ro ? ":ro" : "");
        dmpi_json_add_str(arr, bind);
    }
    return arr;
}

// "/dev/kfd", "/dev/a:/dev/b", "/dev/a:/dev/b:rw"
static json_t *device_of(const char *text)
{
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv part = dmpi_strv_split(text, ':');
    json_t *device = dmpi_json_new_obj();
    dmpi_json_set_str(device, "PathOnHost", part.v[0]);
    dmpi_json_set_str(device, "PathInContainer", part.n > 1 ? part.v[1] : part.v[0]);
    dmpi_json_set_str(device, "CgroupPermissions", part.n > 2 ? part.v[2] : "rwm");
    return device;
}

// What `docker run --gpus all` sends.
static json_t *nvidia_request(void)
{
    json_t *gpu = dmpi_json_new_arr(), *any = dmpi_json_new_arr(), *list = dmpi_json_new_arr();
    json_t *request = dmpi_json_new_obj();
    dmpi_json_add_str(gpu, "gpu");
    dmpi_json_add(any, gpu);
    dmpi_json_set_str(request, "Driver", "");
    dmpi_json_set_int(request, "Count", -1);
    dmpi_json_set(request, "DeviceIDs", json_null());
    dmpi_json_set(request, "Capabilities", any);
    dmpi_json_set(request, "Options", dmpi_json_new_obj());
    dmpi_json_add(list, request);
    return list;
}

static json_t *memlock_limit(int64_t bytes)
{
    json_t *limit = dmpi_json_new_obj(), *list = dmpi_json_new_arr();
    dmpi_json_set_str(limit, "Name", "memlock");
    dmpi_json_set_int(limit, "Soft", bytes);
    dmpi_json_set_int(limit, "Hard", bytes);
    dmpi_json_add(list, limit);
    return list;
}

static void add_list(json_t *hc, const char *key, const struct dmpi_strv *list)
{
    if (list->n)
        dmpi_json_set(hc, key, dmpi_json_strv(list));
}

// The kernel driver's nodes of all AMD GPUs; the engine takes a folder for everything in it.
static const char *const amd_devices[] = {"/dev/kfd", "/dev/dri"};

static json_t *devices_of(const struct dmpi_profile *p)
{
    json_t *devices = dmpi_json_new_arr();
    for (size_t i = 0; p->gpu == DMPI_GPU_AMD && i < DMPI_ARRAY_LEN(amd_devices); i++)
        dmpi_json_add(devices, device_of(amd_devices[i]));
    for (size_t i = 0; i < p->devices.n; i++)
        dmpi_json_add(devices, device_of(p->devices.v[i]));
    return devices;
}

static void add_hardware(json_t *hc, const struct dmpi_profile *p)
{
    add_list(hc, "CapAdd", &p->cap_add);
    add_list(hc, "SecurityOpt", &p->security_opt);
    add_list(hc, "GroupAdd", &p->groups);
    if (p->gpu == DMPI_GPU_NVIDIA)
        dmpi_json_set(hc, "DeviceRequests", nvidia_request());
    if (p->memlock)
        dmpi_json_set(hc, "Ulimits", memlock_limit(p->memlock));
    if (p->ipc_host)
        dmpi_json_set_str(hc, "IpcMode", "host");
    json_t *devices = devices_of(p);
    if (json_array_size(devices) > 0)
        dmpi_json_set(hc, "Devices", devices);
    else
        json_decref(devices);
}

static void add_log(json_t *hc)
{
    json_t *config = dmpi_json_new_obj(), *log = dmpi_json_new_obj();
    dmpi_json_set_str(config, "max-size", "10m");
    dmpi_json_set_str(config, "max-file", "2");
    dmpi_json_set_str(log, "Type", "json-file");
    dmpi_json_set(log, "Config", config);
    dmpi_json_set(hc, "LogConfig", log);
}

static void merge_copy(json_t *into, const json_t *from)
{
    dmpi_json_auto json_t *copy = json_deep_copy(from);
    if (copy)
        dmpi_json_merge(into, copy);
}

static json_t *host_config_of(const struct dmpi_plan_member *m, const struct dmpi_spec *spec)
{
    const struct dmpi_profile *p = m->profile;
    json_t *hc = dmpi_json_new_obj(), *tmpfs = dmpi_json_new_obj();
    dmpi_json_set_str(hc, "NetworkMode", "host");
    dmpi_json_set_bool(hc, "Init", true);
    // What ends by itself goes by itself, with its anonymous volumes.
    if (spec->ttl_s)
        dmpi_json_set_bool(hc, "AutoRemove", true);
    // Keys lie here and nowhere else: in memory, and only for whom the container runs as.
    dmpi_json_set_str(tmpfs, "/etc/dockmpi", "mode=0700,size=16m");
    dmpi_json_set(hc, "Tmpfs", tmpfs);
    if (spec->run_as)
        dmpi_runas_body(hc, spec->run_as);
    if (spec->n_volumes)
        dmpi_json_set(hc, "Binds", binds_of(spec));
    int64_t shm = spec->shm_size ? spec->shm_size : p->shm_size ? p->shm_size : SHM_DEFAULT;
    dmpi_json_set_int(hc, "ShmSize", shm);
    add_log(hc);
    add_hardware(hc, p);
    merge_copy(hc, p->host_config);
    merge_copy(hc, spec->nodes[m->node].options);
    dmpi_rights_limit(hc, m->role, spec->run_as != NULL);
    // The host's /dev/shm has its own size; Podman refuses to be given another.
    const char *ipc = dmpi_json_str(hc, "IpcMode");
    if (ipc && strcmp(ipc, "host") == 0)
        json_object_del(hc, "ShmSize");
    return hc;
}

static json_t *worker_script(const struct dmpi_profile *p, int64_t ttl_s)
{
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv devices = DMPI_STRV_INIT;
    for (size_t i = 0; i < p->devices.n; i++) {
        DMPI_AUTO(dmpi_strv_free) struct dmpi_strv part = dmpi_strv_split(p->devices.v[i], ':');
        dmpi_strv_add(&devices, part.v[part.n > 1 ? 1 : 0]);
    }
    return dmpi_script_worker(ttl_s, p->sshd, &devices);
}

void dmpi_body_make(struct dmpi_plan_member *m, const struct dmpi_spec *spec)
{
    const struct dmpi_profile *p = m->profile;
    json_t *body = dmpi_body_base(spec->name, m->role, m->index);
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv env = dmpi_strv_copy(&p->env);
    if (p->library_path.n) {
        dmpi_autofree char *path = dmpi_strv_join(&p->library_path, ":");
        dmpi_strv_env_set(&env, "LD_LIBRARY_PATH", path);
    }
    dmpi_strv_env_merge(&env, &spec->env);
    if (spec->run_as)
        dmpi_json_set_str(body, "User", spec->run_as);
    dmpi_json_set_str(body, "Image", p->image);
    dmpi_json_set(body, "Entrypoint",
                  m->role == DMPI_WORKER ? worker_script(p, spec->ttl_s)
                                         : dmpi_script_launcher(spec->ttl_s));
    dmpi_json_set(body, "Env", dmpi_json_strv(&env));
    dmpi_json_set_str(body, "WorkingDir", spec->workdir);
    dmpi_json_set(body, "Labels", labels_of(m, spec));
    dmpi_json_set(body, "HostConfig", host_config_of(m, spec));
    m->create = body;
    m->spec_hash = dmpi_body_seal(body, spec->origin);
}
