// SPDX-License-Identifier: MIT
#include "transport/ssh_hostkey.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/mem.h"

#define FILE_MAX (16u << 20)

/* Kinds of host keys in the order of our liking. */
static const struct {
    const char *method;
    int known;
    int type;
} kinds[] = {
    {"ssh-ed25519", LIBSSH2_KNOWNHOST_KEY_ED25519, LIBSSH2_HOSTKEY_TYPE_ED25519},
    {"ecdsa-sha2-nistp256", LIBSSH2_KNOWNHOST_KEY_ECDSA_256, LIBSSH2_HOSTKEY_TYPE_ECDSA_256},
    {"ecdsa-sha2-nistp384", LIBSSH2_KNOWNHOST_KEY_ECDSA_384, LIBSSH2_HOSTKEY_TYPE_ECDSA_384},
    {"ecdsa-sha2-nistp521", LIBSSH2_KNOWNHOST_KEY_ECDSA_521, LIBSSH2_HOSTKEY_TYPE_ECDSA_521},
    {"ssh-rsa", LIBSSH2_KNOWNHOST_KEY_SSHRSA, LIBSSH2_HOSTKEY_TYPE_RSA},
};

static bool is_rich(const char *line)
{
    if (*line == '@')
        return true;
    size_t hosts = strcspn(line, " \t");
    for (size_t i = 0; i < hosts; i++) {
        if (strchr("*?!", line[i]))
            return true;
    }
    return false;
}

static void take_line(struct dmpi_hostkeys *k, const char *line)
{
    line += strspn(line, " \t");
    if (*line == '\0' || *line == '#')
        return;
    k->too_rich = k->too_rich || is_rich(line);
    /* A line of a kind that libssh2 does not know is not an error: it is about another key. */
    libssh2_knownhost_readline(k->hosts, line, strlen(line), LIBSSH2_KNOWNHOST_FILE_OPENSSH);
}

static void read_file(struct dmpi_hostkeys *k, const char *path)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT(FILE_MAX);
    struct dmpi_err ignored;
    if (dmpi_io_read_file(&text, path, FILE_MAX, &ignored) != 0)
        return;
    struct dmpi_strv lines = dmpi_strv_split(dmpi_buf_str(&text), '\n');
    for (size_t i = 0; i < lines.n; i++)
        take_line(k, lines.v[i]);
    dmpi_strv_free(&lines);
}

int dmpi_hostkeys_load(struct dmpi_hostkeys *out, LIBSSH2_SESSION *session,
                       const struct dmpi_ssh_config *c, struct dmpi_err *err)
{
    memset(out, 0, sizeof *out);
    out->hosts = libssh2_knownhost_init(session);
    if (!out->hosts)
        return dmpi_err_set(err, DMPI_ESYS, "libssh2 makes no list of known hosts");
    if (c->host_key_alias)
        out->name = dmpi_xstrdup(c->host_key_alias);
    else if (c->port == 22)
        out->name = dmpi_xstrdup(c->host);
    else
        out->name = dmpi_xasprintf("[%s]:%d", c->host, c->port);
    out->files = dmpi_strv_join(&c->known_hosts, ", ");
    for (size_t i = 0; i < c->known_hosts.n; i++)
        read_file(out, c->known_hosts.v[i]);
    return 0;
}

void dmpi_hostkeys_free(struct dmpi_hostkeys *k)
{
    if (k->hosts)
        libssh2_knownhost_free(k->hosts);
    free(k->name);
    free(k->files);
    memset(k, 0, sizeof *k);
}

static int look_up(struct dmpi_hostkeys *k, const char *key, size_t len, int kind)
{
    /* The name carries the port already: with a port of its own libssh2 would also accept, or call
       changed, what is known of the same host's port 22. */
    return libssh2_knownhost_check(
        k->hosts, k->name, key, len,
        LIBSSH2_KNOWNHOST_TYPE_PLAIN | LIBSSH2_KNOWNHOST_KEYENC_RAW | kind, NULL);
}

void dmpi_hostkeys_prefer(struct dmpi_hostkeys *k, LIBSSH2_SESSION *session)
{
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv methods = DMPI_STRV_INIT;
    for (int known = 1; known >= 0; known--) {
        for (size_t i = 0; i < DMPI_ARRAY_LEN(kinds); i++) {
            int found = look_up(k, "x", 1, kinds[i].known);
            if ((found != LIBSSH2_KNOWNHOST_CHECK_NOTFOUND) == (known == 1))
                dmpi_strv_add(&methods, kinds[i].method);
        }
    }
    dmpi_autofree char *list = dmpi_strv_join(&methods, ",");
    libssh2_session_method_pref(session, LIBSSH2_METHOD_HOSTKEY, list);
}

/* "SHA256:..." as ssh-keygen -l shows it; the caller's. */
static char *fingerprint(LIBSSH2_SESSION *session)
{
    const char *hash = libssh2_hostkey_hash(session, LIBSSH2_HOSTKEY_HASH_SHA256);
    if (!hash)
        return dmpi_xstrdup("unknown fingerprint");
    dmpi_autofree char *text = dmpi_base64_encode(hash, 32);
    char *pad = strchr(text, '=');
    if (pad)
        *pad = '\0';
    return dmpi_xasprintf("SHA256:%s", text);
}

static int unknown_host(const struct dmpi_hostkeys *k, const char *print,
                        const struct dmpi_ssh_config *c, struct dmpi_err *err)
{
    return dmpi_err_set(err, DMPI_EDENIED,
                        "the host key of %s is not known (%s): if that is the right host, accept "
                        "it by connecting once with ssh -p %d %s@%s, or add the output of "
                        "ssh-keyscan -p %d %s to %s",
                        k->name, print, c->port, c->user, c->given, c->port, c->host,
                        c->known_hosts.n ? c->known_hosts.v[0] : "~/.ssh/known_hosts");
}

int dmpi_hostkeys_check(struct dmpi_hostkeys *k, LIBSSH2_SESSION *session,
                        const struct dmpi_ssh_config *c, struct dmpi_err *err)
{
    size_t len = 0;
    int type = 0, kind = LIBSSH2_KNOWNHOST_KEY_UNKNOWN;
    const char *key = libssh2_session_hostkey(session, &len, &type);
    dmpi_autofree char *print = fingerprint(session);
    for (size_t i = 0; i < DMPI_ARRAY_LEN(kinds); i++) {
        if (kinds[i].type == type)
            kind = kinds[i].known;
    }
    switch (key ? look_up(k, key, len, kind) : LIBSSH2_KNOWNHOST_CHECK_FAILURE) {
    case LIBSSH2_KNOWNHOST_CHECK_MATCH:
        return 0;
    case LIBSSH2_KNOWNHOST_CHECK_MISMATCH:
        return dmpi_err_set(err, DMPI_EDENIED,
                            "THE HOST KEY OF %s HAS CHANGED (now %s): somebody may be listening "
                            "in, or the host was set up anew; nothing was sent. If you know why, "
                            "remove the old key with ssh-keygen -R '%s' (files: %s)",
                            k->name, print, k->name, k->files);
    default:
        return unknown_host(k, print, c, err);
    }
}
