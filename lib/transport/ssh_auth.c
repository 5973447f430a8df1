// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "transport/ssh_session.h"

#define PUBLIC_MAX (64u << 10)

/* One attempt to authenticate; what was tried is noted for the message of a failure. */
struct attempt {
    struct dmpi_ssh_session *s;
    const struct dmpi_ssh_config *c;
    const struct dmpi_ctl *ctl;
    struct dmpi_strv tried;
    struct dmpi_err *err;
};

enum { REFUSED = 1 }; /* beside 0 and -1: the next key may do */

static int verdict(struct attempt *a, int rc)
{
    if (rc == 0)
        return 0;
    if (rc == LIBSSH2_ERROR_SOCKET_DISCONNECT || rc == LIBSSH2_ERROR_SOCKET_RECV ||
        rc == LIBSSH2_ERROR_SOCKET_SEND)
        return dmpi_err_set(a->err, DMPI_EDENIED,
                            "%s: the ssh server ended the connection while we tried keys (too many "
                            "of them? name the right one as identity)",
                            a->s->name);
    return REFUSED;
}

static int try_file(struct attempt *a, const char *path)
{
    int rc;
    const char *user = a->c->user;
    /* An empty passphrase, not none: libssh2 would take the length of NULL. */
    while ((rc = libssh2_userauth_publickey_fromfile_ex(a->s->ssh, user, (unsigned)strlen(user),
                                                        NULL, path, "")) == LIBSSH2_ERROR_EAGAIN) {
        if (dmpi_ssh_session_wait(a->s, a->ctl, a->err) != 0)
            return -1;
    }
    int result = verdict(a, rc);
    if (result == REFUSED)
        dmpi_strv_addf(&a->tried, "%s (%s)", path,
                       rc == LIBSSH2_ERROR_FILE ? "not readable, or it has a passphrase: ssh-add it"
                                                : "refused");
    return result;
}

/* Whether the agent's key is one of the identities, as IdentitiesOnly wants. */
static bool is_identity(const struct dmpi_ssh_config *c, const struct libssh2_agent_publickey *key)
{
    for (size_t i = 0; i < c->identities.n; i++) {
        DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT(PUBLIC_MAX);
        DMPI_AUTO(dmpi_buf_free) struct dmpi_buf blob = DMPI_BUF_INIT(PUBLIC_MAX);
        struct dmpi_err ignored;
        dmpi_autofree char *path = dmpi_xasprintf("%s.pub", c->identities.v[i]);
        if (dmpi_io_read_file(&text, path, PUBLIC_MAX, &ignored) != 0)
            continue;
        const char *start = strchr(dmpi_buf_str(&text), ' ');
        if (!start)
            continue;
        start++;
        if (dmpi_base64_decode(&blob, start, strcspn(start, " \r\n"), &ignored) == 0 &&
            blob.len == key->blob_len && memcmp(blob.data, key->blob, blob.len) == 0)
            return true;
    }
    return false;
}

static int try_agent_key(struct attempt *a, LIBSSH2_AGENT *agent,
                         struct libssh2_agent_publickey *key)
{
    int rc;
    while ((rc = libssh2_agent_userauth(agent, a->c->user, key)) == LIBSSH2_ERROR_EAGAIN) {
        if (dmpi_ssh_session_wait(a->s, a->ctl, a->err) != 0)
            return -1;
    }
    int result = verdict(a, rc);
    if (result == REFUSED)
        dmpi_strv_addf(&a->tried, "the agent's %s (refused)",
                       key->comment && *key->comment ? key->comment : "key");
    return result;
}

static int try_agent_keys(struct attempt *a, LIBSSH2_AGENT *agent)
{
    struct libssh2_agent_publickey *key = NULL;
    if (libssh2_agent_connect(agent) != 0 || libssh2_agent_list_identities(agent) != 0) {
        dmpi_strv_add(&a->tried, "the agent (it does not answer)");
        return REFUSED;
    }
    while (libssh2_agent_get_identity(agent, &key, key) == 0) {
        if (a->c->identities_only && !is_identity(a->c, key))
            continue;
        int result = try_agent_key(a, agent, key);
        if (result != REFUSED)
            return result; /* after a success nothing more may be tried: it would hang */
    }
    return REFUSED;
}

static int try_agent(struct attempt *a)
{
    if (!a->c->agent)
        return REFUSED;
    LIBSSH2_AGENT *agent = libssh2_agent_init(a->s->ssh);
    if (!agent)
        return REFUSED;
    libssh2_agent_set_identity_path(agent, a->c->agent);
    int result = try_agent_keys(a, agent);
    libssh2_agent_disconnect(agent);
    libssh2_agent_free(agent);
    return result;
}

/* Some servers let everybody in; the question also tells which ways there are. */
static int ask_methods(struct attempt *a)
{
    const char *user = a->c->user;
    for (;;) {
        const char *list = libssh2_userauth_list(a->s->ssh, user, (unsigned)strlen(user));
        if (list)
            return strstr(list, "publickey") ? REFUSED
                                             : dmpi_err_set(a->err, DMPI_EDENIED,
                                                            "%s: the ssh server takes no keys, "
                                                            "only %s",
                                                            a->s->name, list);
        if (libssh2_userauth_authenticated(a->s->ssh))
            return 0;
        if (libssh2_session_last_errno(a->s->ssh) != LIBSSH2_ERROR_EAGAIN)
            return dmpi_err_set(a->err, DMPI_EUNREACHABLE, "%s: authentication: %s", a->s->name,
                                dmpi_ssh_session_error(a->s));
        if (dmpi_ssh_session_wait(a->s, a->ctl, a->err) != 0)
            return -1;
    }
}

static int try_all(struct attempt *a, const char *first)
{
    int result = ask_methods(a);
    if (result == REFUSED && first && a->c->identities.n > 0)
        result = try_file(a, a->c->identities.v[0]);
    if (result == REFUSED)
        result = try_agent(a);
    for (size_t i = first ? 1 : 0; i < a->c->identities.n && result == REFUSED; i++)
        result = try_file(a, a->c->identities.v[i]);
    return result;
}

int dmpi_ssh_auth(struct dmpi_ssh_session *s, const struct dmpi_ssh_config *c,
                  const struct dmpi_endpoint *ep, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct attempt a = {.s = s, .c = c, .ctl = ctl, .err = err};
    int result = try_all(&a, ep->identity);
    if (result == REFUSED) {
        dmpi_autofree char *tried = dmpi_strv_join(&a.tried, ", ");
        result = dmpi_err_set(err, DMPI_EDENIED, "%s: no key is accepted; tried: %s", s->name,
                              *tried ? tried : "none, there are no keys (ssh-add one, or name it)");
    }
    dmpi_strv_free(&a.tried);
    return result;
}
