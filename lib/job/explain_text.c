// SPDX-License-Identifier: MIT
#include "job/explain_text.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/shquote.h"
#include "base/text.h"
#include "job/explain_docker.h"
#include "spec/runas.h"

#define TEXT_MAX (64U << 20)
#define RANK_FILE "rank"
#define HOST_FILE "hostfile"
#define OWN_HOME "/home/" DMPI_RUNAS_LOGIN

// The script so far, and what it is about.
struct script {
    const struct dmpi_explain *what;
    struct dmpi_buf out;
    const char *home, *login; // of the user whom all of it runs as
    size_t
        options; // words of argv that are mpirun's own; those of the wrapper and the program follow
    bool colons; // words of colons have one more than meant
    bool by_file; // the program cannot stand in mpirun's line
};

// By hand there is no cluster to belong to: the names are others than those of dockmpi.
static char *name_of(const struct script *s, const struct dmpi_explain_member *m)
{
    return dmpi_xasprintf("%s-%s", s->what->cluster, m->worker ? m->worker->alias : "launcher");
}

// "docker [-H ...] exec [-i] NAME"
static void begin_exec(struct dmpi_strv *words, const struct script *s,
                       const struct dmpi_explain_member *m, bool input)
{
    dmpi_autofree char *name = name_of(s, m);
    dmpi_explain_engine(words, m->ep);
    dmpi_strv_add(words, "exec");
    if (input)
        dmpi_strv_add(words, "-i");
    dmpi_strv_add(words, name);
}

// One command in a container; shell is for its `sh -c`.
static void put_exec(struct script *s, const struct dmpi_explain_member *m, bool input,
                     const char *shell, const char *raw)
{
    struct dmpi_strv words DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    begin_exec(&words, s, m, input);
    dmpi_strv_add(&words, "sh");
    dmpi_strv_add(&words, "-c");
    dmpi_strv_add(&words, shell);
    dmpi_explain_put(&s->out, &words, raw);
}

// --- the parts, in the order of the script ----------------------------------------------------

static void put_head(struct script *s)
{
    const struct dmpi_explain *what = s->what;
    dmpi_autofree char *label = dmpi_xstrdup(what->code->label);
    for (char *c = label; *c; c++) { // a comment is one line
        if ((unsigned char)*c < ' ')
            *c = ' ';
    }
    dmpi_buf_addf(
        &s->out,
        "#!/bin/sh\n"
        "# By hand what `dockmpi run` does: a launcher, %zu worker%s, %d rank%s of\n"
        "#     %s\n"
        "# Needed on every node: a Docker engine that answers, and the images named below.\n"
        "set -eu\n"
        "PORT=${PORT:-%d} # sshd of worker I listens on PORT + I: any that are free\n"
        "KEYS=$(mktemp -d)\n",
        what->n - 1, what->n == 2 ? "" : "s", what->command->np, what->command->np == 1 ? "" : "s",
        label, what->port);
    for (size_t i = 0; i < what->n; i++) {
        const char *identity = what->members[i].ep->identity;
        if (identity)
            dmpi_buf_addf(&s->out, "# ~/.ssh/config must have `IdentityFile %s` for %s.\n",
                          identity, what->members[i].ep->host);
    }
}

static void put_clean_up(struct script *s)
{
    dmpi_buf_adds(&s->out, "\n# At the end, however it comes: nothing stays.\nclean_up() {\n");
    for (size_t i = 0; i < s->what->n; i++) {
        struct dmpi_strv words DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
        dmpi_autofree char *name = name_of(s, &s->what->members[i]);
        dmpi_explain_engine(&words, s->what->members[i].ep);
        dmpi_strv_add(&words, "rm");
        dmpi_strv_add(&words, "-f");
        dmpi_strv_add(&words, name);
        dmpi_buf_adds(&s->out, "    ");
        dmpi_explain_put(&s->out, &words, ">/dev/null 2>&1 || :");
    }
    dmpi_buf_adds(&s->out, "    rm -rf \"$KEYS\"\n}\ntrap clean_up EXIT\ntrap 'exit 130' INT\n"
                           "trap 'exit 143' TERM\n");
}

