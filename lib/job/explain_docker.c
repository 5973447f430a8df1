// SPDX-License-Identifier: MIT
#include "job/explain_docker.h"

#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/shquote.h"

#define LINE_WIDTH 100

void dmpi_explain_engine(struct dmpi_strv *words, const struct dmpi_endpoint *ep)
{
    dmpi_strv_add(words, "docker");
    if (ep->scheme == DMPI_UNIX && strcmp(ep->path, DMPI_DOCKER_SOCK) == 0)
        return;
    dmpi_strv_add(words, "-H");
    if (ep->scheme == DMPI_UNIX) {
        dmpi_strv_addf(words, "unix://%s", ep->path);
        return;
    }
    bool v6 = strchr(ep->host, ':') != NULL;
    dmpi_autofree char *port = ep->port ? dmpi_xasprintf(":%d", ep->port) : dmpi_xstrdup("");
    dmpi_strv_addf(words, "%s://%s%s%s%s%s%s", ep->scheme == DMPI_SSH ? "ssh" : "tcp",
                   ep->user ? ep->user : "", ep->user ? "@" : "", v6 ? "[" : "", ep->host,
                   v6 ? "]" : "", port);
    if (ep->scheme == DMPI_SSH || !ep->tls)
        return;
    dmpi_strv_add(words, ep->tls_noverify ? "--tls" : "--tlsverify");
    if (!ep->tls_dir)
        return;
    dmpi_strv_addf(words, "--tlscacert=%s/ca.pem", ep->tls_dir);
    dmpi_strv_addf(words, "--tlscert=%s/cert.pem", ep->tls_dir);
    dmpi_strv_addf(words, "--tlskey=%s/key.pem", ep->tls_dir);
}

void dmpi_explain_env(struct dmpi_strv *words, const char *entry)
{
    bool secret = dmpi_secret_named(entry);
    dmpi_strv_addf(words, "--env=%.*s", (int)(secret ? strcspn(entry, "=") : strlen(entry)), entry);
}

// --- one kind of setting after the other: each adds its flags and returns ---------------------

static void add_text(struct dmpi_strv *words, const char *flag, const json_t *v)
{
    if (json_is_string(v) && *json_string_value(v))
        dmpi_strv_addf(words, "%s=%s", flag, json_string_value(v));
}

// What engines answer where nothing was asked for is left out.
static void add_unless_usual(struct dmpi_strv *words, const char *flag, const json_t *v)
{
    const char *text = json_string_value(v);
    if (text && strcmp(text, "private") != 0 && strcmp(text, "runc") != 0)
        add_text(words, flag, v);
}

static void add_number(struct dmpi_strv *words, const char *flag, const json_t *v)
{
    if (json_integer_value(v) > 0)
        dmpi_strv_addf(words, "%s=%lld", flag, (long long)json_integer_value(v));
}

static void add_switch(struct dmpi_strv *words, const char *flag, const json_t *v)
{
    if (json_is_true(v))
        dmpi_strv_add(words, flag);
}

static void add_list(struct dmpi_strv *words, const char *flag, const json_t *v)
{
    const json_t *item;
    size_t i;
    json_array_foreach (v, i, item)
        add_text(words, flag, item);
}

static void add_devices(struct dmpi_strv *words, const char *flag, const json_t *v)
{
    const json_t *item;
    size_t i;
    json_array_foreach (v, i, item) {
        const char *from = dmpi_json_str(item, "PathOnHost");
        const char *to = dmpi_json_str(item, "PathInContainer");
        const char *how = dmpi_json_str(item, "CgroupPermissions");
        dmpi_strv_addf(words, "%s=%s%s%s%s%s", flag, from ? from : "", to ? ":" : "", to ? to : "",
                       how && to ? ":" : "", how && to ? how : "");
    }
}

// All GPUs of a vendor, or devices by their CDI names.
static void add_requests(struct dmpi_strv *words, const char *flag, const json_t *v)
{
    const json_t *item;
    size_t i;
    json_array_foreach (v, i, item) {
        const char *driver = dmpi_json_str(item, "Driver");
        const json_t *ids = dmpi_json_arr(item, "DeviceIDs");
        if (driver && strcmp(driver, "cdi") == 0)
            add_list(words, "--device", ids);
        else if (json_array_size(ids) > 0)
            dmpi_strv_addf(words, "%s=device=%s", flag, json_string_value(json_array_get(ids, 0)));
        else
            dmpi_strv_addf(words, "%s=all", flag);
    }
}

