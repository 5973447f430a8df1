// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "transport/internal.h"

static int unix_open(struct dmpi_transport *t, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    (void)ctl;
    size_t room = sizeof(((struct sockaddr_un *)NULL)->sun_path);
    if (!t->ep.path || t->ep.path[0] != '/')
        return dmpi_err_set(err, DMPI_EINVAL, "%s: the socket's path must be absolute", t->name);
    if (strlen(t->ep.path) >= room)
        return dmpi_err_set(err, DMPI_EINVAL, "%s: the socket's path is longer than %zu bytes",
                            t->name, room - 1);
    t->base = dmpi_xstrdup("http://localhost");
    return 0;
}

static int unix_setup(struct dmpi_transport *t, CURL *easy, enum dmpi_lane lane,
                      const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    (void)lane;
    (void)ctl;
    (void)err;
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, t->ep.path);
    return 0;
}

/* errno of one connect to path, 0 when it succeeds. */
static int probe(const char *path)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    strncpy(sun.sun_path, path, sizeof sun.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    int failed = connect(fd, (struct sockaddr *)&sun, sizeof sun) != 0 ? errno : 0;
    close(fd);
    return failed;
}

int dmpi_transport_explain_socket(const char *path, struct dmpi_err *err)
{
    int cause = probe(path);
    switch (cause) {
    case EACCES:
    case EPERM:
        return dmpi_err_set(err, DMPI_EDENIED,
                            "permission denied on %s: add yourself to the group docker (sudo "
                            "usermod -aG docker $USER, then log in again) or use sudo",
                            path);
    case ENOENT:
    case ENOTDIR:
        return dmpi_err_set(err, DMPI_EUNREACHABLE,
                            "no Docker engine answers at %s (there is no such socket): start it "
                            "(systemctl start docker, or dockerd) or set DOCKER_HOST",
                            path);
    case ECONNREFUSED:
        return dmpi_err_set(err, DMPI_EUNREACHABLE,
                            "no Docker engine answers at %s (nobody listens on the socket): start "
                            "it (systemctl start docker, or dockerd) or set DOCKER_HOST",
                            path);
    case 0:
        return dmpi_err_set(err, DMPI_EUNREACHABLE,
                            "no Docker engine answered at %s a moment ago, now somebody listens: "
                            "try again",
                            path);
    case EAGAIN:
        return dmpi_err_set(err, DMPI_EUNREACHABLE,
                            "the Docker engine at %s accepts no connections: is it overloaded or "
                            "stopped?",
                            path);
    default:
        dmpi_err_sys(err, cause, "no Docker engine answers at %s", path);
        err->code = DMPI_EUNREACHABLE;
        return -1;
    }
}

static int unix_explain(struct dmpi_transport *t, CURLcode code, const char *detail,
                        struct dmpi_err *err)
{
    (void)detail;
    if (code != CURLE_COULDNT_CONNECT && code != CURLE_OPERATION_TIMEDOUT)
        return 0;
    return dmpi_transport_explain_socket(t->ep.path, err);
}

const struct dmpi_transport_ops dmpi_transport_unix = {
    .scheme = DMPI_UNIX,
    .open = unix_open,
    .setup = unix_setup,
    .explain = unix_explain,
};