// Where keys, hostfile and the like lie: with another user than root, that is his home.
static void add_tmpfs(struct dmpi_strv *words, const struct script *s)
{
    const char *user = s->what->user;
    if (user)
        dmpi_strv_addf(words, "--tmpfs=%s:mode=0700,uid=%.*s,gid=%s", s->home,
                       (int)strcspn(user, ":"), user, strchr(user, ':') + 1);
    else
        dmpi_strv_addf(words, "--tmpfs=%s/.ssh:mode=0700", s->home);
}

// sshd lets in whom the image knows. Root may do this without any capability, since the files are his.
static void put_user(struct script *s, const struct dmpi_explain_member *m)
{
    if (!s->what->user)
        return;
    struct dmpi_strv words DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    dmpi_autofree char *name = name_of(s, m);
    dmpi_autofree char *workdir = dmpi_shquote(s->what->workdir);
    dmpi_explain_engine(&words, m->ep);
    dmpi_strv_add(&words, "exec");
    dmpi_strv_add(&words, "--user=root");
    dmpi_strv_add(&words, name);
    dmpi_strv_add(&words, "sh");
    dmpi_strv_add(&words, "-c");
    dmpi_strv_addf(&words,
                   "{ echo %s:x:%s::%s:/bin/sh; cat /etc/passwd; } >/etc/passwd.new; cat "
                   "/etc/passwd.new >/etc/passwd; mkdir -p %s; chmod 777 %s",
                   s->login, s->what->user, s->home, workdir, workdir);
    dmpi_explain_put(&s->out, &words, NULL);
    dmpi_autofree char *make = dmpi_xasprintf("mkdir -m 700 %s/.ssh", s->home);
    put_exec(s, m, false, make, NULL);
}

static void put_containers(struct script *s)
{
    dmpi_buf_adds(&s->out, "\n# 1. The containers, on their nodes' own network. What is in ~/.ssh "
                           "is in memory only.\n");
    for (size_t i = 0; i < s->what->n; i++) {
        const struct dmpi_explain_member *m = &s->what->members[i];
        struct dmpi_strv words DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
        struct dmpi_strv unknown DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
        dmpi_autofree char *name = name_of(s, m);
        const char *image = dmpi_json_str(m->config, "Image");
        dmpi_explain_engine(&words, m->ep);
        dmpi_strv_add(&words, "run");
        dmpi_strv_add(&words, "-d");
        dmpi_strv_addf(&words, "--name=%s", name);
        dmpi_strv_addf(&words, "--hostname=%s", name);
        dmpi_explain_flags(&words, m->config, m->host, &unknown);
        add_tmpfs(&words, s);
        dmpi_strv_add(&words, "--entrypoint=sleep");
        dmpi_strv_add(&words, image ? image : "");
        dmpi_strv_add(&words, "infinity");
        dmpi_buf_addf(&s->out, "# node %s\n", m->node);
        if (unknown.n > 0 && !s->what->live) {
            dmpi_autofree char *list = dmpi_strv_join(&unknown, ", ");
            dmpi_buf_addf(&s->out, "# docker run has no flag for these, which dockmpi sets: %s\n",
                          list);
        }
        dmpi_explain_put(&s->out, &words, ">/dev/null");
        put_user(s, m);
    }
}

