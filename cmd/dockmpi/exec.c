// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "engine/exec.h"
#include "fleet/parallel.h"
#include "host.h"
#include "label.h"
#include "out.h"
#include "state.h"
#include "verbs.h"

struct exec {
    struct dmpi_common common;
    bool all, workers, launcher, interactive, no_label, host;
    struct dmpi_strv where, env;
    const char *workdir;
};

/* One container's share of the work. */
struct target {
    const struct dmpi_member *member;
    char *name;
    char mark[17]; /* that of its processes */
    int code;
    struct dmpi_err err;
};

struct work {
    struct dmpi_fleet *fleet;
    const struct exec *opts;
    const struct dmpi_strv *argv;
    struct target *targets;
    size_t n;
};

static int stream_labelled(struct dmpi_engine *engine, const struct work *w, struct target *t)
{
    bool label = w->n > 1 && !w->opts->no_label;
    struct dmpi_label out, err_out;
    dmpi_label_init(&out, label ? t->name : NULL, STDOUT_FILENO);
    dmpi_label_init(&err_out, label ? t->name : NULL, STDERR_FILENO);
    struct dmpi_pump pump = DMPI_PUMP_INIT;
    pump.streams.out = dmpi_label_sink(&out);
    pump.streams.err = dmpi_label_sink(&err_out);
    struct dmpi_exec_opts opts = {
        .argv = w->argv, .env = &w->opts->env, .workdir = w->opts->workdir, .mark = t->mark};
    int rc =
        dmpi_exec_stream(engine, dmpi_app_ctl(), t->member->id, &opts, &pump, &t->code, &t->err);
    dmpi_label_finish(&out);
    dmpi_label_finish(&err_out);
    return rc;
}

/* A single container's output goes out as it comes, byte by byte, and may have our input. */
static int stream_plain(struct dmpi_engine *engine, const struct work *w, struct target *t)
{
    static const int out_fd = STDOUT_FILENO, err_fd = STDERR_FILENO;
    struct dmpi_pump pump = DMPI_PUMP_INIT;
    pump.streams.out = dmpi_out_sink(&out_fd);
    pump.streams.err = dmpi_out_sink(&err_fd);
    pump.in_fd = w->opts->interactive ? STDIN_FILENO : -1;
    struct dmpi_exec_opts opts = {.argv = w->argv,
                                  .env = &w->opts->env,
                                  .workdir = w->opts->workdir,
                                  .mark = t->mark,
                                  .stdin_open = w->opts->interactive};
    return dmpi_exec_stream(engine, dmpi_app_ctl(), t->member->id, &opts, &pump, &t->code, &t->err);
}

static void run_one(size_t i, void *arg)
{
    struct work *w = arg;
    struct target *t = &w->targets[i];
    struct dmpi_engine *engine;
    dmpi_random_hex(t->mark, sizeof t->mark / 2);
    int rc = dmpi_fleet_engine(&engine, w->fleet, t->member->node, dmpi_app_ctl(), &t->err);
    if (rc == 0)
        rc = w->n == 1 ? stream_plain(engine, w, t) : stream_labelled(engine, w, t);
    if (rc < 0)
        dmpi_err_wrap(&t->err, "%s", t->name);
}

static void add_target(struct work *w, const struct dmpi_member *member)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->targets[i].member == member)
            return;
    w->targets = dmpi_xreallocarray(w->targets, w->n + 1, sizeof *w->targets);
    w->targets[w->n++] = (struct target){.member = member, .name = dmpi_member_label(member)};
}

/* Which containers are meant: -w names, or the roles asked for, or everybody. */
static int choose(struct work *w, const struct dmpi_state *state, const char *cluster,
                  struct dmpi_err *err)
{
    const struct exec *o = w->opts;
    bool everybody = o->all || (!o->workers && !o->launcher && !o->where.n);
    for (size_t i = 0; i < state->n; i++) {
        const struct dmpi_member *m = &state->members[i];
        bool wanted = (m->role == DMPI_LAUNCHER && (everybody || o->launcher)) ||
                      (m->role == DMPI_WORKER && (everybody || o->workers));
        if (wanted && dmpi_member_running(m))
            add_target(w, m);
        else if (wanted)
            dmpi_out_note("warning: %s is %s and left out", m->container, m->state);
    }
    for (size_t i = 0; i < o->where.n; i++) {
        struct dmpi_strv names = dmpi_strv_split(o->where.v[i], ',');
        for (size_t k = 0; k < names.n; k++) {
            if (!*names.v[k])
                continue;
            const struct dmpi_member *m = dmpi_session_member(state, cluster, names.v[k], err);
            if (!m) {
                dmpi_strv_free(&names);
                return -1;
            }
            add_target(w, m);
        }
        dmpi_strv_free(&names);
    }
    if (!w->n && o->where.n)
        return dmpi_usage(err, "--where needs names, as in -w worker-0,launcher");
    if (!w->n)
        return dmpi_err_set(err, DMPI_ENOTFOUND,
                            "cluster %s has no running containers; start it: `dockmpi up`",
                            cluster);
    return 0;
}

