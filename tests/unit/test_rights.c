// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "spec/rights.h"

#define WORKER                                                                                     \
    "\"AUDIT_WRITE\",\"SYS_CHROOT\",\"CHOWN\",\"DAC_OVERRIDE\",\"FOWNER\",\"KILL\",\"SETGID\","    \
    "\"SETUID\""
#define LAUNCHER "\"CHOWN\",\"DAC_OVERRIDE\",\"FOWNER\",\"KILL\",\"SETGID\",\"SETUID\""
#define FIRM "\"no-new-privileges\""

static const struct {
    enum dmpi_role role;
    const char *asked, *made, *text; // text: what is told, NULL for nothing
} rows[] = {
    {DMPI_WORKER, "{}",
     "{\"CapAdd\":[" WORKER "],\"CapDrop\":[\"ALL\"],\"SecurityOpt\":[" FIRM "]}", NULL},
    {DMPI_LAUNCHER, "{}",
     "{\"CapAdd\":[" LAUNCHER "],\"CapDrop\":[\"ALL\"],\"SecurityOpt\":[" FIRM "]}", NULL},
    // What is asked for comes on top, in any spelling, once.
    {DMPI_LAUNCHER, "{\"CapAdd\":[\"cap_sys_ptrace\",\"CAP_KILL\"]}",
     "{\"CapAdd\":[\"CHOWN\",\"DAC_OVERRIDE\",\"FOWNER\",\"SETGID\",\"SETUID\",\"SYS_PTRACE\","
     "\"KILL\"],"
     "\"CapDrop\":[\"ALL\"],\"SecurityOpt\":[" FIRM "]}",
     "capability SYS_PTRACE"},
    // Who wants less gets less.
    {DMPI_LAUNCHER, "{\"CapDrop\":[\"CAP_CHOWN\",\"NET_RAW\"]}",
     "{\"CapAdd\":[\"DAC_OVERRIDE\",\"FOWNER\",\"KILL\",\"SETGID\",\"SETUID\"],\"CapDrop\":["
     "\"ALL\"],"
     "\"SecurityOpt\":[" FIRM "]}",
     NULL},
    {DMPI_LAUNCHER, "{\"CapAdd\":[\"ALL\"],\"CapDrop\":[\"NET_RAW\"]}",
     "{\"CapAdd\":[\"ALL\"],\"CapDrop\":[\"NET_RAW\"],\"SecurityOpt\":[" FIRM "]}",
     "capability ALL"},
    {DMPI_LAUNCHER, "{\"SecurityOpt\":[\"seccomp=unconfined\"]}",
     "{\"CapAdd\":[" LAUNCHER "],\"CapDrop\":[\"ALL\"],\"SecurityOpt\":[" FIRM
     ",\"seccomp=unconfined\"]}",
     "security option seccomp=unconfined"},
    {DMPI_LAUNCHER, "{\"SecurityOpt\":[\"no-new-privileges:false\"]}",
     "{\"CapAdd\":[" LAUNCHER
     "],\"CapDrop\":[\"ALL\"],\"SecurityOpt\":[\"no-new-privileges:false\"]}",
     "security option no-new-privileges:false"},
    {DMPI_WORKER, "{\"Privileged\":true}", "{\"Privileged\":true}", "Privileged: all of the node"},
    {DMPI_LAUNCHER,
     "{\"DeviceRequests\":[{}],\"Devices\":[{\"PathOnHost\":\"/dev/"
     "kfd\"}],\"GroupAdd\":[\"video\"],"
     "\"IpcMode\":\"host\",\"UsernsMode\":\"host\"}",
     "{\"CapAdd\":[" LAUNCHER "],\"CapDrop\":[\"ALL\"],\"DeviceRequests\":[{}],\"Devices\":[{"
     "\"PathOnHost\":\"/dev/"
     "kfd\"}],\"GroupAdd\":[\"video\"],\"IpcMode\":\"host\",\"SecurityOpt\":[" FIRM
     "],\"UsernsMode\":\"host\"}",
     "device /dev/kfd; NVIDIA GPUs; group video; IpcMode host; UsernsMode host"},
};

static void limits(void **state)
{
    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_err err;
        dmpi_json_auto json_t *hc = NULL;
        assert_int_equal(dmpi_json_parse(&hc, rows[i].asked, strlen(rows[i].asked), &err), 0);
        dmpi_rights_limit(hc, rows[i].role, false);
        dmpi_autofree char *made = dmpi_json_dump(hc);
        assert_string_equal(made, rows[i].made);
        dmpi_autofree char *text = dmpi_rights_text(hc, rows[i].role);
        assert_string_equal(text ? text : "none", rows[i].text ? rows[i].text : "none");
    }
}

// Who is not root needs none, and gets what a profile adds.
static void unprivileged(void **state)
{
    (void)state;
    dmpi_json_auto json_t *hc = dmpi_json_new_obj();
    dmpi_rights_limit(hc, DMPI_WORKER, true);
    dmpi_autofree char *made = dmpi_json_dump(hc);
    assert_string_equal(made, "{\"CapAdd\":[],\"CapDrop\":[\"ALL\"],\"SecurityOpt\":[" FIRM "]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(limits), cmocka_unit_test(unprivileged)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
