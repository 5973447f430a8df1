// SPDX-License-Identifier: MIT
#include "transport/ssh_session.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/spawn.h"
#include "base/text.h"
#include "transport/resolve.h"
#include "transport/ssh_hostkey.h"

#define CONNECT_MS 10000
#define GREETING_MS 15000
#define DEAD_MS 20000
#define PROXY_END_MS 1000

static int library_state;

static LIBSSH2_ALLOC_FUNC(ssh_malloc)
{
    (void)abstract;
    return dmpi_xmalloc(count);
}

static LIBSSH2_REALLOC_FUNC(ssh_realloc)
{
    (void)abstract;
    return dmpi_xrealloc(ptr, count);
}

static LIBSSH2_FREE_FUNC(ssh_free)
{
    (void)abstract;
    free(ptr);
}

static void start_library(void)
{
    library_state = libssh2_init(0);
}

const char *dmpi_ssh_session_error(struct dmpi_ssh_session *s)
{
    char *text = NULL;
    libssh2_session_last_error(s->ssh, &text, NULL, 0);
    return text && *text ? text : "no reason given";
}

int dmpi_ssh_session_wait(struct dmpi_ssh_session *s, const struct dmpi_ctl *ctl,
                          struct dmpi_err *err)
{
    int directions = libssh2_session_block_directions(s->ssh);
    struct pollfd p = {.fd = s->fd, .events = POLLIN};
    if (directions & LIBSSH2_SESSION_BLOCK_OUTBOUND)
        p.events = directions & LIBSSH2_SESSION_BLOCK_INBOUND ? POLLIN | POLLOUT : POLLOUT;
    return dmpi_ctl_poll(ctl, &p, 1, err) < 0 ? -1 : 0;
}

/* A connection whose other end is silent for DEAD_MS is given up by the kernel. */
static void tune_socket(int fd)
{
    int on = 1, idle = 5, interval = 5, user = DEAD_MS;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user, sizeof user);
}

/* 0 connected, else errno; -1 with *err when ctl ended it. */
static int connect_one(int fd, const struct addrinfo *a, const struct dmpi_ctl *ctl,
                       struct dmpi_err *err)
{
    int why = 0;
    socklen_t size = sizeof why;
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    struct dmpi_ctl soon = dmpi_ctl_within(ctl, CONNECT_MS);
    if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    if (dmpi_ctl_poll(&soon, &p, 1, err) < 0)
        return err->code == DMPI_ETIMEOUT && dmpi_ctl_check(ctl, err) == 0 ? ETIMEDOUT : -1;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &size) != 0)
        return errno;
    return why;
}

static int connect_tcp(struct dmpi_ssh_session *s, const struct dmpi_ssh_config *c,
                       const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct addrinfo *list = NULL;
    if (dmpi_resolve(&list, c->host, c->port, ctl, err) != 0)
        return -1;
    int why = EADDRNOTAVAIL;
    for (struct addrinfo *a = list; a && s->fd < 0 && why > 0; a = a->ai_next) {
        int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        why = fd < 0 ? errno : connect_one(fd, a, ctl, err);
        if (why == 0)
            s->fd = fd;
        else if (fd >= 0)
            close(fd);
    }
    freeaddrinfo(list);
    if (why < 0)
        return -1;
    if (why > 0) {
        dmpi_err_sys(err, why,
                     "no ssh server answers at %s port %d (is the host up, does a firewall or "
                     "security group let port %d through?)",
                     c->host, c->port, c->port);
        err->code = DMPI_EUNREACHABLE;
        return -1;
    }
    tune_socket(s->fd);
    return 0;
}

/* "a,b,c": ssh goes through a and b to c, which connects us on. */
static void jump_argv(struct dmpi_strv *argv, const struct dmpi_ssh_config *c)
{
    const char *last = strrchr(c->proxy_jump, ',');
    const char *hop = last ? last + 1 : c->proxy_jump;
    bool v6 = strchr(c->host, ':') != NULL;
    dmpi_strv_add(argv, c->program);
    dmpi_strv_add(argv, "-oBatchMode=yes");
    if (last)
        dmpi_strv_addf(argv, "-J%.*s", (int)(last - c->proxy_jump), c->proxy_jump);
    dmpi_strv_addf(argv, "-W%s%s%s:%d", v6 ? "[" : "", c->host, v6 ? "]" : "", c->port);
    /* As a URL the hop may carry user and port. */
    dmpi_strv_add(argv, "--");
    if (dmpi_text_starts_with(hop, "ssh://"))
        dmpi_strv_add(argv, hop);
    else
        dmpi_strv_addf(argv, "ssh://%s", hop);
}

