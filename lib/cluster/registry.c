// SPDX-License-Identifier: MIT
#include "cluster/registry.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/spawn.h"
#include "base/text.h"

// What Docker calls its own registry in image names. In config.json it goes by hosts below that name.
#define HUB "docker.io"
#define CONFIG_MAX ((size_t)4 << 20)
#define ANSWER_MAX ((size_t)64 * 1024)
#define HELPER_MS ((int64_t)60000) // some ask the user, or the network
#define GRACE_MS ((int64_t)1000)

char *dmpi_registry_of(const char *ref)
{
    const char *slash = strchr(ref, '/');
    size_t n = slash ? (size_t)(slash - ref) : 0;
    bool host = slash && (memchr(ref, '.', n) || memchr(ref, ':', n) ||
                          (n == strlen("localhost") && strncmp(ref, "localhost", n) == 0));
    return host ? dmpi_xstrndup(ref, n) : dmpi_xstrdup(HUB);
}

// --- config.json -------------------------------------------------------------------------------

static int read_config(json_t **out, struct dmpi_err *err)
{
    const char *dir = getenv("DOCKER_CONFIG");
    dmpi_autofree char *path = dir && *dir ? dmpi_io_join(dir, "config.json")
                                           : dmpi_io_expand_home("~/.docker/config.json");
    struct dmpi_buf text DMPI_AUTO(dmpi_secret_buf_free) = DMPI_BUF_INIT_SECRET(CONFIG_MAX);
    *out = NULL;
    if (dmpi_io_read_file(&text, path, CONFIG_MAX, err) < 0) {
        if (err->code != DMPI_ENOTFOUND)
            return dmpi_err_wrap(err, "docker's credentials");
        *err = (struct dmpi_err)DMPI_ERR_INIT;
        return 0;
    }
    if (dmpi_json_parse(out, dmpi_buf_str(&text), text.len, err) < 0)
        return dmpi_err_wrap(err, "docker's credentials: %s", path);
    return 0;
}

// Keys of "auths" come as "host", "https://host" and "https://host/v1/".
static bool is_registry(const char *key, const char *registry)
{
    const char *scheme = strstr(key, "://");
    const char *host = scheme ? scheme + 3 : key;
    size_t n = strcspn(host, "/"), len = strlen(registry);
    if (strcmp(registry, HUB) == 0 && n > len && host[n - len - 1] == '.') {
        host += n - len;
        n = len;
    }
    return len == n && strncmp(host, registry, n) == 0;
}

// The entry of "auths" for a registry, and the name that it has there.
static const json_t *find_auth(const char **name, const json_t *config, const char *registry)
{
    const char *key;
    json_t *value;
    *name = registry;
    json_object_foreach (dmpi_json_obj(config, "auths"), key, value) {
        if (is_registry(key, registry)) {
            *name = key;
            return value;
        }
    }
    return NULL;
}

// The words after which docker-credential-WORD is called: for this registry alone, or for all.
static const char *find_helper(const json_t *config, const char *registry)
{
    const char *key;
    json_t *value;
    json_object_foreach (dmpi_json_obj(config, "credHelpers"), key, value)
        if (is_registry(key, registry))
            return json_string_value(value);
    const char *store = dmpi_json_str(config, "credsStore");
    return store && *store ? store : NULL;
}

// --- what a credential becomes -------------------------------------------------------------------

// JSON in base64 of the alphabet for URLs, as the engine wants it.
static char *header_of(const char *server, const char *user, const char *secret, bool token)
{
    dmpi_json_auto json_t *o = dmpi_json_new_obj();
    if (token) {
        dmpi_json_set_str(o, "identitytoken", secret);
    } else {
        dmpi_json_set_str(o, "username", user);
        dmpi_json_set_str(o, "password", secret);
    }
    dmpi_json_set_str(o, "serveraddress", server);
    char *text = dmpi_json_dump(o);
    char *header = dmpi_base64_encode(text, strlen(text));
    dmpi_secret_free(text, strlen(text));
    for (char *p = header; *p; p++)
        *p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
    return header;
}

// {"auth": base64 of "user:password"} or {"identitytoken": ...}
static int from_file(char **out, const json_t *auth, const char *server, struct dmpi_err *err)
{
    const char *token = dmpi_json_str(auth, "identitytoken");
    const char *text = dmpi_json_str(auth, "auth");
    struct dmpi_buf pair DMPI_AUTO(dmpi_secret_buf_free) = DMPI_BUF_INIT_SECRET(ANSWER_MAX);
    if (token && *token) {
        *out = header_of(server, NULL, token, true);
        return 0;
    }
    if (!text || !*text) // docker leaves an empty entry where a store has the secret
        return 0;
    char *colon = NULL;
    if (dmpi_base64_decode(&pair, text, strlen(text), err) == 0)
        colon = pair.len ? strchr(pair.data, ':') : NULL;
    if (!colon)
        return dmpi_err_set(
            err, DMPI_EPARSE,
            "docker's credentials for %s are damaged: `docker login %s` renews them", server,
            server);
    *colon = '\0';
    *out = header_of(server, pair.data, colon + 1, false);
    return 0;
}

