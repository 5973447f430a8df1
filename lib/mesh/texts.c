// SPDX-License-Identifier: MIT
// The configuration texts of ssh and sshd, and the ranks' environment.
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/shquote.h"
#include "base/text.h"
#include "mesh/files.h"
#include "spec/runas.h"

#define TEXT_MAX (32U << 20)

// What OpenSSH 8.2 and all later ones have, without anything older. Both ends are ours, so a single
// choice is enough; the ciphers authenticate by themselves, the MACs are for none that is listed.
#define KEY_EXCHANGE "curve25519-sha256,curve25519-sha256@libssh.org"
#define CIPHERS "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com"
#define MACS "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com"
#define KEY_KIND "ssh-ed25519"

// Of the container's environment these belong to the login session or to its shell.
static const char *const session_names[] = {"HOME",  "HOSTNAME", "LOGNAME", "MAIL", "OLDPWD", "PWD",
                                            "SHELL", "SHLVL",    "TERM",    "USER", "_"};

static bool is_session_name(const char *entry)
{
    size_t len = strcspn(entry, "=");

    for (size_t i = 0; i < DMPI_ARRAY_LEN(session_names); i++) {
        if (strlen(session_names[i]) == len && strncmp(entry, session_names[i], len) == 0)
            return true;
    }
    return dmpi_text_starts_with(entry, "SSH_");
}

// sshd before 8.7 knows no escapes inside quotes, so such values travel in the ranks' environment
// file instead.
static bool fits_sshd_config(const char *entry)
{
    for (const char *c = entry; *c; c++) {
        if (*c == '"' || *c == '\\' || *c == '\'' || (unsigned char)*c < ' ')
            return false;
    }
    return true;
}

// Only the first SetEnv line counts, so everything is on that one. These variables reach the shell
// of every ssh session, and so the launch daemon and all ranks.
static void add_setenv(struct dmpi_buf *out, const struct dmpi_mesh_worker *worker,
                       const struct dmpi_facts *facts)
{
    // The one variable that is taken: the number of the job, for who looks for its launch daemons. No program
    // heeds it.
    dmpi_buf_adds(out, "AcceptEnv DOCKMPI_DAEMON\n");
    dmpi_buf_addf(out, "SetEnv DOCKMPI_WORKER=%d", worker->index);
    if (worker->iface && !dmpi_addr_is_loopback(worker->addr))
        dmpi_buf_addf(out, " PRTE_MCA_prte_if_include=%s", worker->iface);
    for (size_t i = 0; i < facts->env.n; i++) {
        const char *entry = facts->env.v[i];

        if (!is_session_name(entry) && fits_sshd_config(entry) &&
            !dmpi_text_starts_with(entry, "DOCKMPI_WORKER="))
            dmpi_buf_addf(out, " \"%s\"", entry);
    }
    dmpi_buf_addc(out, '\n');
}

char *dmpi_mesh_sshd_config(const struct dmpi_mesh_worker *worker, const struct dmpi_facts *facts)
{
    struct dmpi_buf out = DMPI_BUF_INIT(TEXT_MAX);

    dmpi_buf_addf(&out,
                  "# Written by dockmpi.\n"
                  "Port %d\n"
                  "ListenAddress %s\n"
                  "HostKey " DMPI_MESH_DIR "/host_key\n"
                  "AuthorizedKeysFile " DMPI_MESH_DIR "/authorized_keys\n",
                  worker->port, worker->addr);
    // An sshd that is not root's can only let in the user that it runs as.
    dmpi_buf_adds(&out, facts->uid ? "AllowUsers " DMPI_RUNAS_LOGIN "\nPermitRootLogin no\n"
                                   : "AllowUsers root\nPermitRootLogin prohibit-password\n");
    dmpi_buf_adds(&out, "AuthenticationMethods publickey\n"
                        "PubkeyAuthentication yes\n"
                        "PubkeyAcceptedKeyTypes " KEY_KIND "\n" // its name in every version
                        "HostbasedAuthentication no\n"
                        "PasswordAuthentication no\n"
                        "KbdInteractiveAuthentication no\n"
                        "PermitEmptyPasswords no\n"
                        "StrictModes yes\n");
    // Without PAM a root account whose password is locked could not log in with a key either.
    dmpi_buf_addf(&out, "UsePAM %s\n", facts->root_locked && facts->uid == 0 ? "yes" : "no");
    dmpi_buf_adds(&out, "DisableForwarding yes\n"
                        "AllowTcpForwarding no\n"
                        "AllowStreamLocalForwarding no\n"
                        "AllowAgentForwarding no\n"
                        "X11Forwarding no\n"
                        "PermitTunnel no\n"
                        "GatewayPorts no\n"
                        "PermitUserEnvironment no\n"
                        "PermitUserRC no\n"
                        "PrintMotd no\n"
                        "PrintLastLog no\n"
                        "UseDNS no\n"
                        "PidFile none\n"
                        "LogLevel INFO\n"
                        "LoginGraceTime 30\n"
                        "MaxAuthTries 2\n"
                        "MaxStartups 512:30:1024\n"
                        "MaxSessions 64\n"
                        "KexAlgorithms " KEY_EXCHANGE "\n"
                        "Ciphers " CIPHERS "\n"
                        "MACs " MACS "\n"
                        "HostKeyAlgorithms " KEY_KIND "\n");
    // Only after ssh has given up by itself: to hear this question would keep it waiting although nothing that it
    // says arrives any more.
    dmpi_buf_adds(&out, "ClientAliveInterval 20\n"
                        "ClientAliveCountMax 3\n");
    if (facts->sshd_penalties) // a launch of many ranks is not an attack
        dmpi_buf_adds(&out, "PerSourcePenalties no\n");
    add_setenv(&out, worker, facts);
    return dmpi_buf_steal(&out);
}

