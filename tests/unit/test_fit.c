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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cdi),
        cmocka_unit_test(bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