static void put_keys(struct script *s)
{
    dmpi_buf_adds(&s->out,
                  "\n# 2. Keys: one pair for all, a host key for each worker, who knows whom, and "
                  "the ports.\n"
                  "ssh-keygen -q -t ed25519 -N '' -C by-hand -f \"$KEYS/id_ed25519\"\n"
                  "cp \"$KEYS/id_ed25519.pub\" \"$KEYS/authorized_keys\"\n");
    for (size_t i = 1; i < s->what->n; i++) {
        const struct dmpi_mesh_worker *w = s->what->members[i].worker;
        dmpi_buf_addf(&s->out,
                      "ssh-keygen -q -t ed25519 -N '' -C %s -f \"$KEYS/host-%d\"\n"
                      "echo \"%s $(cat \"$KEYS/host-%d.pub\")\" >>\"$KEYS/known_hosts\"\n"
                      "cat >>\"$KEYS/config\" <<END\n"
                      "Host %s\n"
                      "    HostName %s\n"
                      "    Port $((PORT + %d))\n"
                      "    HostKeyAlias %s\n"
                      "END\n",
                      w->alias, w->index, w->alias, w->index, w->alias, w->addr, w->index,
                      w->alias);
    }
    dmpi_buf_addf(&s->out,
                  "cat >>\"$KEYS/config\" <<END\n"
                  "Host worker-*\n"
                  "    User %s\n"
                  "    IdentityFile %s/.ssh/id_ed25519\n"
                  "    StrictHostKeyChecking yes\n"
                  "    BatchMode yes\n"
                  "    LogLevel ERROR\n"
                  "END\n",
                  s->login, s->home);
    dmpi_autofree char *unpack = dmpi_xasprintf(
        "tar -C %s/.ssh --no-same-owner -xf - && chmod 600 %s/.ssh/*", s->home, s->home);
    for (size_t i = 0; i < s->what->n; i++) {
        const struct dmpi_explain_member *m = &s->what->members[i];
        dmpi_autofree char *own =
            m->worker ? dmpi_xasprintf(" host-%d", m->worker->index) : dmpi_xstrdup("");
        dmpi_buf_addf(&s->out,
                      "tar -C \"$KEYS\" -cf - id_ed25519 authorized_keys known_hosts config%s |\n"
                      "    ",
                      own);
        put_exec(s, m, true, unpack, NULL);
    }
}

// What a session over ssh must know besides, and a container's own environment does not have.
static void put_sshd_env(struct script *s, const struct dmpi_explain_member *m)
{
    const struct dmpi_mesh_worker *w = m->worker;
    bool loopback = dmpi_addr_is_loopback(w->addr);
    const char *iface = w->iface ? w->iface : loopback ? "lo" : NULL;
    struct dmpi_buf text DMPI_AUTO(dmpi_buf_free) = DMPI_BUF_INIT(TEXT_MAX);
    dmpi_buf_addf(&text,
                  "env | grep -vE \"^(HOME|HOSTNAME|LOGNAME|PWD|OLDPWD|SHELL|SHLVL|TERM|USER|_)=\" "
                  ">%s/.ssh/environment",
                  s->home);
    if (iface)
        dmpi_buf_addf(&text,
                      "; printf \"%%s\\n\" GLOO_SOCKET_IFNAME=%s NCCL_SOCKET_IFNAME==%s"
                      "%s%s%s%s >>%s/.ssh/environment",
                      iface, iface, loopback ? "" : " UCX_NET_DEVICES=", loopback ? "" : iface,
                      loopback ? "" : " PRTE_MCA_prte_if_include=", loopback ? "" : iface, s->home);
    else
        dmpi_buf_adds(&s->out, "# Where a node has several interfaces, GLOO_SOCKET_IFNAME and "
                               "NCCL_SOCKET_IFNAME belong there, too.\n");
    put_exec(s, m, false, dmpi_buf_str(&text), NULL);
}

static void put_sshd(struct script *s)
{
    static const char start[] =
        "pam=no; grep -qs \"^root:!\" /etc/shadow && pam=yes; mkdir -p /run/sshd; "
        "exec \"$(command -v sshd || echo /usr/sbin/sshd)\" -f /dev/null -o UsePAM=$pam \"$@\"";
    dmpi_buf_adds(&s->out, "\n# 3. sshd in every worker. Its sessions get the container's "
                           "environment, which sshd itself would not hand on.\n");
    for (size_t i = 1; i < s->what->n; i++) {
        const struct dmpi_explain_member *m = &s->what->members[i];
        dmpi_autofree char *args = dmpi_xasprintf(
            "sshd \\\n    -p $((PORT + %d)) -h %s/.ssh/host-%d -o ListenAddress=%s \\\n    "
            "-o PermitUserEnvironment=yes -o PasswordAuthentication=no -o MaxStartups=512 -o "
            "PidFile=none",
            m->worker->index, s->home, m->worker->index, m->worker->addr);
        put_sshd_env(s, m);
        const char *users = dmpi_json_str(m->host, "UsernsMode");
        if (users && *users)
            put_exec(s, m, false, "chown 0:0 /root", NULL); // see worker.sh
        put_exec(s, m, false, start, args);
    }
}

// The parts of a path that lie above it, to be made first.
static char *folder_of(const char *workdir, const char *place)
{
    const char *slash = strrchr(place, '/');
    return slash ? dmpi_xasprintf("%s/%.*s", workdir, (int)(slash - place), place)
                 : dmpi_xstrdup(workdir);
}

