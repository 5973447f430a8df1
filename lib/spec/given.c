// SPDX-License-Identifier: MIT
#include "spec/given.h"

#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"

#define HASH_DIGITS 8
#define TEXT_MAX 4096

// As they are called on the command line; a cluster file's keys are much the same.
static const char *const options[] = {"volume",  "env",   "shm-size", "ttl",
                                      "workdir", "ports", "user"};

static char *volumes_of(const struct dmpi_spec *spec)
{
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv all = DMPI_STRV_INIT;
    for (size_t i = 0; i < spec->n_volumes; i++) {
        const struct dmpi_volume *v = &spec->volumes[i];
        dmpi_strv_addf(&all, "%s:%s%s", v->host, v->container, v->ro ? ":ro" : "");
    }
    return dmpi_strv_join(&all, "\n");
}

static char *number_of(int64_t n)
{
    return n ? dmpi_xasprintf("%lld", (long long)n) : dmpi_xstrdup("");
}

// Its value as text, "" where it is not given. Owned by the caller.
static char *value_of(const struct dmpi_spec *spec, const char *option)
{
    if (strcmp(option, "volume") == 0)
        return volumes_of(spec);
    if (strcmp(option, "env") == 0)
        return dmpi_strv_join(&spec->env, "\n");
    if (strcmp(option, "shm-size") == 0)
        return number_of(spec->shm_size);
    if (strcmp(option, "ttl") == 0)
        return number_of(spec->ttl_s);
    if (strcmp(option, "workdir") == 0)
        return dmpi_xstrdup(strcmp(spec->workdir, DMPI_WORKDIR_DEFAULT) == 0 ? "" : spec->workdir);
    if (strcmp(option, "ports") == 0)
        return dmpi_ports_given(&spec->ports) ? dmpi_ports_str(&spec->ports) : dmpi_xstrdup("");
    return dmpi_xstrdup(spec->run_as ? spec->run_as : "");
}

char *dmpi_given_label(const struct dmpi_spec *spec)
{
    struct dmpi_buf out = DMPI_BUF_INIT(TEXT_MAX);
    for (size_t i = 0; i < DMPI_ARRAY_LEN(options); i++) {
        char hex[DMPI_SHA256_HEX];
        dmpi_autofree char *value = value_of(spec, options[i]);
        if (!*value)
            continue;
        dmpi_sha256_hex(value, strlen(value), hex);
        dmpi_buf_addf(&out, "%s%s:%.*s", out.len ? " " : "", options[i], HASH_DIGITS, hex);
    }
    if (!out.len)
        dmpi_buf_adds(&out, "-");
    return dmpi_buf_steal(&out);
}

// The option's hash in such a value; NULL where it is not given. HASH_DIGITS long, or less before the end.
static const char *hash_of(const char *label, const char *option)
{
    size_t len = strlen(option);
    for (const char *at = label; (at = strstr(at, option)); at += len)
        if ((at == label || at[-1] == ' ') && at[len] == ':')
            return at + len + 1;
    return NULL;
}

static void add(struct dmpi_strv *parts, const struct dmpi_strv *names, const char *what)
{
    dmpi_autofree char *list = dmpi_strv_join(names, ", ");
    if (names->n)
        dmpi_strv_addf(parts, "%s: %s", list, what);
}

char *dmpi_given_changes(const char *before, const char *now)
{
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv gone = DMPI_STRV_INIT;
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv other = DMPI_STRV_INIT;
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv fresh = DMPI_STRV_INIT;
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv parts = DMPI_STRV_INIT;
    if (!before || !*before || !now || !*now)
        return NULL;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(options); i++) {
        const char *was = hash_of(before, options[i]), *is = hash_of(now, options[i]);
        if (was && !is)
            dmpi_strv_addf(&gone, "--%s", options[i]);
        else if (is && !was)
            dmpi_strv_addf(&fresh, "--%s", options[i]);
        else if (is && strncmp(was, is, HASH_DIGITS) != 0)
            dmpi_strv_addf(&other, "--%s", options[i]);
    }
    add(&parts, &gone, "not given this time");
    add(&parts, &other, "other than before");
    add(&parts, &fresh, "not given before");
    return parts.n ? dmpi_strv_join(&parts, "; ") : NULL;
}
