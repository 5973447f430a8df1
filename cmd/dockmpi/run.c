// SPDX-License-Identifier: MIT
#include "run.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "absent.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "keys.h"
#include "out.h"
#include "sig.h"
#include "spec/profile.h"
#include "transfer.h"
#include "verbs.h"

/* arg: the keys that leave the job running, NULL where nobody can type them. */
static void started(void *arg, const char *job, int np)
{
    const char *const *keys = arg;
    dmpi_progress_clear(); /* the terminal is the job's from now on */
    dmpi_debug("job %s starts with %d rank%s", job, np, np == 1 ? "" : "s");
    if (keys && *keys && isatty(STDERR_FILENO))
        dmpi_out_note("job %s: %s leaves it running, Ctrl-C cancels it", job, *keys);
}

void dmpi_run_canceling(void *arg, bool timed_out, int64_t grace_ms)
{
    char grace[16];
    (void)arg;
    if (grace_ms > 0)
        dmpi_out_note("%s: the ranks have %s to end; Ctrl-C%s kills them now",
                      timed_out ? "the job's time is over" : "canceling",
                      dmpi_text_human_ms(grace, grace_ms), timed_out ? "" : " again");
    else
        dmpi_out_note("killing: the ranks get no time to end");
}

void dmpi_run_tell_killed(const char *job, int heeded, int killed)
{
    if (killed > 0)
        dmpi_out_note("job %s: of its processes %d heeded the signal, %d had to be killed", job,
                      heeded, killed);
}

static json_t *result_json(const struct dmpi_run_cmd *opts, const struct dmpi_run_result *r)
{
    json_t *o = dmpi_json_new_obj();
    dmpi_json_set_str(o, "job", r->job);
    dmpi_json_set_str(o, "name", opts->job_name);
    dmpi_json_set_str(o, "container", r->container);
    dmpi_json_set_int(o, "ranks", r->np);
    dmpi_json_set(o, "exit_code", json_null()); /* it runs */
    return o;
}

void dmpi_run_tell(const struct dmpi_run_result *r)
{
    if (r->left)
        dmpi_out_note("job %s goes on; `dockmpi attach %s` comes back to it", r->called, r->called);
    else if (r->timed_out)
        dmpi_out_note("job %s: canceled after --timeout", r->called);
    else if (r->canceled && r->killed)
        dmpi_out_note("job %s: canceled; its ranks were killed, none is left", r->called);
    else if (r->canceled)
        dmpi_out_note("job %s: canceled; every rank has ended", r->called);
    else if (r->ended)
        dmpi_out_note("job %s: " DMPI_RUN_WAS_CANCELED, r->called);
    dmpi_run_tell_killed(r->called, r->heeded, r->forced);
    if (r->oom_killed)
        dmpi_out_note("job %s: the kernel ended a process in its own container for want of memory",
                      r->called);
    for (size_t i = 0; i < r->causes.n; i++)
        dmpi_out_note("job %s: %s", r->called, r->causes.v[i]);
}

void dmpi_run_stalled(void *arg, const char *job, const char *text)
{
    (void)arg;
    dmpi_out_note("job %s: %s; `dockmpi why %s` tells more", job, text, job);
}

static void tell(const struct dmpi_run_cmd *o, const struct dmpi_run_result *r)
{
    dmpi_run_tell(r);
    if (o->detach && o->common.json)
        dmpi_out_json(result_json(o, r));
    else if (o->detach)
        puts(r->called);
}

/* JOB and FILE may be followed by `--` to set their arguments apart; it is not theirs. */
static void split_words(struct dmpi_strv *out, const struct dmpi_strv *operands, bool program)
{
    for (size_t i = 0; i < operands->n; i++)
        if (program || i != 1 || strcmp(operands->v[i], "--") != 0)
            dmpi_strv_add(out, operands->v[i]);
}