static void put_code(struct script *s)
{
    const struct dmpi_job_code *code = s->what->code;
    dmpi_autofree char *folder = folder_of(s->what->workdir, code->place ? code->place : "");
    dmpi_autofree char *quoted = dmpi_shquote(folder);
    dmpi_autofree char *make = dmpi_xasprintf("mkdir -p %s", quoted);
    dmpi_buf_adds(&s->out, code->local ? "\n# 4. The code, at the same place everywhere.\n"
                                       : "\n# 4. The folder in which the ranks start.\n");
    for (size_t i = 0; i < s->what->n; i++) {
        const struct dmpi_explain_member *m = &s->what->members[i];
        struct dmpi_strv words DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
        dmpi_autofree char *name = name_of(s, m);
        put_exec(s, m, false, make, NULL);
        if (!code->local)
            continue;
        dmpi_explain_engine(&words, m->ep);
        dmpi_strv_add(&words, "cp");
        dmpi_strv_add(&words, code->local);
        dmpi_strv_addf(&words, "%s:%s/%s", name, s->what->workdir, code->place);
        dmpi_explain_put(&s->out, &words, ">/dev/null");
    }
}

// --- the program -------------------------------------------------------------------------------

static void find_program(struct script *s)
{
    const struct dmpi_strv *argv = &s->what->command->argv;
    s->options = 0;
    while (s->options < argv->n && strcmp(argv->v[s->options], DMPI_MESH_DIR "/rank") != 0)
        s->options++;
    s->options--; // the shell before it
    const char *first = s->options + 2 < argv->n ? argv->v[s->options + 2] : "";
    s->colons = strcmp(first, "-:") == 0;
    s->by_file = s->colons || strcmp(first, "-g") == 0;
}

static const char *meant(const struct script *s, const char *word)
{
    return s->colons && *word && strspn(word, ":") == strlen(word) ? word + 1 : word;
}

// The words for the ranks of one image: in a mixed cluster "-g PROFILE COUNT" is before each one's.
static void words_for(struct dmpi_strv *out, const struct script *s, const char *profile)
{
    const struct dmpi_strv *argv = &s->what->command->argv;
    size_t at = s->options + 2 + s->colons, end = argv->n;
    while (at + 2 < argv->n && strcmp(argv->v[at], "-g") == 0) {
        size_t count = strtoul(argv->v[at + 2], NULL, 10);
        bool own = strcmp(argv->v[at + 1], profile) == 0;
        at += 3;
        end = at + count < argv->n ? at + count : argv->n;
        if (own)
            break;
        at = end;
        end = argv->n;
    }
    for (; at < end; at++)
        dmpi_strv_add(out, meant(s, argv->v[at]));
}

// Debian's mpirun hands on a search path that hides Open MPI's own components, of which UCC's is one.
#define SEARCH_PATH "OMPI_MCA_mca_base_component_path"

// What the wrapper of dockmpi gives each rank, too (mesh/rank.sh).
#define TORCH_NAMES                                                                                \
    "export RANK=\"${RANK-$OMPI_COMM_WORLD_RANK}\" "                                               \
    "WORLD_SIZE=\"${WORLD_SIZE-$OMPI_COMM_WORLD_SIZE}\" "                                          \
    "LOCAL_RANK=\"${LOCAL_RANK-$OMPI_COMM_WORLD_LOCAL_RANK}\" "                                    \
    "LOCAL_WORLD_SIZE=\"${LOCAL_WORLD_SIZE-$OMPI_COMM_WORLD_LOCAL_SIZE}\"\n"

static bool uses_ucc(const struct script *s)
{
    const struct dmpi_strv *argv = &s->what->command->argv;
    return dmpi_strv_has(argv, "coll_ucc_enable") ||
           dmpi_strv_has(argv, "OMPI_MCA_coll_ucc_enable=1");
}

