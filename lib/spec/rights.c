// SPDX-License-Identifier: MIT
#include "spec/rights.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/text.h"

#define NO_NEW_PRIVILEGES "no-new-privileges"

// Of what engines give to every container these are left out: FSETID, MKNOD, SETFCAP, SETPCAP, and those that reach
// the node's own network, which the containers share: NET_RAW, NET_BIND_SERVICE.
static const char *const files_and_users[] = {
    "CHOWN",  "DAC_OVERRIDE",
    "FOWNER", // root works with files of other users in volumes, tar gives them away
    "KILL",   "SETGID",
    "SETUID", // programs that give up root, as apt does, and their end
    NULL};
static const char *const of_sshd[] = {
    "AUDIT_WRITE", // without it no terminal: sshd insists on the record
    "SYS_CHROOT",  // where its children are locked in
    NULL};

static struct dmpi_strv needed(enum dmpi_role role)
{
    struct dmpi_strv caps = DMPI_STRV_INIT;
    for (size_t i = 0; role == DMPI_WORKER && of_sshd[i]; i++)
        dmpi_strv_add(&caps, of_sshd[i]);
    for (size_t i = 0; files_and_users[i]; i++)
        dmpi_strv_add(&caps, files_and_users[i]);
    return caps;
}

// "cap_sys_ptrace" is SYS_PTRACE.
static char *short_name(const char *cap)
{
    char *name = dmpi_xstrdup(strncasecmp(cap, "CAP_", 4) == 0 ? cap + 4 : cap);
    for (char *c = name; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    return name;
}

// The capabilities in a list of HostConfig.
static struct dmpi_strv caps_of(const json_t *hc, const char *key)
{
    struct dmpi_strv caps = DMPI_STRV_INIT;
    const json_t *v;
    size_t i;
    json_array_foreach (dmpi_json_arr(hc, key), i, v) {
        if (json_is_string(v))
            dmpi_strv_take(&caps, short_name(json_string_value(v)));
    }
    return caps;
}

static void limit_caps(json_t *hc, enum dmpi_role role, bool unprivileged)
{
    DMPI_AUTO(dmpi_strv_free)
    struct dmpi_strv ours = unprivileged ? (struct dmpi_strv)DMPI_STRV_INIT : needed(role);
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv asked = caps_of(hc, "CapAdd");
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv dropped = caps_of(hc, "CapDrop");
    json_t *add = dmpi_json_new_arr(), *drop = dmpi_json_new_arr();
    bool all = dmpi_strv_has(&asked, "ALL");
    for (size_t i = 0; i < ours.n && !all; i++) {
        if (!dmpi_strv_has(&dropped, ours.v[i]) && !dmpi_strv_has(&asked, ours.v[i]))
            dmpi_json_add_str(add, ours.v[i]);
    }
    for (size_t i = 0; i < asked.n; i++)
        dmpi_json_add_str(add, asked.v[i]);
    // Beside an ADD of ALL, the engine takes away what is named.
    if (!all)
        dmpi_json_add_str(drop, "ALL");
    for (size_t i = 0; i < dropped.n && all; i++)
        dmpi_json_add_str(drop, dropped.v[i]);
    dmpi_json_set(hc, "CapAdd", add);
    dmpi_json_set(hc, "CapDrop", drop);
}

static void limit_growth(json_t *hc)
{
    json_t *opts = dmpi_json_arr(hc, "SecurityOpt");
    const json_t *v;
    size_t i;
    json_array_foreach (opts, i, v) {
        if (json_is_string(v) && dmpi_text_starts_with(json_string_value(v), NO_NEW_PRIVILEGES))
            return;
    }
    json_t *with = dmpi_json_new_arr();
    dmpi_json_add_str(with, NO_NEW_PRIVILEGES);
    json_array_foreach (opts, i, v)
        dmpi_json_add(with, json_deep_copy(v));
    dmpi_json_set(hc, "SecurityOpt", with);
}

void dmpi_rights_limit(json_t *host_config, enum dmpi_role role, bool unprivileged)
{
    if (dmpi_json_bool(host_config, "Privileged", false))
        return;
    limit_caps(host_config, role, unprivileged);
    limit_growth(host_config);
}

// --- what is more than that ------------------------------------------------------------------

static void note_list(struct dmpi_strv *notes, const char *what, struct dmpi_strv *items)
{
    if (items->n > 0) {
        dmpi_autofree char *list = dmpi_strv_join(items, ", ");
        dmpi_strv_addf(notes, "%s %s", what, list);
    }
    dmpi_strv_free(items);
}

static void note_caps(struct dmpi_strv *notes, const json_t *hc, enum dmpi_role role)
{
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv ours = needed(role);
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv has = caps_of(hc, "CapAdd");
    struct dmpi_strv more = DMPI_STRV_INIT;
    for (size_t i = 0; i < has.n; i++) {
        if (!dmpi_strv_has(&ours, has.v[i]))
            dmpi_strv_add(&more, has.v[i]);
    }
    note_list(notes, "capability", &more);
}

static void note_strings(struct dmpi_strv *notes, const char *what, const json_t *list,
                         const char *usual)
{
    struct dmpi_strv more = DMPI_STRV_INIT;
    const json_t *v;
    size_t i;
    json_array_foreach ((json_t *)list, i, v) {
        if (json_is_string(v) && (!usual || strcmp(json_string_value(v), usual) != 0))
            dmpi_strv_add(&more, json_string_value(v));
    }
    note_list(notes, what, &more);
}

static void note_devices(struct dmpi_strv *notes, const json_t *hc)
{
    struct dmpi_strv more = DMPI_STRV_INIT;
    const json_t *v;
    size_t i;
    json_array_foreach (dmpi_json_arr(hc, "Devices"), i, v) {
        const char *path = dmpi_json_str(v, "PathOnHost");
        dmpi_strv_add(&more, path ? path : "?");
    }
    note_list(notes, "device", &more);
    if (json_array_size(dmpi_json_arr(hc, "DeviceRequests")) > 0)
        dmpi_strv_add(notes, "NVIDIA GPUs");
}

// Words of HostConfig that open something of the node.
static void note_words(struct dmpi_strv *notes, const json_t *hc)
{
    static const char *const keys[] = {"IpcMode",      "PidMode", "UTSMode",    "CgroupnsMode",
                                       "CgroupParent", "Runtime", "UsernsMode", NULL};
    if (dmpi_json_bool(hc, "Privileged", false))
        dmpi_strv_add(notes, "Privileged: all of the node");
    for (size_t i = 0; keys[i]; i++) {
        const char *value = dmpi_json_str(hc, keys[i]);
        if (value && *value && strcmp(value, "private") != 0)
            dmpi_strv_addf(notes, "%s %s", keys[i], value);
    }
    static const char *const objects[] = {"Sysctls", "DeviceCgroupRules", "MaskedPaths",
                                          "ReadonlyPaths", NULL};
    for (size_t i = 0; objects[i]; i++) {
        if (json_object_get(hc, objects[i]))
            dmpi_strv_add(notes, objects[i]);
    }
}

char *dmpi_rights_text(const json_t *host_config, enum dmpi_role role)
{
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv notes = DMPI_STRV_INIT;
    note_caps(&notes, host_config, role);
    note_strings(&notes, "security option", dmpi_json_arr(host_config, "SecurityOpt"),
                 NO_NEW_PRIVILEGES);
    note_devices(&notes, host_config);
    note_strings(&notes, "group", dmpi_json_arr(host_config, "GroupAdd"), NULL);
    note_words(&notes, host_config);
    return notes.n > 0 ? dmpi_strv_join(&notes, "; ") : NULL;
}