static void add_ulimits(struct dmpi_strv *words, const char *flag, const json_t *v)
{
    const json_t *item;
    size_t i;
    json_array_foreach (v, i, item) {
        const char *name = dmpi_json_str(item, "Name");
        dmpi_strv_addf(words, "%s=%s=%lld:%lld", flag, name ? name : "",
                       (long long)dmpi_json_int(item, "Soft", 0),
                       (long long)dmpi_json_int(item, "Hard", 0));
    }
}

static void add_tmpfs(struct dmpi_strv *words, const char *flag, const json_t *v)
{
    const char *path;
    json_t *how;
    json_object_foreach ((json_t *)v, path, how) {
        if (strcmp(path, "/etc/dockmpi") != 0)
            dmpi_strv_addf(words, "%s=%s:%s", flag, path, json_string_value(how));
    }
}

static void add_nothing(struct dmpi_strv *words, const char *flag, const json_t *v)
{
    (void)words;
    (void)flag;
    (void)v;
}

static const struct {
    const char *key, *flag;
    void (*add)(struct dmpi_strv *words, const char *flag, const json_t *v);
} host_flags[] = {
    {"NetworkMode", "--network", add_text},
    {"Init", "--init", add_switch},
    {"IpcMode", "--ipc", add_unless_usual},
    {"PidMode", "--pid", add_text},
    {"UsernsMode", "--userns", add_text},
    {"ShmSize", "--shm-size", add_number},
    {"Memory", "--memory", add_number},
    {"CpusetCpus", "--cpuset-cpus", add_text},
    {"Binds", "--volume", add_list},
    {"Tmpfs", "--tmpfs", add_tmpfs},
    {"Devices", "--device", add_devices},
    {"DeviceRequests", "--gpus", add_requests},
    {"GroupAdd", "--group-add", add_list},
    {"CapAdd", "--cap-add", add_list},
    {"CapDrop", "--cap-drop", add_list},
    {"SecurityOpt", "--security-opt", add_list},
    {"Ulimits", "--ulimit", add_ulimits},
    {"Runtime", "--runtime", add_unless_usual},
    {"Privileged", "--privileged", add_switch},
    {"ReadonlyRootfs", "--read-only", add_switch},
    {"LogConfig", "", add_nothing},
    {"AutoRemove", "", add_nothing}, // a cluster with a time to live; the script removes its own
};

void dmpi_explain_flags(struct dmpi_strv *words, const json_t *config, const json_t *host,
                        struct dmpi_strv *unknown)
{
    const char *key;
    json_t *v;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(host_flags); i++)
        host_flags[i].add(words, host_flags[i].flag, json_object_get(host, host_flags[i].key));
    json_object_foreach ((json_t *)host, key, v) {
        size_t i = 0;
        while (i < DMPI_ARRAY_LEN(host_flags) && strcmp(host_flags[i].key, key) != 0)
            i++;
        if (i == DMPI_ARRAY_LEN(host_flags))
            dmpi_strv_add(unknown, key);
    }
    json_t *env = dmpi_json_arr(config, "Env");
    size_t i;
    json_array_foreach (env, i, v) {
        if (json_is_string(v))
            dmpi_explain_env(words, json_string_value(v));
    }
    add_text(words, "--user", json_object_get(config, "User"));
    add_text(words, "--workdir", json_object_get(config, "WorkingDir"));
}

void dmpi_explain_put(struct dmpi_buf *out, const struct dmpi_strv *words, const char *raw)
{
    size_t column = 0;
    for (size_t i = 0; i < words->n; i++) {
        dmpi_autofree char *word = dmpi_shquote(words->v[i]);
        if (column > 0 && column + strlen(word) > LINE_WIDTH) {
            dmpi_buf_adds(out, " \\\n    ");
            column = 4;
        } else if (column > 0) {
            dmpi_buf_addc(out, ' ');
        }
        dmpi_buf_adds(out, word);
        column += strlen(word) + 1;
    }
    dmpi_buf_addf(out, "%s%s\n", raw ? " " : "", raw ? raw : "");
}