static int mca_pairs(struct dmpi_strv *out, const struct dmpi_strv *pairs, struct dmpi_err *err)
{
    for (size_t i = 0; i + 1 < pairs->n; i += 2) {
        if (!*pairs->v[i] || strpbrk(pairs->v[i], "= \t\n") || pairs->v[i][0] == '-')
            return dmpi_usage(err, "--mca %s: not the name of an MCA parameter", pairs->v[i]);
        dmpi_strv_addf(out, "%s=%s", pairs->v[i], pairs->v[i + 1]);
    }
    return 0;
}

int dmpi_run_cmd_prepare(struct dmpi_run_opts *out, char **images, const struct dmpi_run_cmd *o,
                         const struct dmpi_strv *operands, struct dmpi_err *err)
{
    static const int out_fd = STDOUT_FILENO, err_fd = STDERR_FILENO;
    *out = (struct dmpi_run_opts)DMPI_RUN_OPTS_INIT;
    *images = NULL;
    if (!operands->n)
        return dmpi_usage(err, "needs a job, a file, or -- and a program");
    if (o->grace_ms > DMPI_GRACE_MAX_MS)
        return dmpi_usage(err, "--grace: more than 24h");
    out->program = o->common.dashes_first;
    out->np = (int)o->np;
    out->slots = (int)o->slots;
    out->restarts = (int)o->restarts;
    if (o->restarts && o->interactive)
        return dmpi_usage(err,
                          "--restart-on-failure excludes -i: a second attempt could not read what "
                          "the first has read");
    out->name = o->job_name;
    out->tune = o->tune;
    out->backend = o->backend;
    out->workdir = o->workdir;
    out->keep = !o->remove;
    out->tag = o->tag;
    out->output = o->output;
    if (o->remove && o->keep)
        return dmpi_usage(err, "--rm and --keep exclude each other");
    if (o->remove && o->detach)
        return dmpi_usage(err, "--rm excludes -d: nobody would be there to remove the container");
    if (o->output && o->detach)
        return dmpi_usage(
            err, "--output excludes -d: give --tag, and later `dockmpi logs --output DIR`");
    if (o->verify && (o->tag || o->output))
        return dmpi_usage(err,
                          "--verify reads Open MPI's report from lines without --tag or --output");
    out->detach = o->detach;
    out->map = o->map;
    out->verify = o->verify;
    out->map_json = o->map && o->common.json;
    out->timeout_ms = o->timeout_ms;
    out->grace_ms = o->grace_ms;
    out->stall_ms = o->stall_ms;
    out->on_stall = dmpi_run_stalled;
    out->stdin_fd = o->interactive ? STDIN_FILENO : -1;
    out->insist_fd = dmpi_sig_force_fd();
    out->streams.out = dmpi_out_sink(&out_fd);
    out->streams.err = dmpi_out_sink(&err_fd);
    out->progress = dmpi_transfer_display();
    out->on_start = started;
    out->on_cancel = dmpi_run_canceling;
    split_words(&out->words, operands, out->program);
    for (size_t i = 0; i < o->env.n; i++)
        if (dmpi_env_parse(&out->env, o->env.v[i], err) < 0)
            return dmpi_err_wrap(err, "--env");
    int rc = mca_pairs(&out->mca, &o->mca, err);
    if (rc == 0)
        rc = dmpi_images_dir(images, err);
    out->images_dir = *images;
    return rc;
}

void dmpi_run_cmd_done(struct dmpi_run_opts *opts, char *images)
{
    dmpi_strv_free(&opts->words);
    dmpi_strv_free(&opts->env);
    dmpi_strv_free(&opts->mca);
    free(images);
}

int dmpi_run_cmd_spec(struct dmpi_spec *out, const struct dmpi_run_cmd *o, struct dmpi_err *err)
{
    const struct dmpi_flags flags = {.file = o->common.file,
                                     .name = o->common.name,
                                     .image = o->image,
                                     .workers = o->workers,
                                     .ports = o->ports};
    return dmpi_spec_make(out, &flags, err);
}

static void print_plan(const struct dmpi_run_cmd *o, json_t *plan)
{
    if (o->common.json) {
        json_object_del(plan, "text");
        dmpi_out_json(json_incref(plan));
    } else {
        dmpi_out_text(dmpi_json_str(plan, "text"));
    }
}

