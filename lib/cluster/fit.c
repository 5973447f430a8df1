// SPDX-License-Identifier: MIT
#include "cluster/fit.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "spec/plan.h"

#define ALL_NVIDIA "nvidia.com/gpu=all"

bool dmpi_fit_prefers_cdi(const json_t *info)
{
    const json_t *devices = dmpi_json_arr(info, "DiscoveredDevices");
    for (size_t i = 0; i < json_array_size(devices); i++) {
        const json_t *device = json_array_get(devices, i);
        const char *source = dmpi_json_str(device, "Source"), *id = dmpi_json_str(device, "ID");
        if (source && id && strcmp(source, "cdi") == 0 && strcmp(id, ALL_NVIDIA) == 0)
            return true;
    }
    return false;
}

// What `docker run --device nvidia.com/gpu=all` sends.
static json_t *cdi_request(void)
{
    json_t *ids = dmpi_json_new_arr(), *list = dmpi_json_new_arr(), *request = dmpi_json_new_obj();
    dmpi_json_add_str(ids, ALL_NVIDIA);
    dmpi_json_set_str(request, "Driver", "cdi");
    dmpi_json_set_int(request, "Count", 0);
    dmpi_json_set(request, "DeviceIDs", ids);
    dmpi_json_set(request, "Capabilities", json_null());
    dmpi_json_set(request, "Options", json_null());
    dmpi_json_add(list, request);
    return list;
}

static bool has_word(const json_t *list, const char *word)
{
    const json_t *v;
    size_t i;
    json_array_foreach ((json_t *)list, i, v) {
        if (json_is_string(v) && strcmp(json_string_value(v), word) == 0)
            return true;
    }
    return false;
}

void dmpi_fit_share(struct dmpi_fit *fit, const struct dmpi_plan_member *member, int gpus)
{
    int turn = member->gpu_turn, all = member->gpu_workers;
    if (gpus <= 0 || all <= 0)
        return;
    int first = gpus >= all ? turn * gpus / all : turn % gpus;
    int end = gpus >= all ? (turn + 1) * gpus / all : first + 1;
    fit->slots = member->slots_given ? 0 : end - first;
    if (all == 1)
        return;
    // ROCm's lowest layer, so that UCX sees no others either.
    bool amd = member->profile->gpu == DMPI_GPU_AMD;
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv numbers = DMPI_STRV_INIT;
    for (int i = first; i < end; i++)
        dmpi_strv_addf(&numbers, "%d", i);
    dmpi_autofree char *list = dmpi_strv_join(&numbers, ",");
    free(fit->visible);
    fit->visible =
        dmpi_xasprintf("%s=%s", amd ? "ROCR_VISIBLE_DEVICES" : "CUDA_VISIBLE_DEVICES", list);
}

// What the user or the image's profile says of it wins.
static void add_visible(json_t *body, const char *visible)
{
    json_t *env = dmpi_json_arr(body, "Env");
    size_t len = strcspn(visible, "=") + 1, i;
    const json_t *v;
    json_array_foreach (env, i, v) {
        if (json_is_string(v) && strncmp(json_string_value(v), visible, len) == 0)
            return;
    }
    if (env)
        dmpi_json_add_str(env, visible);
}

void dmpi_fit_body(json_t *body, const struct dmpi_fit *fit)
{
    json_t *hc = dmpi_json_obj(body, "HostConfig");
    if (fit->slots > 0) {
        dmpi_autofree char *slots = dmpi_xasprintf("%d", fit->slots);
        dmpi_json_set_str(dmpi_json_obj(body, "Labels"), DMPI_LABEL_SLOTS, slots);
    }
    if (fit->visible)
        add_visible(body, fit->visible);
    if (fit->cdi && dmpi_json_arr(hc, "DeviceRequests"))
        dmpi_json_set(hc, "DeviceRequests", cdi_request());
    if (fit->groups.n == 0)
        return;
    json_t *groups = dmpi_json_arr(hc, "GroupAdd");
    if (!groups) {
        dmpi_json_set(hc, "GroupAdd", dmpi_json_new_arr());
        groups = dmpi_json_arr(hc, "GroupAdd");
    }
    for (size_t i = 0; i < fit->groups.n; i++) {
        if (!has_word(groups, fit->groups.v[i]))
            dmpi_json_add_str(groups, fit->groups.v[i]);
    }
}

void dmpi_fit_free(struct dmpi_fit *fit)
{
    if (!fit)
        return;
    dmpi_strv_free(&fit->groups);
    free(fit->visible);
    *fit = (struct dmpi_fit){.cdi = false};
}
