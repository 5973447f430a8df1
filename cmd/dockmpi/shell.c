// SPDX-License-Identifier: MIT
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "engine/exec.h"
#include "host.h"
#include "out.h"
#include "sig.h"
#include "state.h"
#include "term.h"
#include "verbs.h"

struct shell {
    struct dmpi_common common;
    bool host;
};

/* A terminal in a container: who has to be told when the window changes. */
struct terminal {
    struct dmpi_engine *engine;
    const char *id;
};

static int resized(void *arg, struct dmpi_err *err)
{
    struct terminal *t = arg;
    struct dmpi_err ignored = DMPI_ERR_INIT;
    uint64_t count;
    (void)err;
    if (read(dmpi_sig_winch_fd(), &count, sizeof count) < 0)
        return 0;
    int rows, cols;
    dmpi_term_size(&rows, &cols);
    /* A command that has just ended cannot be resized: no reason to end the session with an error. */
    dmpi_exec_resize(t->engine, dmpi_app_ctl(), t->id, rows, cols, &ignored);
    return 0;
}

static int converse(struct dmpi_engine *engine, const struct dmpi_exec_opts *opts,
                    const char *container, int *code, struct dmpi_err *err)
{
    static const int out_fd = STDOUT_FILENO, err_fd = STDERR_FILENO;
    dmpi_autofree char *id = NULL;
    struct dmpi_hijack *hijack = NULL;
    if (dmpi_exec_start(engine, dmpi_app_ctl(), container, opts, &id, &hijack, err) < 0) {
        dmpi_exec_end(engine, container, opts->mark);
        return -1;
    }
    struct terminal terminal = {engine, id};
    struct dmpi_pump pump = DMPI_PUMP_INIT;
    pump.in_fd = STDIN_FILENO;
    pump.tty = opts->tty;
    pump.streams.out = dmpi_out_sink(&out_fd);
    pump.streams.err = dmpi_out_sink(&err_fd);
    if (opts->tty) {
        pump.wake_fd = dmpi_sig_winch_fd();
        pump.on_wake = resized;
        pump.wake_arg = &terminal;
        dmpi_term_raw();
    }
    int rc = dmpi_hijack_pump(hijack, dmpi_app_ctl(), &pump, err);
    dmpi_term_restore();
    dmpi_hijack_close(hijack);
    if (rc < 0) /* our terminal or the connection is gone: nobody can come back to it */
        dmpi_exec_end(engine, container, opts->mark);
    return rc < 0 ? -1 : dmpi_exec_code(engine, dmpi_app_ctl(), id, code, err);
}

static int open_shell(struct dmpi_engine *engine, const char *container,
                      const struct dmpi_strv *command, int *code, struct dmpi_err *err)
{
    struct dmpi_strv argv = DMPI_STRV_INIT, env = DMPI_STRV_INIT;
    if (command->n) {
        dmpi_strv_add_all(&argv, command);
    } else {
        dmpi_strv_add(&argv, "/bin/sh");
        dmpi_strv_add(&argv, "-c");
        dmpi_strv_add(&argv, "command -v bash >/dev/null && exec bash; exec sh");
    }
    const char *term = getenv("TERM");
    dmpi_strv_addf(&env, "TERM=%s", term ? term : "dumb");
    char mark[17];
    dmpi_random_hex(mark, sizeof mark / 2);
    struct dmpi_exec_opts opts = {.argv = &argv,
                                  .env = &env,
                                  .mark = mark,
                                  .stdin_open = true,
                                  .tty = dmpi_term_interactive()};
    if (opts.tty)
        dmpi_term_size(&opts.rows, &opts.cols);
    int rc = converse(engine, &opts, container, code, err);
    dmpi_strv_free(&argv);
    dmpi_strv_free(&env);
    return rc;
}

static int run(void *arg, const struct dmpi_strv *operands, struct dmpi_err *err)
{
    const struct shell *o = arg;
    const char *name = operands->n ? operands->v[0] : "launcher";
    struct dmpi_strv command = {.v = operands->n ? operands->v + 1 : NULL,
                                .n = operands->n ? operands->n - 1 : 0};
    struct dmpi_session session;
    struct dmpi_state state = {0};
    const struct dmpi_member *member = NULL;
    struct dmpi_engine *engine;
    int code = 0;
    int rc = dmpi_session_open(&session, &o->common, err);
    if (rc == 0 && o->host) {
        rc = dmpi_host_shell(&session.spec, operands->n ? name : NULL, &command, err);
        dmpi_session_close(&session);
        return rc;
    }
    if (rc == 0)
        rc = dmpi_session_members(&state, &session, err);
    if (rc == 0 && !(member = dmpi_session_member(&state, session.spec.name, name, err)))
        rc = -1;
    if (rc == 0)
        rc = dmpi_fleet_engine(&engine, session.fleet, member->node, dmpi_app_ctl(), err);
    if (rc == 0)
        rc = open_shell(engine, member->id, &command, &code, err);
    dmpi_state_free(&state);
    dmpi_session_close(&session);
    return rc < 0 ? -1 : code;
}

static const struct dmpi_opt opts[] = {
    {"host", 0, DMPI_OPT_FLAG, offsetof(struct shell, host), NULL,
     "on a node itself instead of in a container (default: the launcher's node)", 0, 0},
    {0},
};

const struct dmpi_verb dmpi_verb_shell = {
    .name = "shell",
    .args = "[launcher|worker-I|NODE] [COMMAND [ARGUMENTS]]",
    .summary = "an interactive terminal in one of the containers",
    .details =
        "Without a name: in the launcher. Without a command: bash, or sh where there is none.\n"
        "When standard input or output is no terminal, it is piped.\n"
        "With --host NODE: on that node itself, by ssh.",
    .opts = opts,
    .opts_size = sizeof(struct shell),
    .how = DMPI_FIRST_STOPS,
    .run = run,
};
