// SPDX-License-Identifier: MIT
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "fleet/parallel.h"
#include "label.h"
#include "out.h"
#include "term.h"
#include "transport/onhost.h"

enum { MISSING_PROGRAM = 127, GRACE_MS = 2000 };

/* One node's share of the work. */
struct share {
    const struct dmpi_node *node;
    int code;
    struct dmpi_err err;
};

struct work {
    const struct dmpi_host_exec *what;
    struct dmpi_strv command;
    struct share *shares;
    size_t n;
};

/* ---- with our own standard streams ---------------------------------------------------------- */

/* In our process group: it may read the terminal, and Ctrl-C there reaches it. */
static int run_beside(const struct dmpi_strv *argv, bool stdin_open, int *code,
                      struct dmpi_err *err)
{
    const struct dmpi_spawn how = {.in = stdin_open ? DMPI_SPAWN_OURS : DMPI_SPAWN_NULL,
                                   .out = DMPI_SPAWN_OURS,
                                   .err = DMPI_SPAWN_OURS};
    int status = 0;
    pid_t pid = dmpi_spawn(argv, &how, err);
    int rc = pid < 0 ? -1 : dmpi_spawn_wait(pid, dmpi_app_ctl(), &status, err);
    if (rc < 0)
        dmpi_spawn_end(pid, &how, GRACE_MS);
    *code = dmpi_spawn_code(status);
    return rc;
}

/* ---- with labelled lines -------------------------------------------------------------------- */

/* Passes on what arrives until both have ended. */
static int pass_on(int *fds, struct dmpi_label *labels, struct dmpi_err *err)
{
    char data[16384];
    while (fds[0] >= 0 || fds[1] >= 0) {
        struct pollfd polled[2] = {{.fd = fds[0], .events = POLLIN},
                                   {.fd = fds[1], .events = POLLIN}};
        if (dmpi_ctl_poll(dmpi_app_ctl(), polled, 2, err) < 0)
            return -1;
        for (int i = 0; i < 2; i++) {
            if (fds[i] < 0 || !polled[i].revents)
                continue;
            ssize_t got = read(fds[i], data, sizeof data);
            if (got < 0 && errno == EINTR)
                continue;
            if (got <= 0) {
                close(fds[i]);
                fds[i] = -1;
                continue;
            }
            struct dmpi_sink sink = dmpi_label_sink(&labels[i]);
            if (dmpi_sink_write(&sink, data, (size_t)got, err) < 0)
                return -1;
        }
    }
    return 0;
}

static int run_piped(const struct dmpi_strv *argv, struct dmpi_label *labels, int *code,
                     struct dmpi_err *err)
{
    int out[2], errors[2], status = 0;
    if (pipe2(out, O_CLOEXEC) != 0)
        return dmpi_err_sys(err, errno, "pipe");
    if (pipe2(errors, O_CLOEXEC) != 0) {
        close(out[0]);
        close(out[1]);
        return dmpi_err_sys(err, errno, "pipe");
    }
    const struct dmpi_spawn how = {
        .in = DMPI_SPAWN_NULL, .out = out[1], .err = errors[1], .apart = true};
    pid_t pid = dmpi_spawn(argv, &how, err);
    close(out[1]);
    close(errors[1]);
    int fds[2] = {out[0], errors[0]};
    int rc = pid < 0 ? -1 : pass_on(fds, labels, err);
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    if (rc == 0)
        rc = dmpi_spawn_wait(pid, dmpi_app_ctl(), &status, err);
    if (rc < 0)
        dmpi_spawn_end(pid, &how, GRACE_MS);
    *code = dmpi_spawn_code(status);
    return rc;
}

static int run_labelled(const struct work *w, const struct share *s, const struct dmpi_strv *argv,
                        int *code, struct dmpi_err *err)
{
    const char *name = w->what->no_label ? NULL : s->node->name;
    struct dmpi_label labels[2];
    dmpi_label_init(&labels[0], name, STDOUT_FILENO);
    dmpi_label_init(&labels[1], name, STDERR_FILENO);
    int rc = run_piped(argv, labels, code, err);
    dmpi_label_finish(&labels[0]);
    dmpi_label_finish(&labels[1]);
    return rc;
}

/* ---- one node, all nodes -------------------------------------------------------------------- */

/* What became of it, in the terms of exec: a program that is not there is the command's failure. */
static int judge(const struct dmpi_node *node, int rc, int *code, struct dmpi_err *err)
{
    if (rc < 0 && err->code == DMPI_ENOTFOUND && node->ep.scheme == DMPI_UNIX) {
        dmpi_out_note("node %s: %s", node->name, err->msg);
        *err = (struct dmpi_err)DMPI_ERR_INIT;
        *code = MISSING_PROGRAM;
        return 0;
    }
    if (rc == 0 && *code == DMPI_ONHOST_SSH_FAILED && node->ep.scheme == DMPI_SSH)
        rc = dmpi_err_set(err, DMPI_EUNREACHABLE,
                          "ssh to %s ended with 255: either it failed, see its words above, or the "
                          "command gave that code",
                          node->ep.host);
    return rc < 0 ? dmpi_err_wrap(err, "node %s", node->name) : 0;
}

