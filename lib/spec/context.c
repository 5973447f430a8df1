// SPDX-License-Identifier: MIT
// The endpoint that `docker` would use: environment, then docker's contexts.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "spec/endpoint.h"

#define CONFIG_MAX (1U << 20)

static const char *env(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

static char *docker_dir(void)
{
    const char *dir = env("DOCKER_CONFIG");
    if (dir)
        return dmpi_xstrdup(dir);
    dmpi_autofree char *home = dmpi_io_home();
    return dmpi_io_join(home, ".docker");
}

// *out stays NULL when there is no such file.
static int read_json(json_t **out, const char *path, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT(CONFIG_MAX);
    *out = NULL;
    if (access(path, F_OK) && errno == ENOENT)
        return 0;
    if (dmpi_io_read_file(&text, path, CONFIG_MAX, err))
        return -1;
    if (dmpi_json_parse(out, dmpi_buf_str(&text), text.len, err))
        return dmpi_err_wrap(err, "%s", path);
    return 0;
}

// The name of the context in use; *out stays NULL for the default one.
static int current_context(char **out, const char *dir, struct dmpi_err *err)
{
    dmpi_json_auto json_t *config = NULL;
    const char *name = env("DOCKER_CONTEXT");
    *out = NULL;
    if (!name) {
        dmpi_autofree char *path = dmpi_io_join(dir, "config.json");
        // As with docker, the file of somebody else (sudo and su keep HOME) is no reason to stop.
        if (access(path, R_OK) && errno == EACCES)
            dmpi_debug("%s: permission denied; going on without docker contexts", path);
        else if (read_json(&config, path, err))
            return -1;
        name = dmpi_json_str(config, "currentContext");
    }
    if (name && name[0] && strcmp(name, "default") != 0)
        *out = dmpi_xstrdup(name);
    return 0;
}

static void use_tls(struct dmpi_endpoint *ep, const char *dir, bool verify)
{
    dmpi_endpoint_use_tls(ep, dir);
    ep->tls_noverify = !verify;
}

static int from_context(struct dmpi_endpoint *out, const char *dir, const char *name,
                        struct dmpi_err *err)
{
    char id[DMPI_SHA256_HEX];
    dmpi_json_auto json_t *meta = NULL;
    dmpi_sha256_hex(name, strlen(name), id);
    dmpi_autofree char *path = dmpi_xasprintf("%s/contexts/meta/%s/meta.json", dir, id);
    if (read_json(&meta, path, err))
        return -1;
    if (!meta) {
        return dmpi_err_set(err, DMPI_ENOTFOUND,
                            "docker context '%s' does not exist: see 'docker context ls', or set "
                            "DOCKER_HOST",
                            name);
    }
    const json_t *docker = dmpi_json_obj(dmpi_json_obj(meta, "Endpoints"), "docker");
    const char *host = dmpi_json_str(docker, "Host");
    if (!host || !host[0])
        host = "unix://" DMPI_DOCKER_SOCK;
    if (dmpi_endpoint_parse(out, host, err))
        return dmpi_err_wrap(err, "docker context '%s'", name);
    bool skip = dmpi_json_bool(docker, "SkipTLSVerify", false);
    dmpi_autofree char *tls = dmpi_xasprintf("%s/contexts/tls/%s/docker", dir, id);
    bool certificates = access(tls, F_OK) == 0;
    if (out->scheme == DMPI_TCP && (certificates || skip || out->tls))
        use_tls(out, certificates ? tls : NULL, !skip);
    return 0;
}

static int from_host(struct dmpi_endpoint *out, const char *host, const char *dir,
                     struct dmpi_err *err)
{
    if (dmpi_endpoint_parse(out, host, err))
        return dmpi_err_wrap(err, "DOCKER_HOST");
    bool verify = env("DOCKER_TLS_VERIFY") != NULL;
    if (out->scheme == DMPI_TCP && (verify || env("DOCKER_TLS") || out->tls)) {
        const char *certificates = env("DOCKER_CERT_PATH");
        use_tls(out, certificates ? certificates : dir, verify || !env("DOCKER_TLS"));
    }
    return 0;
}

static int pick(struct dmpi_endpoint *out, struct dmpi_err *err)
{
    dmpi_autofree char *dir = docker_dir();
    const char *host = env("DOCKER_HOST");
    if (host)
        return from_host(out, host, dir, err);
    dmpi_autofree char *context = NULL;
    if (current_context(&context, dir, err))
        return -1;
    if (context)
        return from_context(out, dir, context, err);
    return dmpi_endpoint_parse(out, "unix://" DMPI_DOCKER_SOCK, err);
}

int dmpi_endpoint_default(struct dmpi_endpoint *out, struct dmpi_err *err)
{
    *out = (struct dmpi_endpoint)DMPI_ENDPOINT_INIT;
    if (pick(out, err))
        return -1;
    const char *insecure = env("DOCKMPI_INSECURE_TCP");
    out->insecure_plain = insecure && strcmp(insecure, "1") == 0;
    if (dmpi_endpoint_check(out, err)) {
        dmpi_endpoint_free(out);
        return -1;
    }
    return 0;
}
