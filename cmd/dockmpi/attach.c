// SPDX-License-Identifier: MIT
#include "job/attach.h"

#include <unistd.h>

#include "job/jobs.h"
#include "keys.h"
#include "out.h"
#include "run.h"
#include "sig.h"
#include "since.h"
#include "state.h"
#include "verbs.h"

struct attach {
    struct dmpi_common common;
    bool no_logs;
    long long tail;
    int64_t stall_ms;
    const char *since, *detach_keys;
};

static int attach(struct dmpi_run_result *result, struct dmpi_session *session,
                  const struct attach *o, const char *name, const struct dmpi_attach_opts *opts,
                  struct dmpi_err *err)
{
    struct dmpi_state state = {0};
    const struct dmpi_member *job = NULL;
    int rc = dmpi_session_open(session, &o->common, err);
    if (rc == 0)
        rc = dmpi_session_members(&state, session, err);
    if (rc == 0 && !(job = dmpi_job_find(&state, session->spec.name, name, err)))
        rc = -1;
    if (rc == 0)
        rc = dmpi_job_attach(session->fleet, &state, job, opts, dmpi_app_ctl(), result, err);
    dmpi_state_free(&state);
    dmpi_session_close(session);
    return rc;
}

static int run(void *arg, const struct dmpi_strv *operands, struct dmpi_err *err)
{
    static const int out_fd = STDOUT_FILENO, err_fd = STDERR_FILENO;
    const struct attach *o = arg;
    struct dmpi_watch watch;
    struct dmpi_session session = {0};
    struct dmpi_run_result result = {0};
    struct dmpi_attach_opts opts = {.tail = o->no_logs ? 0 : o->tail,
                                    .insist_fd = dmpi_sig_force_fd(),
                                    .on_cancel = dmpi_run_canceling,
                                    .stall_ms = o->stall_ms,
                                    .on_stall = dmpi_run_stalled,
                                    .streams = {dmpi_out_sink(&out_fd), dmpi_out_sink(&err_fd)}};
    if (operands->n > 1)
        return dmpi_usage(err, "attach takes one job at most");
    if (o->no_logs && (o->since || o->tail >= 0))
        return dmpi_usage(err, "--no-logs excludes --since and --tail");
    if (o->since && dmpi_since_parse(&opts.since_ns, o->since, err) < 0)
        return -1;
    if (dmpi_keys_watch(&watch, o->detach_keys, false, err) < 0)
        return -1;
    opts.leave_fd = watch.leave_fd;
    int rc = attach(&result, &session, o, operands->n ? operands->v[0] : NULL, &opts, err);
    if (rc == 0) {
        dmpi_run_tell(&result);
        rc = dmpi_run_exit_code(&result);
    }
    dmpi_run_result_free(&result);
    return rc;
}

static const struct attach defaults = {
    .tail = -1, .stall_ms = DMPI_STALL_MS, .detach_keys = DMPI_KEYS_DEFAULT};

static const struct dmpi_opt opts[] = {
    {"no-logs", 0, DMPI_OPT_FLAG, offsetof(struct attach, no_logs), NULL,
     "only what it prints from now on", 0, 0},
    {"tail", 'n', DMPI_OPT_INT, offsetof(struct attach, tail), "N",
     "of what it has printed only the last N lines", 0, INT64_MAX},
    {"since", 0, DMPI_OPT_STR, offsetof(struct attach, since), "TIME",
     "of what it has printed only what came since then: 10m, or 2026-11-21T10:00:00Z", 0, 0},
    {"stall", 0, DMPI_OPT_DURATION, offsetof(struct attach, stall_ms), "TIME",
     "tell of a job that is silent for so long and does not go on (default 10m; 0: never)", 0, 0},
    {"detach-keys", 0, DMPI_OPT_STR, offsetof(struct attach, detach_keys), "KEYS",
     "in a terminal: keys that leave the job running (default ctrl-p,ctrl-q)", 0, 0},
    {0},
};

const struct dmpi_verb dmpi_verb_attach = {
    .name = "attach",
    .args = "[JOB]",
    .summary = "come back to a job (default: the newest), as if its run had never been left",
    .details =
        "Shows what the job has printed and prints, and exits with its code. Signals are those of\n"
        "run: Ctrl-C and TERM cancel the job; it goes on after HUP, QUIT and KILL. Any number of\n"
        "clients, on any machines, may do so at once. Standard input cannot be had again: it\n"
        "belongs to the client that started the job, and ends with it.",
    .opts = opts,
    .opts_size = sizeof(struct attach),
    .defaults = &defaults,
    .run = run,
};