static void put_rank_file(struct script *s, const struct dmpi_explain_member *m)
{
    struct dmpi_strv words DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    struct dmpi_strv program DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    struct dmpi_buf text DMPI_AUTO(dmpi_buf_free) = DMPI_BUF_INIT(TEXT_MAX);
    const struct dmpi_strv *argv = &s->what->command->argv;
    bool mixed = strcmp(argv->v[s->options + 2 + s->colons], "-g") == 0;
    size_t i = 0;
    words_for(&words, s, m->worker->profile);
    if (uses_ucc(s))
        dmpi_buf_adds(&text, "unset " SEARCH_PATH "\n");
    for (; mixed && i < words.n && strcmp(words.v[i], "--") != 0; i++) {
        dmpi_autofree char *value = dmpi_shquote(strchr(words.v[i], '=') + 1);
        dmpi_buf_addf(&text, "export %.*s=%s\n", (int)strcspn(words.v[i], "="), words.v[i], value);
    }
    dmpi_buf_adds(&text, TORCH_NAMES);
    for (i += mixed; i < words.n; i++)
        dmpi_strv_add(&program, words.v[i]);
    dmpi_autofree char *line = dmpi_shquote_argv(&program);
    dmpi_buf_addf(&text, "exec %s", line);
    dmpi_autofree char *quoted = dmpi_shquote(dmpi_buf_str(&text));
    dmpi_buf_addf(&s->out, "printf '%%s\\n' %s |\n    ", quoted);
    dmpi_autofree char *take = dmpi_xasprintf("cat >%s/" RANK_FILE, s->home);
    put_exec(s, m, true, take, NULL);
}

// mpirun's own words, without what only dockmpi's wrapper needs.
static void add_options(struct dmpi_strv *words, const struct script *s)
{
    const struct dmpi_strv *argv = &s->what->command->argv;
    for (size_t i = 0; i < s->options; i++) {
        const char *word = argv->v[i];
        if (strcmp(word, "-x") == 0 && i + 1 < s->options &&
            dmpi_text_starts_with(argv->v[i + 1], "DOCKMPI_PLAN"))
            i++;
        else if (strcmp(word, DMPI_MESH_DIR "/hostfile") == 0)
            dmpi_strv_addf(words, "%s/" HOST_FILE, s->home);
        else
            dmpi_strv_add(words, word);
    }
}

static void put_mpirun(struct script *s)
{
    const struct dmpi_mpi_command *command = s->what->command;
    const struct dmpi_explain_member *launcher = &s->what->members[0];
    struct dmpi_strv words DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    dmpi_autofree char *name = name_of(s, launcher);
    dmpi_buf_adds(&s->out, "\n# 5. mpirun, in the launcher.\n");
    for (size_t i = 1; s->by_file && i < s->what->n; i++)
        put_rank_file(s, &s->what->members[i]);
    dmpi_autofree char *take = dmpi_xasprintf("cat >%s/" HOST_FILE, s->home);
    put_exec(s, launcher, true, take, "<<END");
    dmpi_buf_addf(&s->out, "%sEND\n", command->hostfile);

    dmpi_explain_engine(&words, launcher->ep);
    dmpi_strv_add(&words, "exec");
    for (size_t i = 0; i < command->env.n; i++) {
        if (!dmpi_text_starts_with(command->env.v[i], "DOCKMPI_PLAN="))
            dmpi_explain_env(&words, command->env.v[i]);
    }
    dmpi_strv_add(&words, name);
    add_options(&words, s);
    if (s->by_file) {
        dmpi_strv_add(&words, "sh");
        dmpi_strv_addf(&words, "%s/" RANK_FILE, s->home);
    } else {
        dmpi_strv_add(&words, "sh");
        dmpi_strv_add(&words, "-c");
        dmpi_strv_addf(&words, "%s" TORCH_NAMES "exec \"$@\"",
                       uses_ucc(s) ? "unset " SEARCH_PATH "\n" : "");
        dmpi_strv_add(&words, "rank");
        words_for(&words, s, "");
    }
    dmpi_explain_put(&s->out, &words, NULL);
}

char *dmpi_explain_text(const struct dmpi_explain *what)
{
    struct script s = {.what = what,
                       .out = DMPI_BUF_INIT(TEXT_MAX),
                       .home = what->user ? OWN_HOME : "/root",
                       .login = what->user ? DMPI_RUNAS_LOGIN : "root"};
    find_program(&s);
    put_head(&s);
    put_clean_up(&s);
    put_containers(&s);
    put_keys(&s);
    put_sshd(&s);
    put_code(&s);
    put_mpirun(&s);
    return dmpi_buf_steal(&s.out);
}