// --- helpers -----------------------------------------------------------------------------------

static int read_back(struct dmpi_buf *out, int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || st.st_size < 0)
        return -1;
    char *room = dmpi_buf_reserve(out, (size_t)st.st_size);
    if (!room || pread(fd, room, (size_t)st.st_size, 0) != st.st_size)
        return -1;
    dmpi_buf_advance(out, (size_t)st.st_size);
    return 0;
}

// Runs docker-credential-NAME get. Both ends are files in memory: no pipe can block.
static int run_helper(struct dmpi_buf *out, int *code, const char *name, const char *server,
                      const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct dmpi_strv argv DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    struct dmpi_ctl limit = dmpi_ctl_within(ctl, HELPER_MS);
    int fds[2] = {memfd_create("server", MFD_CLOEXEC), memfd_create("secret", MFD_CLOEXEC)};
    const struct dmpi_spawn how = {
        .in = fds[0], .out = fds[1], .err = DMPI_SPAWN_NULL, .apart = true};
    int status = 0, rc = -1;
    dmpi_strv_addf(&argv, "docker-credential-%s", name);
    dmpi_strv_add(&argv, "get");
    if (fds[0] < 0 || fds[1] < 0 || dmpi_io_write_all(fds[0], server, strlen(server), err) < 0 ||
        lseek(fds[0], 0, SEEK_SET) < 0) {
        dmpi_err_set(err, DMPI_ESYS, "%s: no memory for its answer", argv.v[0]);
    } else {
        pid_t pid = dmpi_spawn(&argv, &how, err);
        rc = pid < 0 ? -1 : dmpi_spawn_wait(pid, &limit, &status, err);
        if (pid > 0 && rc < 0)
            dmpi_spawn_end(pid, &how, GRACE_MS);
    }
    if (rc == 0 && read_back(out, fds[1]) < 0)
        rc = dmpi_err_set(err, DMPI_ESYS, "its answer cannot be read");
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    *code = dmpi_spawn_code(status);
    return rc;
}

// The helper's "not found" is no failure: then there is just no login.
static int from_helper(char **out, const char *name, const char *server, const struct dmpi_ctl *ctl,
                       struct dmpi_err *err)
{
    struct dmpi_buf text DMPI_AUTO(dmpi_secret_buf_free) = DMPI_BUF_INIT_SECRET(ANSWER_MAX);
    dmpi_json_auto json_t *answer = NULL;
    int code = 0;
    if (strchr(name, '/'))
        return dmpi_err_set(err, DMPI_EINVAL, "docker's credentials: no helper can be called '%s'",
                            name);
    if (run_helper(&text, &code, name, server, ctl, err) < 0)
        return dmpi_err_wrap(err, "credentials for %s: docker-credential-%s", server, name);
    if (code != 0 && text.len && strstr(dmpi_buf_str(&text), "credentials not found"))
        return 0;
    if (code != 0 || dmpi_json_parse(&answer, dmpi_buf_str(&text), text.len, err) < 0 ||
        !dmpi_json_str(answer, "Secret"))
        return dmpi_err_set(err, DMPI_EDENIED,
                            "credentials for %s: docker-credential-%s gave none (exit code %d)",
                            server, name, code);
    const char *user = dmpi_json_str(answer, "Username");
    *out = header_of(server, user ? user : "", dmpi_json_str(answer, "Secret"),
                     user && strcmp(user, "<token>") == 0);
    return 0;
}

int dmpi_registry_auth(char **out, const char *ref, const struct dmpi_ctl *ctl,
                       struct dmpi_err *err)
{
    dmpi_autofree char *registry = dmpi_registry_of(ref);
    dmpi_json_auto json_t *config = NULL;
    *out = NULL;
    if (read_config(&config, err) < 0)
        return -1;
    const char *helper = find_helper(config, registry), *server;
    const json_t *auth = find_auth(&server, config, registry);
    if (helper && from_helper(out, helper, server, ctl, err) < 0)
        return -1;
    return auth && !*out ? from_file(out, auth, server, err) : 0;
}

void dmpi_registry_auth_free(char *auth)
{
    if (auth)
        dmpi_secret_free(auth, strlen(auth));
}
