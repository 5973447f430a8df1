// SPDX-License-Identifier: MIT
// What UCX itself says, through its own interfaces: UCP for versions and memory types, UCT for devices
// and transports. The library is loaded when it is there; nothing else of the program needs it.
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucp/api/ucp.h>
#include <ucs/async/async_fwd.h>
#include <uct/api/uct.h>

#include "command.h"
#include "probe.h"

// The functions used, each under its own name.
#define UCX_FUNCTIONS(X)                                                                           \
    X(ucp_get_version_string)                                                                      \
    X(ucp_init_version)                                                                            \
    X(ucp_context_query)                                                                           \
    X(ucp_cleanup)                                                                                 \
    X(uct_query_components)                                                                        \
    X(uct_release_component_list)                                                                  \
    X(uct_component_query)                                                                         \
    X(uct_md_config_read)                                                                          \
    X(uct_md_open)                                                                                 \
    X(uct_md_close)                                                                                \
    X(uct_md_query)                                                                                \
    X(uct_md_query_tl_resources)                                                                   \
    X(uct_release_tl_resource_list)                                                                \
    X(uct_md_iface_config_read)                                                                    \
    X(uct_config_release)                                                                          \
    X(uct_worker_create)                                                                           \
    X(uct_worker_destroy)                                                                          \
    X(uct_iface_open)                                                                              \
    X(uct_iface_query)                                                                             \
    X(uct_iface_close)                                                                             \
    X(ucs_async_context_create)                                                                    \
    X(ucs_async_context_destroy)

static struct {
#define MEMBER(name) __typeof__(&(name)) name;
    UCX_FUNCTIONS(MEMBER)
#undef MEMBER
} ucx;

// A later UCX may know more than our headers and write it behind the structure.
#define ROOM_FOR_MORE 4096
union md_attr {
    uct_md_attr_t attr;
    char room[sizeof(uct_md_attr_t) + ROOM_FOR_MORE];
};
union iface_attr {
    uct_iface_attr_t attr;
    char room[sizeof(uct_iface_attr_t) + ROOM_FOR_MORE];
};

static void *find(const char *name)
{
    static const char *const files[] = {"libucp.so.0", "libuct.so.0", "libucs.so.0"};
    void *found = NULL;
    for (size_t i = 0; !found && i < sizeof files / sizeof files[0]; i++) {
        void *lib = dlopen(files[i], RTLD_LAZY | RTLD_GLOBAL);
        found = lib ? dlsym(lib, name) : NULL;
    }
    return found;
}

