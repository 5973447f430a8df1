// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cluster/fit.h"
#include "spec/plan.h"

static json_t *parse(const char *text)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    json_t *out = NULL;
    if (dmpi_json_parse(&out, text, strlen(text), &err))
        fail_msg("%s", err.msg);
    return out;
}

static void cdi(void **state)
{
    (void)state;
    static const struct {
        const char *info;
        bool want;
    } rows[] = {
        {"{}", false},
        {"{\"DiscoveredDevices\":null}", false},
        {"{\"DiscoveredDevices\":[]}", false},
        {"{\"DiscoveredDevices\":[7,{\"Source\":\"cdi\"}]}", false},
        {"{\"DiscoveredDevices\":[{\"Source\":\"cdi\",\"ID\":\"amd.com/gpu=all\"}]}", false},
        {"{\"DiscoveredDevices\":[{\"Source\":\"cdi\",\"ID\":\"nvidia.com/gpu=0\"},"
         "{\"Source\":\"cdi\",\"ID\":\"nvidia.com/gpu=all\"}]}",
         true},
        {"{\"Runtimes\":{\"nvidia\":{}},\"CDISpecDirs\":[\"/etc/cdi\"]}", false},
    };
    assert_false(dmpi_fit_prefers_cdi(NULL));
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        dmpi_json_auto json_t *info = parse(rows[i].info);
        if (dmpi_fit_prefers_cdi(info) != rows[i].want)
            fail_msg("%s", rows[i].info);
    }
}

static void bodies(void **state)
{
    (void)state;
    static const char gpu[] =
        "{\"HostConfig\":{\"DeviceRequests\":[{\"Driver\":\"\",\"Count\":-1}]}}";
    static const struct {
        const char *body;
        bool cdi;
        const char *groups, *want;
    } rows[] = {
        {gpu, false, NULL, gpu},
        // As `docker run --device nvidia.com/gpu=all` (tests/e2e/t0121-profiles.sh looks).
        {gpu, true, NULL,
         "{\"HostConfig\":{\"DeviceRequests\":[{\"Driver\":\"cdi\",\"Count\":0,\"DeviceIDs\":"
         "[\"nvidia.com/gpu=all\"],\"Capabilities\":null,\"Options\":null}]}}"},
        {"{\"HostConfig\":{}}", true, NULL, "{\"HostConfig\":{}}"},
        {"{\"HostConfig\":{}}", false, "993 44",
         "{\"HostConfig\":{\"GroupAdd\":[\"993\",\"44\"]}}"},
        {"{\"HostConfig\":{\"GroupAdd\":[\"video\",\"44\"]}}", false, "993 44",
         "{\"HostConfig\":{\"GroupAdd\":[\"video\",\"44\",\"993\"]}}"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        dmpi_json_auto json_t *body = parse(rows[i].body), *want = parse(rows[i].want);
        struct dmpi_fit fit = {.cdi = rows[i].cdi};
        if (rows[i].groups)
            fit.groups = dmpi_strv_split(rows[i].groups, ' ');
        dmpi_fit_body(body, &fit);
        dmpi_fit_free(&fit);
        dmpi_autofree char *got = dmpi_json_dump(body);
        if (!json_equal(body, want))
            fail_msg("row %zu: %s", i, got);
    }
}

// GPUs of a node are divided among its workers.
static void shares(void **state)
{
    (void)state;
    static const struct dmpi_profile nvidia = {.gpu = DMPI_GPU_NVIDIA}, amd = {.gpu = DMPI_GPU_AMD};
    static const struct {
        const struct dmpi_profile *profile;
        int turn, workers, gpus;
        bool slots_given;
        int slots;
        const char *visible;
    } rows[] = {
        {&nvidia, 0, 1, 1, false, 1, NULL},
        {&nvidia, 0, 1, 4, false, 4, NULL},
        {&nvidia, 0, 1, 4, true, 0, NULL},
        {&nvidia, 0, 1, 0, false, 0, NULL},
        {&nvidia, 0, 2, 4, false, 2, "CUDA_VISIBLE_DEVICES=0,1"},
        {&nvidia, 1, 2, 4, true, 0, "CUDA_VISIBLE_DEVICES=2,3"},
        {&amd, 0, 2, 3, false, 1, "ROCR_VISIBLE_DEVICES=0"},
        {&amd, 1, 2, 3, false, 2, "ROCR_VISIBLE_DEVICES=1,2"},
        {&nvidia, 2, 3, 2, false, 1, "CUDA_VISIBLE_DEVICES=0"},
        {&nvidia, 0, 0, 2, false, 0, NULL},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        const struct dmpi_plan_member member = {.profile = rows[i].profile,
                                                .slots = 1,
                                                .slots_given = rows[i].slots_given,
                                                .gpu_turn = rows[i].turn,
                                                .gpu_workers = rows[i].workers};
        DMPI_AUTO(dmpi_fit_free) struct dmpi_fit fit = {.cdi = false};
        dmpi_fit_share(&fit, &member, rows[i].gpus);
        if (fit.slots != rows[i].slots || !fit.visible != !rows[i].visible ||
            (fit.visible && strcmp(fit.visible, rows[i].visible) != 0))
            fail_msg("row %zu: %d %s", i, fit.slots, fit.visible ? fit.visible : "all");
    }
}

static void shared_body(void **state)
{
    (void)state;
    static char visible[] = "CUDA_VISIBLE_DEVICES=2,3";
    const struct dmpi_fit fit = {.slots = 2, .visible = visible};
    dmpi_json_auto json_t *body =
        parse("{\"Env\":[\"A=1\"],\"Labels\":{\"io.dockmpi.slots\":\"1\"},\"HostConfig\":{}}");
    dmpi_json_auto json_t *own =
        parse("{\"Env\":[\"CUDA_VISIBLE_DEVICES=7\"],\"Labels\":{},\"HostConfig\":{}}");
    dmpi_fit_body(body, &fit);
    dmpi_fit_body(own, &fit);
    dmpi_autofree char *got = dmpi_json_dump(json_object_get(body, "Env"));
    dmpi_autofree char *kept = dmpi_json_dump(json_object_get(own, "Env"));
    assert_string_equal(got, "[\"A=1\",\"CUDA_VISIBLE_DEVICES=2,3\"]");
    assert_string_equal(kept, "[\"CUDA_VISIBLE_DEVICES=7\"]");
    assert_string_equal(dmpi_json_str(dmpi_json_obj(body, "Labels"), "io.dockmpi.slots"), "2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cdi),
        cmocka_unit_test(bodies),
        cmocka_unit_test(shares),
        cmocka_unit_test(shared_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
