// SPDX-License-Identifier: MIT
#include "cluster/pip.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"

#define CA_MAX (4U << 20)
#define CONF_MAX (1U << 16)
#define BLANK " \t\r"

// The name that begins the line, up to `=` or `:`.
static bool sets(const char *line, const char *name)
{
    size_t n = strlen(name);
    if (strncmp(line, name, n) != 0)
        return false;
    line += n + strspn(line + n, BLANK);
    return *line == '=' || *line == ':';
}

static void add_words(struct dmpi_buf *value, const char *text, size_t len)
{
    while (len > 0) {
        size_t blank = strspn(text, BLANK), n;
        if (blank >= len)
            return;
        text += blank;
        len -= blank;
        n = strcspn(text, BLANK "\n");
        dmpi_buf_addf(value, value->len ? " %.*s" : "%.*s", (int)n, text);
        text += n;
        len -= n;
    }
}

char *dmpi_pip_setting(const char *text, const char *name)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf value = DMPI_BUF_INIT(CONF_MAX);
    bool found = false, ours = false;
    for (size_t len; *text; text += len + (text[len] == '\n')) {
        len = strcspn(text, "\n");
        if (*text == '#' || *text == ';')
            continue;
        if (strspn(text, BLANK) > 0) { // goes on with what the line above sets
            if (ours)
                add_words(&value, text, len);
            continue;
        }
        ours = sets(text, name);
        if (ours) {
            size_t start = strcspn(text, "=:") + 1;
            found = true;
            dmpi_buf_clear(&value);
            add_words(&value, text + start, len - start);
        }
    }
    return found ? dmpi_xstrdup(dmpi_buf_str(&value)) : NULL;
}

// In pip's own order: its variable, then its files, the user's before the machine's.
static char *find_setting(const char *variable, const char *name)
{
    const char *files[] = {getenv("PIP_CONFIG_FILE"), "~/.config/pip/pip.conf", "~/.pip/pip.conf",
                           "/etc/pip.conf"};
    const char *set = getenv(variable);
    char *value = set && *set ? dmpi_xstrdup(set) : NULL;
    for (size_t i = 0; !value && i < DMPI_ARRAY_LEN(files); i++) {
        DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT(CONF_MAX);
        struct dmpi_err absent = DMPI_ERR_INIT;
        if (!files[i])
            continue;
        dmpi_autofree char *path = dmpi_io_expand_home(files[i]);
        if (dmpi_io_read_file(&text, path, CONF_MAX, &absent) == 0)
            value = dmpi_pip_setting(dmpi_buf_str(&text), name);
    }
    return value;
}

static void add_conf(struct dmpi_buf *conf)
{
    static const struct {
        const char *variable, *name;
    } settings[] = {
        {"PIP_INDEX_URL", "index-url"},
        {"PIP_EXTRA_INDEX_URL", "extra-index-url"},
        {"PIP_TRUSTED_HOST", "trusted-host"},
        {"PIP_DEFAULT_TIMEOUT", "timeout"},
    };
    dmpi_buf_addf(conf, "[global]\n");
    for (size_t i = 0; i < DMPI_ARRAY_LEN(settings); i++) {
        dmpi_autofree char *value = find_setting(settings[i].variable, settings[i].name);
        if (value)
            dmpi_buf_addf(conf, "%s = %s\n", settings[i].name, value);
    }
}

static void add_authorities(struct dmpi_buf *ca)
{
    const char *files[] = {getenv("PIP_CERT"),
                           getenv("REQUESTS_CA_BUNDLE"),
                           getenv("SSL_CERT_FILE"),
                           getenv("CURL_CA_BUNDLE"),
                           "/etc/ssl/certs/ca-certificates.crt",
                           "/etc/pki/tls/certs/ca-bundle.crt",
                           "/etc/ssl/cert.pem"};
    for (size_t i = 0; ca->len == 0 && i < DMPI_ARRAY_LEN(files); i++) {
        struct dmpi_err absent = DMPI_ERR_INIT;
        if (files[i] && *files[i] && dmpi_io_read_file(ca, files[i], CA_MAX, &absent))
            dmpi_buf_clear(ca);
    }
}

static int put(const struct dmpi_pip *pip, const char *name, const struct dmpi_buf *text,
               struct dmpi_err *err)
{
    dmpi_autofree char *path = dmpi_io_join(pip->dir, name);
    return dmpi_io_write_file_atomic(path, text->data, text->len, 0600, err);
}

int dmpi_pip_make(struct dmpi_pip *pip, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf ca = DMPI_BUF_INIT(CA_MAX);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf conf = DMPI_BUF_INIT(CONF_MAX);
    const char *tmp = getenv("TMPDIR");
    pip->above = dmpi_xasprintf("%s/dockmpi-pip.XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(pip->above)) {
        int failed = dmpi_err_sys(err, errno, "%s", pip->above);
        free(pip->above);
        pip->above = NULL;
        return failed;
    }
    pip->dir = dmpi_io_join(pip->above, "pip");
    add_authorities(&ca);
    add_conf(&conf);
    if (ca.len > 0)
        dmpi_buf_addf(&conf, "cert = /pip/ca.crt\n");
    if (dmpi_io_mkdirs(pip->dir, 0700, err) || put(pip, "ca.crt", &ca, err) ||
        put(pip, "pip.conf", &conf, err)) {
        dmpi_pip_remove(pip);
        return -1;
    }
    return 0;
}

void dmpi_pip_remove(struct dmpi_pip *pip)
{
    static const char *const names[] = {"ca.crt", "pip.conf"};
    for (size_t i = 0; pip->dir && i < DMPI_ARRAY_LEN(names); i++) {
        dmpi_autofree char *path = dmpi_io_join(pip->dir, names[i]);
        unlink(path);
    }
    if (pip->dir)
        rmdir(pip->dir);
    if (pip->above)
        rmdir(pip->above);
    free(pip->dir);
    free(pip->above);
    *pip = (struct dmpi_pip){.dir = NULL};
}
