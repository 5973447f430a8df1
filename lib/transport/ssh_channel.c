// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/shquote.h"
#include "base/text.h"
#include "transport/ssh_pump.h"

#define PROBE_MS 20000
#define STREAMLOCAL "direct-streamlocal@openssh.com"

void dmpi_ssh_way_free(struct dmpi_ssh_way *way)
{
    free(way->remote);
    free(way->command);
    memset(way, 0, sizeof *way);
}

/* The message of a direct-streamlocal request: path, reserved string, reserved number. */
static LIBSSH2_CHANNEL *open_streamlocal(const struct dmpi_ssh_way *way, LIBSSH2_SESSION *ssh)
{
    size_t len = strlen(way->remote);
    uint32_t size = htonl((uint32_t)len);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf msg = DMPI_BUF_INIT(4096);
    dmpi_buf_add(&msg, &size, 4);
    dmpi_buf_add(&msg, way->remote, len);
    dmpi_buf_add(&msg, "\0\0\0\0\0\0\0\0", 8);
    return libssh2_channel_open_ex(ssh, STREAMLOCAL, sizeof STREAMLOCAL - 1,
                                   LIBSSH2_CHANNEL_WINDOW_DEFAULT, LIBSSH2_CHANNEL_PACKET_DEFAULT,
                                   msg.data, (unsigned)msg.len);
}

int dmpi_ssh_way_open(const struct dmpi_ssh_way *way, LIBSSH2_SESSION *ssh, LIBSSH2_CHANNEL **ch,
                      bool *started)
{
    if (!*ch) {
        *ch = way->stdio ? libssh2_channel_open_session(ssh) : open_streamlocal(way, ssh);
        if (!*ch) {
            int rc = libssh2_session_last_errno(ssh);
            return rc ? rc : LIBSSH2_ERROR_CHANNEL_FAILURE;
        }
    }
    if (!way->stdio || *started)
        return 0;
    int rc = libssh2_channel_exec(*ch, way->command);
    *started = rc == 0;
    return rc;
}

static int open_now(const struct dmpi_ssh_way *way, struct dmpi_ssh_session *s,
                    LIBSSH2_CHANNEL **ch, int *rc, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    bool started = false;
    while ((*rc = dmpi_ssh_way_open(way, s->ssh, ch, &started)) == LIBSSH2_ERROR_EAGAIN) {
        if (dmpi_ssh_session_wait(s, ctl, err) != 0)
            return dmpi_err_wrap(err, "%s: opening a channel", s->name);
    }
    return 0;
}

static int free_now(struct dmpi_ssh_session *s, LIBSSH2_CHANNEL *ch, const struct dmpi_ctl *ctl,
                    struct dmpi_err *err)
{
    while (ch && libssh2_channel_free(ch) == LIBSSH2_ERROR_EAGAIN) {
        if (dmpi_ssh_session_wait(s, ctl, err) != 0)
            return -1;
    }
    return 0;
}

/* What the program says until its end or its first line; from stderr when stdout says nothing. */
static int hear(struct dmpi_ssh_session *s, LIBSSH2_CHANNEL *ch, struct dmpi_buf *out,
                struct dmpi_buf *err_out, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    char part[1024];
    for (;;) {
        ssize_t got = libssh2_channel_read(ch, part, sizeof part);
        if (got > 0)
            dmpi_buf_add(out, part, (size_t)got);
        ssize_t said = libssh2_channel_read_stderr(ch, part, sizeof part);
        if (said > 0)
            dmpi_buf_add(err_out, part, (size_t)said);
        if (out->len >= 7 || libssh2_channel_eof(ch))
            return 0;
        if (got > 0 || said > 0)
            continue;
        if ((got < 0 && got != LIBSSH2_ERROR_EAGAIN) || out->overflow || err_out->overflow)
            return 0;
        if (dmpi_ssh_session_wait(s, ctl, err) != 0)
            return -1;
    }
}

