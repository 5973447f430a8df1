// SPDX-License-Identifier: MIT
// What `fabric probe` saw in a worker, for people.
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/text.h"
#include "cluster/doctor_impl.h"

// Transports that go over a device, such as "tcp/eth0 rc_verbs/mlx5_0:1"; those in memory are everywhere.
static void add_transports(struct dmpi_strv *out, const json_t *ucx)
{
    const json_t *domain, *t;
    size_t i, k;

    json_array_foreach (dmpi_json_arr(ucx, "domains"), i, domain) {
        json_array_foreach (dmpi_json_arr(domain, "transports"), k, t) {
            const char *name = dmpi_json_str(t, "transport"), *device = dmpi_json_str(t, "device");

            if (!name || !device || strcmp(device, "memory") == 0 || strcmp(device, "lo") == 0)
                continue;
            dmpi_autofree char *word = dmpi_xasprintf("%s/%s", name, device);
            if (!dmpi_strv_has(out, word))
                dmpi_strv_add(out, word);
        }
    }
}

static void add_strings(struct dmpi_strv *out, const json_t *list)
{
    const json_t *v;
    size_t i;

    json_array_foreach (list, i, v) {
        if (json_is_string(v))
            dmpi_strv_add(out, json_string_value(v));
    }
}

// "2 x Tesla T4" of neighbours that are alike.
static void add_gpus(struct dmpi_strv *out, const json_t *gpus)
{
    size_t same = 0;

    for (size_t i = 0; i < json_array_size(gpus); i += same) {
        const json_t *gpu = json_array_get(gpus, i);
        const char *model = dmpi_json_str(gpu, "model"), *vendor = dmpi_json_str(gpu, "vendor");

        for (same = 1; i + same < json_array_size(gpus); same++) {
            if (!json_equal(json_object_get(json_array_get(gpus, i + same), "model"),
                            json_object_get(gpu, "model")))
                break;
        }
        dmpi_strv_addf(out, "%zu x %s%s", same,
                       model    ? model
                       : vendor ? vendor
                                : "GPU",
                       json_is_false(json_object_get(gpu, "large_bar")) ? " (no large BAR)" : "");
    }
}

char *dmpi_fabric_text(const char *text)
{
    dmpi_json_auto json_t *probe = NULL;
    struct dmpi_err ignored = DMPI_ERR_INIT;
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv transports = DMPI_STRV_INIT;
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv memory = DMPI_STRV_INIT;
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv gpus = DMPI_STRV_INIT;

    if (!*text || dmpi_json_parse(&probe, text, strlen(text), &ignored) != 0)
        return NULL;
    add_transports(&transports, dmpi_json_obj(probe, "ucx"));
    add_strings(&memory, dmpi_json_arr(dmpi_json_obj(probe, "ucx"), "memory_types"));
    add_gpus(&gpus, dmpi_json_arr(probe, "gpus"));
    dmpi_autofree char *over = dmpi_strv_join(&transports, " ");
    dmpi_autofree char *of = dmpi_strv_join(&memory, ", ");
    dmpi_autofree char *cards = dmpi_strv_join(&gpus, ", ");
    dmpi_autofree char *all =
        dmpi_xasprintf("UCX goes over %s, from memory of %s; %s", *over ? over : "no network",
                       *of ? of : "no kind that it tells", *cards ? cards : "no GPU");
    return dmpi_text_print_safe(all);
}