static int connect_proxy(struct dmpi_ssh_session *s, const struct dmpi_ssh_config *c, bool *program,
                         struct dmpi_err *err)
{
    int fds[2];
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv argv = DMPI_STRV_INIT;
    if (c->proxy_jump) {
        jump_argv(&argv, c);
    } else {
        dmpi_autofree char *command = dmpi_ssh_config_expand(c, c->proxy_command);
        if (!command) {
            *program = true;
            return dmpi_err_set(err, DMPI_EDENIED,
                                "the ProxyCommand has tokens that only ssh knows");
        }
        dmpi_strv_add(&argv, "/bin/sh");
        dmpi_strv_add(&argv, "-c");
        dmpi_strv_addf(&argv, "exec %s", command);
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        return dmpi_err_sys(err, errno, "socketpair");
    struct dmpi_spawn how = {.in = fds[1], .out = fds[1], .err = DMPI_SPAWN_NULL, .apart = true};
    pid_t pid = dmpi_spawn(&argv, &how, err);
    close(fds[1]);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    s->fd = fds[0];
    s->proxy = pid > 0 ? pid : 0;
    return pid > 0 ? 0 : dmpi_err_wrap(err, "proxy to %s", c->host);
}

static int handshake(struct dmpi_ssh_session *s, const struct dmpi_ctl *ctl, bool *program,
                     struct dmpi_err *err)
{
    int rc;
    struct dmpi_ctl soon = dmpi_ctl_within(ctl, GREETING_MS);
    while ((rc = libssh2_session_handshake(s->ssh, s->fd)) == LIBSSH2_ERROR_EAGAIN) {
        if (dmpi_ssh_session_wait(s, &soon, err) != 0)
            return dmpi_err_wrap(err, "%s: waiting for the ssh server's greeting", s->name);
    }
    if (rc == 0)
        return 0;
    *program = rc == LIBSSH2_ERROR_KEX_FAILURE || rc == LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE ||
               rc == LIBSSH2_ERROR_HOSTKEY_INIT || rc == LIBSSH2_ERROR_METHOD_NONE;
    const char *hint =
        rc == LIBSSH2_ERROR_BANNER_RECV
            ? " (the server hangs up at once: is it busy, or does it shut us out for "
              "a while after failed attempts?)"
            : "";
    return dmpi_err_set(err, DMPI_EUNREACHABLE, "%s: no ssh connection: %s%s", s->name,
                        dmpi_ssh_session_error(s),
                        s->proxy ? " (does the proxy work? try ssh by hand)" : hint);
}

static int meet(struct dmpi_ssh_session *s, const struct dmpi_ssh_config *c,
                const struct dmpi_ctl *ctl, bool *program, struct dmpi_err *err)
{
    struct dmpi_hostkeys keys;
    int result = dmpi_hostkeys_load(&keys, s->ssh, c, err);
    if (result == 0 && keys.too_rich && c->program) {
        *program = true;
        result = dmpi_err_set(err, DMPI_EDENIED, "known_hosts has patterns or certificates (%s)",
                              keys.files);
    }
    if (result == 0) {
        dmpi_hostkeys_prefer(&keys, s->ssh);
        result = handshake(s, ctl, program, err);
    }
    if (result == 0)
        result = dmpi_hostkeys_check(&keys, s->ssh, c, err);
    dmpi_hostkeys_free(&keys);
    return result;
}

int dmpi_ssh_session_open(struct dmpi_ssh_session *s, const struct dmpi_ssh_config *c,
                          const struct dmpi_endpoint *ep, const struct dmpi_ctl *ctl, bool *program,
                          struct dmpi_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    *program = false;
    *s = (struct dmpi_ssh_session){.fd = -1};
    if (c->beyond && c->program) {
        *program = true;
        return dmpi_err_set(err, DMPI_EDENIED, "the ssh configuration has %s", c->beyond);
    }
    pthread_once(&once, start_library);
    if (library_state != 0)
        return dmpi_err_set(err, DMPI_ESYS, "libssh2 does not start");
    s->name = dmpi_xasprintf("%s@%s:%d", c->user, c->host, c->port);
    s->ssh = libssh2_session_init_ex(ssh_malloc, ssh_free, ssh_realloc, NULL);
    if (!s->ssh)
        dmpi_oom();
    libssh2_session_set_blocking(s->ssh, 0);
    int result = c->proxy_jump || c->proxy_command ? connect_proxy(s, c, program, err)
                                                   : connect_tcp(s, c, ctl, err);
    if (result != 0 || meet(s, c, ctl, program, err) != 0)
        return -1;
    if (dmpi_ssh_auth(s, c, ep, ctl, err) != 0) {
        *program = err->code == DMPI_EDENIED;
        return -1;
    }
    libssh2_keepalive_config(s->ssh, 1, 2); /* at most; the pump says when */
    return 0;
}

void dmpi_ssh_session_close(struct dmpi_ssh_session *s)
{
    if (s->ssh) {
        libssh2_session_disconnect(s->ssh, "done");
        /* On a socket that is shut down freeing the channels cannot wait for the other side. */
        if (s->fd >= 0)
            shutdown(s->fd, SHUT_RDWR);
        for (int i = 0; i < 1000 && libssh2_session_free(s->ssh) == LIBSSH2_ERROR_EAGAIN; i++)
            ;
    }
    if (s->fd >= 0)
        close(s->fd);
    dmpi_spawn_end(s->proxy, &(struct dmpi_spawn){.apart = true}, PROXY_END_MS);
    free(s->name);
    *s = (struct dmpi_ssh_session){.fd = -1};
}
