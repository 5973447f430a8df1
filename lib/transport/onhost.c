// SPDX-License-Identifier: MIT
#include "transport/onhost.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/shquote.h"

struct dmpi_strv dmpi_onhost_wrap(const struct dmpi_strv *command, const char *workdir,
                                  const struct dmpi_strv *env)
{
    struct dmpi_strv out = DMPI_STRV_INIT;
    if (workdir) {
        const char *const words[] = {"/bin/sh", "-c", "cd -- \"$1\" && shift && exec \"$@\"", "sh",
                                     workdir};
        dmpi_strv_add_array(&out, words, DMPI_ARRAY_LEN(words));
    }
    if (env->n) {
        dmpi_strv_add(&out, "env");
        dmpi_strv_add_all(&out, env);
    }
    dmpi_strv_add_all(&out, command);
    return out;
}

void dmpi_onhost_ssh_argv(struct dmpi_strv *out, const struct dmpi_ssh_config *c,
                          const struct dmpi_endpoint *ep, const struct dmpi_strv *command, bool tty)
{
    static const char *const options[] = {
        "-oStrictHostKeyChecking=yes", "-oControlMaster=no",
        "-oControlPath=none",          "-oClearAllForwardings=yes",
        "-oPermitLocalCommand=no",     "-oRemoteCommand=none",
        "-oConnectTimeout=10",         "-oServerAliveInterval=15",
        "-oServerAliveCountMax=3",     "-oLogLevel=ERROR",
    };
    dmpi_ssh_config_argv(out, c, ep);
    dmpi_strv_add_array(out, options, DMPI_ARRAY_LEN(options));
    dmpi_strv_add(out, tty ? "-t" : "-T");
    dmpi_strv_add(out, "--");
    dmpi_strv_add(out, ep->host);
    if (command->n)
        dmpi_strv_take(out, dmpi_shquote_argv(command));
}

static int over_ssh(struct dmpi_strv *out, const struct dmpi_endpoint *ep,
                    const struct dmpi_strv *command, bool tty, const struct dmpi_ctl *ctl,
                    struct dmpi_err *err)
{
    struct dmpi_ssh_config config;
    int rc = dmpi_ssh_config_load(&config, ep, ctl, err);
    if (rc == 0 && !config.program)
        rc = dmpi_err_set(err, DMPI_ENOTFOUND,
                          "a command on the host itself needs the ssh program: install "
                          "openssh-client here");
    if (rc == 0)
        dmpi_onhost_ssh_argv(out, &config, ep, command, tty);
    dmpi_ssh_config_free(&config);
    return rc;
}

int dmpi_onhost_argv(struct dmpi_strv *out, const struct dmpi_endpoint *ep,
                     const struct dmpi_strv *command, bool tty, const struct dmpi_ctl *ctl,
                     struct dmpi_err *err)
{
    const char *shell = getenv("SHELL");
    switch (ep->scheme) {
    case DMPI_SSH:
        return over_ssh(out, ep, command, tty, ctl, err);
    case DMPI_UNIX:
        if (command->n)
            dmpi_strv_add_all(out, command);
        else
            dmpi_strv_add(out, shell && *shell ? shell : "/bin/sh");
        return 0;
    case DMPI_TCP:
        break;
    }
    dmpi_autofree char *url = dmpi_endpoint_str(ep);
    return dmpi_err_set(err, DMPI_EINVAL,
                        "%s leads to the Docker engine alone, which runs commands in containers "
                        "only: for the host itself give the node docker: ssh://USER@%s",
                        url, ep->host);
}