static bool load(void)
{
    bool all = true;
#define LOAD(name)                                                                                 \
    {                                                                                              \
        void *found = find(#name);                                                                 \
        memcpy(&ucx.name, &found, sizeof found);                                                   \
        all = all && found;                                                                        \
    }
    UCX_FUNCTIONS(LOAD)
#undef LOAD
    return all;
}

// The names of the types in a bitmap, as this UCX calls them.
static void memory_types_json(struct fab_json *json, const char *key, uint64_t types)
{
    const char *const *names = find("ucs_memory_type_names");
    fab_json_arr(json, key);
    for (int i = 0; names && i < UCS_MEMORY_TYPE_LAST; i++)
        if (types & (1ULL << i))
            fab_json_str(json, NULL, names[i]);
    fab_json_end(json, ']');
}

// ---- one transport on one device -------------------------------------------------------------

// What UCX expects of it: it opens the device for that. 0 values when it cannot be opened.
static void estimate(uct_md_h md, uct_worker_h worker, const uct_tl_resource_desc_t *r,
                     uct_iface_attr_t *out)
{
    static union iface_attr room;
    uct_iface_config_t *config = NULL;
    uct_iface_h iface = NULL;
    uct_iface_params_t params = {
        .field_mask = UCT_IFACE_PARAM_FIELD_OPEN_MODE | UCT_IFACE_PARAM_FIELD_DEVICE |
                      UCT_IFACE_PARAM_FIELD_RX_HEADROOM | UCT_IFACE_PARAM_FIELD_CPU_MASK,
        .open_mode = UCT_IFACE_OPEN_MODE_DEVICE};
    params.mode.device.tl_name = r->tl_name;
    params.mode.device.dev_name = r->dev_name;
    memset(&room, 0, sizeof room);
    if (ucx.uct_md_iface_config_read(md, r->tl_name, NULL, NULL, &config) == UCS_OK &&
        ucx.uct_iface_open(md, worker, &params, config, &iface) == UCS_OK)
        ucx.uct_iface_query(iface, &room.attr);
    if (iface)
        ucx.uct_iface_close(iface);
    if (config)
        ucx.uct_config_release(config);
    *out = room.attr;
}

static void transport_json(struct fab_json *json, uct_md_h md, uct_worker_h worker,
                           const uct_tl_resource_desc_t *r)
{
    static const char *const kinds[] = {"network", "shared memory", "accelerator", "self"};
    uct_iface_attr_t a;
    estimate(md, worker, r, &a);
    fab_json_obj(json, NULL);
    fab_json_str(json, "transport", r->tl_name);
    fab_json_str(json, "device", r->dev_name);
    fab_json_str(json, "type",
                 (unsigned)r->dev_type < UCT_DEVICE_TYPE_LAST ? kinds[r->dev_type] : NULL);
    fab_json_num(json, "bandwidth_mb_s", (a.bandwidth.dedicated + a.bandwidth.shared) / 1e6);
    fab_json_num(json, "latency_us", a.latency.c * 1e6);
    fab_json_end(json, '}');
}

static void transports_json(struct fab_json *json, uct_md_h md, uct_worker_h worker)
{
    uct_tl_resource_desc_t *list = NULL;
    unsigned n = 0;
    fab_json_arr(json, "transports");
    if (ucx.uct_md_query_tl_resources(md, &list, &n) == UCS_OK) {
        for (unsigned i = 0; i < n; i++)
            transport_json(json, md, worker, &list[i]);
        ucx.uct_release_tl_resource_list(list);
    }
    fab_json_end(json, ']');
}

// ---- memory domains --------------------------------------------------------------------------

static void domain_json(struct fab_json *json, uct_component_h component, const char *name,
                        uct_worker_h worker)
{
    static union md_attr room;
    uct_md_config_t *config = NULL;
    uct_md_h md = NULL;
    memset(&room, 0, sizeof room);
    if (ucx.uct_md_config_read(component, NULL, NULL, &config) != UCS_OK)
        return;
    ucs_status_t status = ucx.uct_md_open(component, name, config, &md);
    ucx.uct_config_release(config);
    if (status != UCS_OK)
        return;
    fab_json_obj(json, NULL);
    fab_json_str(json, "domain", name);
    if (ucx.uct_md_query(md, &room.attr) == UCS_OK) {
        memory_types_json(json, "registers", room.attr.cap.reg_mem_types);
        memory_types_json(json, "detects", room.attr.cap.detect_mem_types);
    }
    transports_json(json, md, worker);
    fab_json_end(json, '}');
    ucx.uct_md_close(md);
}

static void component_json(struct fab_json *json, uct_component_h component, uct_worker_h worker)
{
    uct_component_attr_t attr = {.field_mask = UCT_COMPONENT_ATTR_FIELD_MD_RESOURCE_COUNT};
    if (ucx.uct_component_query(component, &attr) != UCS_OK || attr.md_resource_count == 0)
        return;
    uct_md_resource_desc_t *domains = calloc(attr.md_resource_count, sizeof *domains);
    attr.field_mask = UCT_COMPONENT_ATTR_FIELD_MD_RESOURCES;
    attr.md_resources = domains;
    if (domains && ucx.uct_component_query(component, &attr) == UCS_OK) {
        for (unsigned i = 0; i < attr.md_resource_count; i++)
            domain_json(json, component, domains[i].md_name, worker);
    }
    free(domains);
}

static void domains_json(struct fab_json *json)
{
    ucs_async_context_t *async = NULL;
    uct_worker_h worker = NULL;
    uct_component_h *components = NULL;
    unsigned n = 0;
    fab_json_arr(json, "domains");
    if (ucx.ucs_async_context_create(UCS_ASYNC_MODE_THREAD_SPINLOCK, &async) == UCS_OK &&
        ucx.uct_worker_create(async, UCS_THREAD_MODE_SINGLE, &worker) == UCS_OK &&
        ucx.uct_query_components(&components, &n) == UCS_OK) {
        for (unsigned i = 0; i < n; i++)
            component_json(json, components[i], worker);
        ucx.uct_release_component_list(components);
    }
    if (worker)
        ucx.uct_worker_destroy(worker);
    if (async)
        ucx.ucs_async_context_destroy(async);
    fab_json_end(json, ']');
}

// ---- the whole -------------------------------------------------------------------------------

static void context_json(struct fab_json *json)
{
    ucp_params_t params = {.field_mask = UCP_PARAM_FIELD_FEATURES, .features = UCP_FEATURE_TAG};
    ucp_context_attr_t attr = {.field_mask =
                                   UCP_ATTR_FIELD_MEMORY_TYPES | UCP_ATTR_FIELD_THREAD_MODE};
    ucp_context_h context;
    if (ucx.ucp_init_version(UCP_API_MAJOR, UCP_API_MINOR, &params, NULL, &context) != UCS_OK)
        return;
    if (ucx.ucp_context_query(context, &attr) == UCS_OK)
        memory_types_json(json, "memory_types", attr.memory_types);
    ucx.ucp_cleanup(context);
}

// Whether it was built with multi-threading. PyTorch's mpi backend once stumbled over that on ROCm.
static void settings_json(struct fab_json *json)
{
    static char text[65536];
    static const char *const argv[] = {"ucx_info", "-v", NULL};
    char line[8192];
    fab_command(text, sizeof text, argv);
    fab_line_after(line, sizeof line, text, "Configured with:");
    fab_json_str(json, "configured", *line ? line : NULL);
}

void fab_ucx_json(struct fab_json *json)
{
    if (!load()) {
        fab_json_str(json, "ucx", NULL);
        return;
    }
    // Its warnings about a device that it cannot use are no part of the answer.
    setenv("UCX_LOG_LEVEL", "fatal", 0);
    fab_json_obj(json, "ucx");
    fab_json_str(json, "version", ucx.ucp_get_version_string());
    context_json(json);
    settings_json(json);
    domains_json(json);
    fab_json_end(json, '}');
}