static int send_now(struct dmpi_ssh_session *s, LIBSSH2_CHANNEL *ch, const char *text,
                    const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    size_t n = strlen(text);
    while (n > 0) {
        ssize_t sent = libssh2_channel_write(ch, text, n);
        if (sent == LIBSSH2_ERROR_EAGAIN) {
            if (dmpi_ssh_session_wait(s, ctl, err) != 0)
                return -1;
        } else if (sent < 0) {
            return dmpi_err_set(err, DMPI_EUNREACHABLE, "%s: %s", s->name,
                                dmpi_ssh_session_error(s));
        } else {
            text += sent;
            n -= (size_t)sent;
        }
    }
    return 0;
}

/* Whether an engine answers behind dial-stdio; *reason (the caller's) is what was said instead. */
static int probe_stdio(const struct dmpi_ssh_way *way, struct dmpi_ssh_session *s, char **reason,
                       const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    LIBSSH2_CHANNEL *ch = NULL;
    int rc;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf out = DMPI_BUF_INIT(64u << 10);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf err_out = DMPI_BUF_INIT(64u << 10);
    if (open_now(way, s, &ch, &rc, ctl, err) != 0)
        return -1;
    if (rc != 0) {
        *reason = dmpi_text_print_safe(dmpi_ssh_session_error(s));
        return free_now(s, ch, ctl, err);
    }
    if (send_now(s, ch, "GET /_ping HTTP/1.1\r\nHost: localhost\r\n\r\n", ctl, err) != 0 ||
        hear(s, ch, &out, &err_out, ctl, err) != 0 || free_now(s, ch, ctl, err) != 0)
        return -1;
    if (!dmpi_text_starts_with(dmpi_buf_str(&out), "HTTP/1."))
        *reason = dmpi_text_print_safe(err_out.len ? dmpi_buf_str(&err_out) : dmpi_buf_str(&out));
    return 0;
}

int dmpi_ssh_way_find(struct dmpi_ssh_way *out, struct dmpi_ssh_session *s, const char *remote,
                      LIBSSH2_CHANNEL **first, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    int rc;
    struct dmpi_ctl soon = dmpi_ctl_within(ctl, PROBE_MS);
    *out = (struct dmpi_ssh_way){.remote = dmpi_xstrdup(remote)};
    if (open_now(out, s, first, &rc, &soon, err) != 0)
        return -1;
    if (rc == 0)
        return 0;
    dmpi_debug("%s: no direct-streamlocal channel (%s), trying docker system dial-stdio", s->name,
               dmpi_ssh_session_error(s));
    dmpi_autofree char *host = dmpi_xasprintf("unix://%s", remote);
    dmpi_autofree char *quoted = dmpi_shquote(host);
    dmpi_autofree char *reason = NULL;
    out->stdio = true;
    out->command = dmpi_xasprintf("exec docker -H %s system dial-stdio", quoted);
    if (probe_stdio(out, s, &reason, &soon, err) != 0)
        return -1;
    if (!reason) {
        *first = NULL;
        while (!(*first = libssh2_channel_open_session(s->ssh)) &&
               libssh2_session_last_errno(s->ssh) == LIBSSH2_ERROR_EAGAIN) {
            if (dmpi_ssh_session_wait(s, &soon, err) != 0)
                return -1;
        }
        return *first ? 0
                      : dmpi_err_set(err, DMPI_EUNREACHABLE, "%s: no second channel: %s", s->name,
                                     dmpi_ssh_session_error(s));
    }
    return dmpi_err_set(err, DMPI_EUNREACHABLE,
                        "%s: the engine's socket %s cannot be reached there: the ssh server does "
                        "not open it (does Docker run there, is the user in the group docker, does "
                        "sshd_config allow AllowStreamLocalForwarding and AllowTcpForwarding?), "
                        "and docker system dial-stdio says: %s",
                        s->name, remote, *reason ? reason : "nothing");
}