/* The worst code counts; a container that could not be asked counts as our own failure. */
static int worst(const struct work *w, struct dmpi_err *err)
{
    int code = 0;
    size_t failed = 0;
    for (size_t i = 0; i < w->n; i++) {
        if (w->targets[i].code > code)
            code = w->targets[i].code;
        if (w->targets[i].err.code == DMPI_OK)
            continue;
        if (failed++ == 0)
            *err = w->targets[i].err;
        else if (w->targets[i].err.code != DMPI_ECANCELED && !dmpi_out_reader_left())
            dmpi_out_note("%s", w->targets[i].err.msg);
    }
    return failed ? -1 : code;
}

static int run_all(struct work *w, struct dmpi_err *err)
{
    if (w->opts->interactive && w->n > 1)
        return dmpi_usage(err, "-i feeds standard input to one container: choose it with -w");
    dmpi_parallel(w->n, DMPI_FLEET_WINDOW, run_one, w);
    return worst(w, err);
}

static int run_on_hosts(const struct exec *o, const struct dmpi_strv *argv, struct dmpi_err *err)
{
    const struct dmpi_host_exec what = {.argv = argv,
                                        .env = &o->env,
                                        .where = &o->where,
                                        .workdir = o->workdir,
                                        .all = o->all,
                                        .workers = o->workers,
                                        .launcher = o->launcher,
                                        .interactive = o->interactive,
                                        .no_label = o->no_label};
    struct dmpi_session session;
    int rc = dmpi_session_open(&session, &o->common, err);
    if (rc == 0)
        rc = dmpi_host_exec(&session.spec, &what, err);
    dmpi_session_close(&session);
    return rc;
}

static int run(void *arg, const struct dmpi_strv *operands, struct dmpi_err *err)
{
    const struct exec *o = arg;
    if (!operands->n)
        return dmpi_usage(err, "exec needs a command: `dockmpi exec -- hostname`");
    if (o->host)
        return run_on_hosts(o, operands, err);
    struct dmpi_session session;
    struct dmpi_state state = {0};
    int rc = dmpi_session_open(&session, &o->common, err);
    struct work w = {.fleet = session.fleet, .opts = o, .argv = operands};
    if (rc == 0)
        rc = dmpi_session_members(&state, &session, err);
    if (rc == 0)
        rc = choose(&w, &state, session.spec.name, err);
    if (rc == 0)
        rc = run_all(&w, err);
    for (size_t i = 0; i < w.n; i++)
        free(w.targets[i].name);
    free(w.targets);
    dmpi_state_free(&state);
    dmpi_session_close(&session);
    return rc;
}

static const struct dmpi_opt opts[] = {
    {"all", 'a', DMPI_OPT_FLAG, offsetof(struct exec, all), NULL,
     "in the launcher and every worker (the default)", 0, 0},
    {"workers", 0, DMPI_OPT_FLAG, offsetof(struct exec, workers), NULL, "in every worker", 0, 0},
    {"launcher", 0, DMPI_OPT_FLAG, offsetof(struct exec, launcher), NULL, "in the launcher", 0, 0},
    {"where", 'w', DMPI_OPT_LIST, offsetof(struct exec, where), "LIST",
     "in these: worker-0,worker-3,launcher; with --host on these nodes", 0, 0},
    {"host", 0, DMPI_OPT_FLAG, offsetof(struct exec, host), NULL,
     "on the nodes themselves instead of in containers", 0, 0},
    {"interactive", 'i', DMPI_OPT_FLAG, offsetof(struct exec, interactive), NULL,
     "give the command our standard input (one container)", 0, 0},
    {"no-label", 0, DMPI_OPT_FLAG, offsetof(struct exec, no_label), NULL,
     "lines without the container's name", 0, 0},
    {"env", 'e', DMPI_OPT_LIST, offsetof(struct exec, env), "K=V", "set a variable", 0, 0},
    {"workdir", 0, DMPI_OPT_STR, offsetof(struct exec, workdir), "DIR", "run there", 0, 0},
    {0},
};

const struct dmpi_verb dmpi_verb_exec = {
    .name = "exec",
    .args = "[--] COMMAND [ARGUMENTS]",
    .summary = "run a command in many containers at once",
    .details =
        "Lines are labelled with the container's name when there are several. No shell is in\n"
        "between; for one: dockmpi exec -- sh -c '...'. The worst exit code is returned.\n"
        "With --host it runs on each node itself, by ssh; no cluster need be up for that.\n"
        "A command behind ssh can go on there when exec is interrupted.",
    .opts = opts,
    .opts_size = sizeof(struct exec),
    .how = DMPI_FIRST_STOPS,
    .run = run,
};