/* Of a cluster that runs: what its members know. */
static int dry_run_live(json_t **plan, const struct dmpi_run_cmd *o,
                        const struct dmpi_run_opts *opts, struct dmpi_err *err)
{
    enum { PATIENCE_MS = 15000 };
    struct dmpi_session session;
    const struct dmpi_ctl ctl = dmpi_ctl_within(dmpi_app_ctl(), PATIENCE_MS);
    int rc = dmpi_session_open(&session, &o->common, err);
    if (rc == 0)
        rc = dmpi_run_dry_live(plan, session.fleet, &session.spec, opts, &ctl, err);
    dmpi_session_close(&session);
    return rc;
}

/* Without any engine: as far as flags and cluster file tell. */
static int dry_run_made_up(json_t **plan, const struct dmpi_run_cmd *o,
                           const struct dmpi_run_opts *opts, struct dmpi_err *err)
{
    struct dmpi_spec spec = {0};
    int rc = dmpi_run_cmd_spec(&spec, o, err);
    if (rc == 0)
        rc = dmpi_run_dry(plan, &spec, opts, err);
    dmpi_spec_free(&spec);
    return rc;
}

static int dry_run(const struct dmpi_run_cmd *o, const struct dmpi_run_opts *opts,
                   struct dmpi_err *err)
{
    dmpi_json_auto json_t *plan = NULL;
    bool live = !o->image && !o->workers && !o->ports;
    int rc = live ? dry_run_live(&plan, o, opts, err) : -1;
    bool absent =
        err->code == DMPI_ENOTFOUND || err->code == DMPI_EUNREACHABLE || err->code == DMPI_ETIMEOUT;
    if (rc < 0 && (!live || absent)) {
        if (live)
            dmpi_debug("no cluster to look at: %s", err->msg);
        *err = (struct dmpi_err)DMPI_ERR_INIT;
        rc = dry_run_made_up(&plan, o, opts, err);
    }
    if (rc == 0)
        print_plan(o, plan);
    return rc;
}

/* A job that our cancel ended counts as interrupted by our signal; one that was quicker keeps its code. */
int dmpi_run_exit_code(const struct dmpi_run_result *r)
{
    if (r->left)
        return dmpi_sig_first() ? 128 + dmpi_sig_first() : DMPI_EXIT_OK;
    bool by_us = r->exit_code == 128 + SIGTERM || r->exit_code == 128 + SIGKILL;
    return r->canceled && by_us && dmpi_sig_first() ? 128 + dmpi_sig_first() : r->exit_code;
}

static int watch_keys(struct dmpi_run_opts *opts, const char **keys, const struct dmpi_run_cmd *o,
                      struct dmpi_err *err)
{
    struct dmpi_watch watch;
    *keys = o->detach_keys ? o->detach_keys : DMPI_KEYS_DEFAULT;
    if (dmpi_keys_watch(&watch, *keys, o->interactive, err) < 0)
        return -1;
    if (!watch.watched)
        *keys = NULL;
    opts->leave_fd = watch.leave_fd;
    opts->stdin_fd = watch.stdin_fd;
    return 0;
}

static int real_run(const struct dmpi_run_cmd *o, const struct dmpi_run_opts *opts,
                    struct dmpi_err *err)
{
    struct dmpi_session session;
    struct dmpi_run_result result = {0};
    struct dmpi_run_opts now = *opts;
    const char *keys = NULL;
    now.arg = &keys;
    int rc = dmpi_session_open(&session, &o->common, err);
    if (rc == 0 && !o->detach)
        rc = watch_keys(&now, &keys, o, err);
    if (rc == 0) {
        dmpi_progress_start();
        rc = dmpi_run(session.fleet, &session.spec, &now, dmpi_app_ctl(), &result, err);
        dmpi_progress_end();
    }
    if (rc < 0 && result.absent)
        dmpi_absent_fail(&session, err);
    if (rc == 0) {
        tell(o, &result);
        rc = o->detach ? DMPI_EXIT_OK : dmpi_run_exit_code(&result);
    }
    dmpi_run_result_free(&result);
    dmpi_session_close(&session);
    return rc;
}

