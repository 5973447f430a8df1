// SPDX-License-Identifier: MIT
#include "transport/ssh_config.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "base/text.h"

#define CONFIG_MAX (256u << 10)

void dmpi_ssh_config_free(struct dmpi_ssh_config *c)
{
    free(c->program);
    free(c->given);
    free(c->host);
    free(c->user);
    free(c->host_key_alias);
    free(c->agent);
    free(c->proxy_jump);
    free(c->proxy_command);
    free(c->beyond);
    dmpi_strv_free(&c->identities);
    dmpi_strv_free(&c->known_hosts);
    memset(c, 0, sizeof *c);
}

static void set(char **slot, const char *value)
{
    free(*slot);
    *slot = value && *value && strcmp(value, "none") != 0 ? dmpi_xstrdup(value) : NULL;
}

static void add_files(struct dmpi_strv *files, const char *list)
{
    struct dmpi_strv words = dmpi_strv_split(list, ' ');
    for (size_t i = 0; i < words.n; i++) {
        if (*words.v[i] && strcmp(words.v[i], "none") != 0)
            dmpi_strv_take(files, dmpi_io_expand_home(words.v[i]));
    }
    dmpi_strv_free(&words);
}

static void add_identity(struct dmpi_ssh_config *c, const char *file)
{
    dmpi_autofree char *path = dmpi_io_expand_home(file);
    if (access(path, R_OK) == 0 && !dmpi_strv_has(&c->identities, path))
        dmpi_strv_add(&c->identities, path);
}

static void set_agent(struct dmpi_ssh_config *c, const char *value)
{
    free(c->agent);
    c->agent = NULL;
    if (strcmp(value, "SSH_AUTH_SOCK") == 0)
        set(&c->agent, getenv("SSH_AUTH_SOCK"));
    else if (*value == '$')
        set(&c->agent, getenv(value + 1));
    else if (strcmp(value, "none") != 0)
        c->agent = dmpi_io_expand_home(value);
}

static void set_port(struct dmpi_ssh_config *c, const char *value)
{
    long long port;
    if (dmpi_text_int(&port, value, 1, 65535) == 0)
        c->port = (int)port;
}

/* `ssh -G` leaves the tokens of this one as they are. */
static void add_identity_pattern(struct dmpi_ssh_config *c, const char *value)
{
    dmpi_autofree char *path = dmpi_ssh_config_expand(c, value);
    if (path)
        add_identity(c, path);
}

/* What we do not do ourselves and what must not be passed over. */
static bool is_beyond(const char *key, const char *value)
{
    static const char *const keys[] = {"revokedhostkeys", "knownhostscommand", "bindaddress",
                                       "bindinterface"};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(keys); i++) {
        if (strcmp(key, keys[i]) == 0)
            return strcmp(value, "none") != 0;
    }
    return (strcmp(key, "addressfamily") == 0 && strcmp(value, "any") != 0) ||
           (strcmp(key, "proxyusefdpass") == 0 && strcmp(value, "yes") == 0);
}

static void take_line(struct dmpi_ssh_config *c, const char *key, const char *value)
{
    if (strcmp(key, "hostname") == 0)
        set(&c->host, value);
    else if (strcmp(key, "user") == 0)
        set(&c->user, value);
    else if (strcmp(key, "port") == 0)
        set_port(c, value);
    else if (strcmp(key, "hostkeyalias") == 0)
        set(&c->host_key_alias, value);
    else if (strcmp(key, "identityagent") == 0)
        set_agent(c, value);
    else if (strcmp(key, "proxyjump") == 0)
        set(&c->proxy_jump, value);
    else if (strcmp(key, "proxycommand") == 0)
        set(&c->proxy_command, value);
    else if (strcmp(key, "identitiesonly") == 0)
        c->identities_only = strcmp(value, "yes") == 0;
    else if (strcmp(key, "identityfile") == 0)
        add_identity_pattern(c, value);
    else if (is_beyond(key, value))
        set(&c->beyond, key);
    else if (strcmp(key, "userknownhostsfile") == 0 || strcmp(key, "globalknownhostsfile") == 0)
        add_files(&c->known_hosts, value);
}

void dmpi_ssh_config_parse(struct dmpi_ssh_config *c, const char *text)
{
    struct dmpi_strv lines = dmpi_strv_split(text, '\n');
    for (size_t i = 0; i < lines.n; i++) {
        char *space = strchr(lines.v[i], ' ');
        if (!space)
            continue;
        *space = '\0';
        take_line(c, lines.v[i], space + 1);
    }
    dmpi_strv_free(&lines);
}

static void set_defaults(struct dmpi_ssh_config *c)
{
    static const char *const keys[] = {"~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"};
    struct passwd *me = getpwuid(getuid());
    if (!c->user)
        set(&c->user, me ? me->pw_name : "root");
    for (size_t i = 0; i < DMPI_ARRAY_LEN(keys); i++)
        add_identity(c, keys[i]);
    add_files(&c->known_hosts, "~/.ssh/known_hosts /etc/ssh/ssh_known_hosts");
}

