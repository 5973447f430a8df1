// SPDX-License-Identifier: MIT
#include "cluster/fit.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"

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

void dmpi_fit_body(json_t *body, const struct dmpi_fit *fit)
{
    json_t *hc = dmpi_json_obj(body, "HostConfig");
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
    *fit = (struct dmpi_fit){.cdi = false};
}