static int run(void *arg, const struct dmpi_strv *operands, struct dmpi_err *err)
{
    const struct dmpi_run_cmd *o = arg;
    struct dmpi_run_opts opts;
    char *images;
    if ((o->image || o->workers || o->ports) && !o->dry_run)
        return dmpi_usage(
            err, "--image, --workers and --ports go with --dry-run; a real cluster is made by up");
    if (o->common.json && !o->detach && !o->dry_run && !o->map)
        return dmpi_usage(err, "--json goes with -d, --dry-run or --map: standard output is the "
                               "job's, and the exit code is its result");
    int rc = dmpi_run_cmd_prepare(&opts, &images, o, operands, err);
    if (rc == 0)
        rc = o->dry_run ? dry_run(o, &opts, err) : real_run(o, &opts, err);
    dmpi_run_cmd_done(&opts, images);
    return rc;
}

const struct dmpi_opt dmpi_run_cmd_opts[] = {
    {"np", 'n', DMPI_OPT_INT, offsetof(struct dmpi_run_cmd, np), "N",
     "ranks (default: one for each slot)", 1, 1 << 20},
    {"slots", 0, DMPI_OPT_INT, offsetof(struct dmpi_run_cmd, slots), "N",
     "ranks that each worker takes in this job", 1, 65536},
    {"job-name", 0, DMPI_OPT_STR, offsetof(struct dmpi_run_cmd, job_name), "NAME",
     "a name for the job, by which every command and message then calls it; free again when it "
     "ended",
     0, 0},
    {"env", 'e', DMPI_OPT_LIST, offsetof(struct dmpi_run_cmd, env), "K=V",
     "set a variable for every rank", 0, 0},
    {"mca", 0, DMPI_OPT_PAIR, offsetof(struct dmpi_run_cmd, mca), "KEY VALUE",
     "an MCA parameter of Open MPI", 0, 0},
    {"tune", 0, DMPI_OPT_STR, offsetof(struct dmpi_run_cmd, tune), "NAME",
     "tuning set: auto, tcp, ucx, ucc, rocm, none", 0, 0},
    {"backend", 0, DMPI_OPT_STR, offsetof(struct dmpi_run_cmd, backend), "NAME",
     "backend of a PyTorch job: mpi, gloo, nccl", 0, 0},
    {"workdir", 0, DMPI_OPT_STR, offsetof(struct dmpi_run_cmd, workdir), "DIR",
     "where code goes and ranks start (default: that of the cluster)", 0, 0},
    {"detach", 'd', DMPI_OPT_FLAG, offsetof(struct dmpi_run_cmd, detach), NULL,
     "print the job's name (with --json its number, too) and return while it runs", 0, 0},
    {"detach-keys", 0, DMPI_OPT_STR, offsetof(struct dmpi_run_cmd, detach_keys), "KEYS",
     "in a terminal: keys that leave the job running (default ctrl-p,ctrl-q)", 0, 0},
    {"interactive", 'i', DMPI_OPT_FLAG, offsetof(struct dmpi_run_cmd, interactive), NULL,
     "give rank 0 our standard input (Open MPI 5.0 loses parts of large ones)", 0, 0},
    {"map", 0, DMPI_OPT_FLAG, offsetof(struct dmpi_run_cmd, map), NULL,
     "print on stderr where each rank is, as soon as all have come; --json: as one object", 0, 0},
    {"verify", 0, DMPI_OPT_FLAG, offsetof(struct dmpi_run_cmd, verify), NULL,
     "tell which transports Open MPI uses; others than --tune asks for end the job", 0, 0},
    {"tag", 0, DMPI_OPT_FLAG, offsetof(struct dmpi_run_cmd, tag), NULL,
     "begin each line of output with the number of its rank: \"3: text\"", 0, 0},
    {"output", 0, DMPI_OPT_STR, offsetof(struct dmpi_run_cmd, output), "DIR",
     "write what each rank prints to DIR/rank-N.log (rank-N.err: standard error), too; not with -d",
     0, 0},
    {"rm", 0, DMPI_OPT_FLAG, offsetof(struct dmpi_run_cmd, remove), NULL,
     "remove the job with its log at its end, unless it was left running", 0, 0},
    {"keep", 0, DMPI_OPT_FLAG, offsetof(struct dmpi_run_cmd, keep), NULL,
     "keep it for logs and wait until jobs --prune or down (the default)", 0, 0},
    {"restart-on-failure", 0, DMPI_OPT_INT, offsetof(struct dmpi_run_cmd, restarts), "K",
     "start the job again when it failed, K times at most, also when nobody is attached", 0, 1000},
    {"stall", 0, DMPI_OPT_DURATION, offsetof(struct dmpi_run_cmd, stall_ms), "TIME",
     "tell of a job that is silent for so long and does not go on (default 10m; 0: never)", 0, 0},
    {"timeout", 0, DMPI_OPT_DURATION, offsetof(struct dmpi_run_cmd, timeout_ms), "TIME",
     "cancel the job after this time", 0, 0},
    {"grace", 0, DMPI_OPT_DURATION, offsetof(struct dmpi_run_cmd, grace_ms), "TIME",
     "what ranks get between TERM and KILL when the job is canceled (default 10s)", 0, 0},
    {"dry-run", 0, DMPI_OPT_FLAG, offsetof(struct dmpi_run_cmd, dry_run), NULL,
     "print networks, hostfile and mpirun line; needs no cluster", 0, 0},
    {"image", 0, DMPI_OPT_STR, offsetof(struct dmpi_run_cmd, image), "SPEC",
     "with --dry-run: as if `up --image SPEC` had been done", 0, 0},
    {"workers", 0, DMPI_OPT_STR, offsetof(struct dmpi_run_cmd, workers), "N",
     "with --dry-run: as if `up --workers N` had been done", 0, 0},
    {"ports", 0, DMPI_OPT_STR, offsetof(struct dmpi_run_cmd, ports), "FIRST-LAST",
     "with --dry-run: as if `up --ports FIRST-LAST` had been done", 0, 0},
    {0},
};