/* What the endpoint says itself goes before everything else. */
static void apply_endpoint(struct dmpi_ssh_config *c, const struct dmpi_endpoint *ep)
{
    if (ep->user)
        set(&c->user, ep->user);
    if (ep->port > 0)
        c->port = ep->port;
    if (ep->identity) {
        struct dmpi_strv others = c->identities;
        c->identities = (struct dmpi_strv)DMPI_STRV_INIT;
        add_identity(c, ep->identity);
        for (size_t i = 0; i < others.n; i++)
            add_identity(c, others.v[i]);
        dmpi_strv_free(&others);
    }
    if (ep->known_hosts) {
        dmpi_strv_free(&c->known_hosts);
        dmpi_strv_take(&c->known_hosts, dmpi_io_expand_home(ep->known_hosts));
    }
}

void dmpi_ssh_config_argv(struct dmpi_strv *argv, const struct dmpi_ssh_config *c,
                          const struct dmpi_endpoint *ep)
{
    dmpi_strv_add(argv, c->program);
    dmpi_strv_add(argv, "-oBatchMode=yes");
    if (ep->port > 0)
        dmpi_strv_addf(argv, "-p%d", ep->port);
    if (ep->user)
        dmpi_strv_addf(argv, "-l%s", ep->user);
    if (ep->identity) {
        dmpi_autofree char *path = dmpi_io_expand_home(ep->identity);
        dmpi_strv_addf(argv, "-i%s", path);
    }
    if (ep->known_hosts) {
        dmpi_autofree char *path = dmpi_io_expand_home(ep->known_hosts);
        dmpi_strv_addf(argv, "-oUserKnownHostsFile=%s", path);
        dmpi_strv_add(argv, "-oGlobalKnownHostsFile=/dev/null");
    }
}

static int ask_ssh(struct dmpi_ssh_config *c, const struct dmpi_endpoint *ep,
                   const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT(CONFIG_MAX);
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv argv = DMPI_STRV_INIT;
    struct dmpi_ctl soon = dmpi_ctl_within(ctl, 10000);
    int code = 0;
    dmpi_ssh_config_argv(&argv, c, ep);
    dmpi_strv_add(&argv, "-G");
    dmpi_strv_add(&argv, "--");
    dmpi_strv_add(&argv, ep->host);
    if (dmpi_spawn_output(&argv, &soon, &text, &code, err) != 0) {
        if (err->code != DMPI_ENOTFOUND)
            return dmpi_err_wrap(err, "asking %s for its configuration", c->program);
        set(&c->program, NULL);
        return 0;
    }
    if (code != 0)
        return dmpi_err_set(err, DMPI_EINVAL,
                            "%s -G %s fails: is there a mistake in the ssh configuration?",
                            c->program, ep->host);
    if (text.overflow)
        return dmpi_err_set(err, DMPI_EPARSE, "%s -G %s prints more than %u KiB", c->program,
                            ep->host, CONFIG_MAX >> 10);
    dmpi_ssh_config_parse(c, dmpi_buf_str(&text));
    return 0;
}

int dmpi_ssh_config_load(struct dmpi_ssh_config *out, const struct dmpi_endpoint *ep,
                         const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    const char *program = getenv("DOCKMPI_SSH");
    memset(out, 0, sizeof *out);
    set(&out->program, program && *program ? program : "ssh");
    set(&out->given, ep->host);
    set(&out->host, ep->host);
    set(&out->agent, getenv("SSH_AUTH_SOCK"));
    out->port = 22;
    if (ask_ssh(out, ep, ctl, err) != 0)
        return -1;
    if (!out->program)
        set_defaults(out);
    apply_endpoint(out, ep);
    dmpi_autofree char *identity = ep->identity ? dmpi_io_expand_home(ep->identity) : NULL;
    if (identity && access(identity, R_OK) != 0)
        return dmpi_err_sys(err, errno, "identity file %s", identity);
    return 0;
}

static void add_home(struct dmpi_buf *text)
{
    dmpi_autofree char *home = dmpi_io_expand_home("~");
    dmpi_buf_adds(text, home);
}

char *dmpi_ssh_config_expand(const struct dmpi_ssh_config *c, const char *command)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT(64u << 10);
    for (const char *p = command; *p; p++) {
        if (*p != '%') {
            dmpi_buf_addc(&text, *p);
            continue;
        }
        switch (*++p) {
        case 'd':
            add_home(&text);
            break;
        case 'h':
            dmpi_buf_adds(&text, c->host ? c->host : "");
            break;
        case 'n':
            dmpi_buf_adds(&text, c->given ? c->given : "");
            break;
        case 'p':
            dmpi_buf_addf(&text, "%d", c->port);
            break;
        case 'r':
            dmpi_buf_adds(&text, c->user ? c->user : "");
            break;
        case '%':
            dmpi_buf_addc(&text, '%');
            break;
        default:
            return NULL;
        }
    }
    return text.overflow ? NULL : dmpi_buf_steal(&text);
}