static void run_share(size_t i, void *arg)
{
    struct work *w = arg;
    struct share *s = &w->shares[i];
    struct dmpi_strv argv = DMPI_STRV_INIT;
    int rc = dmpi_onhost_argv(&argv, &s->node->ep, &w->command, false, dmpi_app_ctl(), &s->err);
    if (rc == 0)
        rc = w->n == 1 ? run_beside(&argv, w->what->interactive, &s->code, &s->err)
                       : run_labelled(w, s, &argv, &s->code, &s->err);
    judge(s->node, rc, &s->code, &s->err);
    dmpi_strv_free(&argv);
}

static const struct dmpi_node *find(const struct dmpi_spec *spec, const char *name,
                                    struct dmpi_err *err)
{
    struct dmpi_strv names = DMPI_STRV_INIT;
    for (size_t i = 0; i < spec->n_nodes; i++) {
        if (strcmp(spec->nodes[i].name, name) == 0) {
            dmpi_strv_free(&names);
            return &spec->nodes[i];
        }
        dmpi_strv_add(&names, spec->nodes[i].name);
    }
    dmpi_autofree char *list = dmpi_strv_join(&names, ", ");
    dmpi_strv_free(&names);
    dmpi_err_set(
        err, DMPI_ENOTFOUND,
        "cluster %s has no node called '%s' (--host wants nodes, not containers); it has: %s",
        spec->name, name, list);
    return NULL;
}

static void add_share(struct work *w, const struct dmpi_node *node)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->shares[i].node == node)
            return;
    w->shares = dmpi_xreallocarray(w->shares, w->n + 1, sizeof *w->shares);
    w->shares[w->n++] = (struct share){.node = node, .err = DMPI_ERR_INIT};
}

static int choose(struct work *w, const struct dmpi_spec *spec, struct dmpi_err *err)
{
    const struct dmpi_host_exec *o = w->what;
    bool all = o->all || (!o->workers && !o->launcher && !o->where->n);
    for (size_t i = 0; i < spec->n_nodes; i++)
        if (all || (o->launcher && i == spec->launcher_node) ||
            (o->workers && spec->nodes[i].workers > 0))
            add_share(w, &spec->nodes[i]);
    for (size_t i = 0; i < o->where->n; i++) {
        struct dmpi_strv names DMPI_AUTO(dmpi_strv_free) = dmpi_strv_split(o->where->v[i], ',');
        for (size_t k = 0; k < names.n; k++) {
            const struct dmpi_node *node = find(spec, names.v[k], err);
            if (!node)
                return -1;
            add_share(w, node);
        }
    }
    if (o->interactive && w->n > 1)
        return dmpi_usage(err, "-i feeds standard input to one node: choose it with -w");
    return 0;
}

/* The worst code counts; a node that could not be asked counts as our own failure. */
static int worst(const struct work *w, struct dmpi_err *err)
{
    int code = 0;
    bool failed = false;
    for (size_t i = 0; i < w->n; i++) {
        const struct share *s = &w->shares[i];
        if (s->code > code)
            code = s->code;
        if (s->err.code == DMPI_OK)
            continue;
        if (failed)
            dmpi_out_note("%s", s->err.msg);
        else
            *err = s->err;
        failed = true;
    }
    return failed ? -1 : code;
}

int dmpi_host_exec(const struct dmpi_spec *spec, const struct dmpi_host_exec *what,
                   struct dmpi_err *err)
{
    struct work w = {.what = what};
    int rc = choose(&w, spec, err);
    if (rc == 0) {
        w.command = dmpi_onhost_wrap(what->argv, what->workdir, what->env);
        dmpi_parallel(w.n, DMPI_FLEET_WINDOW, run_share, &w);
        rc = worst(&w, err);
    }
    dmpi_strv_free(&w.command);
    free(w.shares);
    return rc;
}

int dmpi_host_shell(const struct dmpi_spec *spec, const char *name, const struct dmpi_strv *command,
                    struct dmpi_err *err)
{
    const struct dmpi_node *node = name ? find(spec, name, err) : &spec->nodes[spec->launcher_node];
    if (!node)
        return -1;
    struct dmpi_strv argv DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    int code = 0;
    int rc =
        dmpi_onhost_argv(&argv, &node->ep, command, dmpi_term_interactive(), dmpi_app_ctl(), err);
    if (rc == 0)
        rc = run_beside(&argv, true, &code, err);
    return judge(node, rc, &code, err) < 0 ? -1 : code;
}