char *dmpi_mesh_ssh_config(const struct dmpi_mesh *mesh)
{
    struct dmpi_buf out = DMPI_BUF_INIT(TEXT_MAX);

    dmpi_buf_adds(&out, "# Written by dockmpi.\n");
    for (size_t i = 0; i < mesh->n; i++) {
        const struct dmpi_mesh_worker *w = &mesh->workers[i];

        dmpi_buf_addf(&out, "Host %s\n    HostName %s\n    Port %d\n    HostKeyAlias %s\n",
                      w->alias, w->addr, w->port, w->alias);
    }
    dmpi_buf_addf(&out, "Host worker-*\n    User %s\n",
                  mesh->unprivileged ? DMPI_RUNAS_LOGIN : "root");
    // A worker is given up when it was silent for 16 s. TCP sends what was lost again after 0.2, 0.6, 1.4, 3, 6.2 and
    // 12.6 s: less patience would end jobs for a network that was away for 7 s, or loses many packets.
    dmpi_buf_adds(&out, "    IdentityFile " DMPI_MESH_DIR "/id_ed25519\n"
                        "    IdentitiesOnly yes\n"
                        "    IdentityAgent none\n"
                        "    UserKnownHostsFile " DMPI_MESH_DIR "/known_hosts\n"
                        "    GlobalKnownHostsFile none\n"
                        "    StrictHostKeyChecking yes\n"
                        "    UpdateHostKeys no\n"
                        "    CheckHostIP no\n"
                        "    KexAlgorithms " KEY_EXCHANGE "\n"
                        "    Ciphers " CIPHERS "\n"
                        "    MACs " MACS "\n"
                        "    HostKeyAlgorithms " KEY_KIND "\n"
                        "    PreferredAuthentications publickey\n"
                        "    BatchMode yes\n"
                        "    SendEnv DOCKMPI_DAEMON\n"
                        "    ForwardAgent no\n"
                        "    ForwardX11 no\n"
                        "    ConnectTimeout 10\n"
                        "    ServerAliveInterval 2\n"
                        "    ServerAliveCountMax 7\n"
                        "    LogLevel ERROR\n");
    return dmpi_buf_steal(&out);
}

char *dmpi_mesh_known_hosts(const struct dmpi_mesh *mesh)
{
    struct dmpi_buf out = DMPI_BUF_INIT(TEXT_MAX);

    for (size_t i = 0; i < mesh->n; i++)
        dmpi_buf_addf(&out, "%s %s\n", mesh->workers[i].alias, mesh->workers[i].host_public);
    return dmpi_buf_steal(&out);
}

// One assignment that leaves alone what is set already.
static void add_default(struct dmpi_buf *out, const char *name, const char *value)
{
    dmpi_autofree char *quoted = dmpi_shquote(value);

    dmpi_buf_addf(out, "[ \"${%s+x}\" ] || export %s=%s\n", name, name, quoted);
}

// The interface itself and the RDMA devices behind it.
static char *ucx_devices(const char *iface, const struct dmpi_facts *facts)
{
    struct dmpi_buf out = DMPI_BUF_INIT(TEXT_MAX);
    size_t len = strlen(iface);

    for (size_t i = 0; i < facts->rdma.n; i++) {
        const char *entry = facts->rdma.v[i];

        if (strncmp(entry, iface, len) == 0 && entry[len] == ' ')
            dmpi_buf_addf(&out, "%s:1,", entry + len + 1);
    }
    dmpi_buf_adds(&out, iface);
    return dmpi_buf_steal(&out);
}

char *dmpi_mesh_rank_env(const struct dmpi_mesh_worker *worker, const struct dmpi_facts *facts)
{
    struct dmpi_buf out = DMPI_BUF_INIT(TEXT_MAX);

    dmpi_buf_adds(&out, "# Written by dockmpi.\n");
    if (facts->pdeathsig) // or a rank would outlive a launch daemon that was killed
        dmpi_buf_adds(&out, "_d_guard='setpriv --pdeathsig KILL --'\n");
    for (size_t i = 0; i < facts->env.n; i++) {
        const char *entry = facts->env.v[i];

        if (is_session_name(entry) || fits_sshd_config(entry))
            continue;
        dmpi_autofree char *name = dmpi_xstrndup(entry, strcspn(entry, "="));
        add_default(&out, name, entry + strlen(name) + 1);
    }
    if (worker->iface) {
        dmpi_autofree char *exact = dmpi_xasprintf("=%s", worker->iface);
        add_default(&out, "GLOO_SOCKET_IFNAME", worker->iface);
        add_default(&out, "NCCL_SOCKET_IFNAME", exact);
    }
    if (worker->iface && !dmpi_addr_is_loopback(worker->addr)) {
        dmpi_autofree char *devices = ucx_devices(worker->iface, facts);
        add_default(&out, "UCX_NET_DEVICES", devices);
    }
    return dmpi_buf_steal(&out);
}