static const struct dmpi_run_cmd defaults = {.grace_ms = DMPI_GRACE_MS, .stall_ms = DMPI_STALL_MS};

const struct dmpi_verb dmpi_verb_run = {
    .name = "run",
    .args = "JOB|FILE|FOLDER [ARGUMENTS]  |  -- PROGRAM [ARGUMENTS]",
    .summary = "run a job on the cluster under mpirun and return its exit code",
    .details =
        "  dockmpi run multinode_ddp_mpi -- 3 1     a built-in job\n"
        "  dockmpi run ./train.py --epochs 3        a file of yours, sent to every worker\n"
        "  dockmpi run -- hostname                  a program that the image has\n"
        "What follows the job's name belongs to the job. Ctrl-C (or TERM to this program) cancels\n"
        "the job: its ranks get TERM and --grace to end well; a second one kills them. A job goes\n"
        "on when the terminal goes away (HUP), when this program is ended otherwise (QUIT, KILL)\n"
        "and after --detach-keys: attach, logs, wait and cancel find it by its name or number.\n"
        "Exit code: the job's own; 130 after Ctrl-C, 143 when it was canceled otherwise, 124 "
        "after\n"
        "--timeout, 125 when dockmpi failed or somebody removed the job's container.\n"
        "--output: what no rank has printed, such as mpirun's and dockmpi's words, is in\n"
        "DIR/job.log. With -d there is nobody to write files: give --tag, later logs --output.",
    .opts = dmpi_run_cmd_opts,
    .opts_size = sizeof(struct dmpi_run_cmd),
    .defaults = &defaults,
    .how = DMPI_FIRST_STOPS,
    .json = true,
    .run = run,
};
