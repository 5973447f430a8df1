// SPDX-License-Identifier: MIT
#include "job/cancel.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "job/jobs.h"
#include "out.h"
#include "run.h"
#include "state.h"
#include "verbs.h"

struct cancel {
    struct dmpi_common common;
    const char *signal;
    int64_t grace_ms;
    bool all;
};

/* What is ended, and with whom. */
struct work {
    const struct cancel *o;
    struct dmpi_session session;
    struct dmpi_state state;
    struct dmpi_cancel_job *jobs;
    size_t n;
    struct dmpi_ranks ranks;
};

/* Ranks can outlive their job's container, which a number still names. */
static int add(struct work *w, const char *name, struct dmpi_err *err)
{
    long long number;
    const struct dmpi_member *m = dmpi_job_find(&w->state, w->session.spec.name, name, err);
    if (!m && name && dmpi_text_int(&number, name, 1, INT32_MAX) == 0)
        *err = (struct dmpi_err)DMPI_ERR_INIT;
    else if (!m)
        return -1;
    w->jobs[w->n++] = (struct dmpi_cancel_job){.id = m ? m->job : name, .member = m};
    return 0;
}

static int choose(struct work *w, const struct dmpi_strv *names, struct dmpi_err *err)
{
    const struct dmpi_state *state = &w->state;
    w->jobs = dmpi_xcalloc(state->n + names->n + 1, sizeof *w->jobs);
    if (w->o->all) {
        /* Those that have ended, too: ranks may have outlived them. */
        for (size_t i = 0; i < state->n; i++)
            if (state->members[i].role == DMPI_JOB)
                w->jobs[w->n++] = (struct dmpi_cancel_job){.id = state->members[i].job,
                                                           .member = &state->members[i]};
        return 0;
    }
    for (size_t i = 0; i < names->n; i++)
        if (add(w, names->v[i], err) < 0)
            return -1;
    if (names->n)
        return 0;
    for (size_t i = 0; i < state->n_nodes; i++)
        if (state->errs[i].code != DMPI_OK && !dmpi_state_launcher(state, w->session.spec.name))
            return dmpi_err_set(err, state->errs[i].code,
                                "which job is the newest cannot be told, name it by its number: %s",
                                state->errs[i].msg);
    const struct dmpi_member *m = dmpi_job_running(state, w->session.spec.name);
    if (m)
        w->jobs[w->n++] = (struct dmpi_cancel_job){.id = m->job, .member = m};
    return 0;
}

/* A number that names nothing at all. */
static int check_known(const struct work *w, struct dmpi_err *err)
{
    for (size_t i = 0; i < w->n; i++)
        if (!w->jobs[i].member && w->ranks.ended == 0 && w->ranks.unverified == 0) {
            dmpi_job_find(&w->state, w->session.spec.name, w->jobs[i].id, err);
            return -1;
        }
    return 0;
}

static bool had_ended(const struct dmpi_cancel_job *job)
{
    return job->err.code == DMPI_OK && job->member && dmpi_member_ended(job->member);
}

static const char *outcome(const struct work *w, const struct dmpi_cancel_job *job)
{
    if (job->err.code != DMPI_OK)
        return "not ended";
    if (!job->member)
        return dmpi_state_failed(&w->state) ? "its container was not found"
                                            : "its container was gone";
    if (had_ended(job))
        return "had ended before";
    return w->ranks.unverified ? "not verified" : "canceled";
}

/* With --all only what was done is of interest. */
static bool is_shown(const struct work *w, const struct dmpi_cancel_job *job)
{
    return !w->o->all || !had_ended(job);
}

/* "worker-1 on node h1". Owned by the caller. */
static char *place_text(const struct dmpi_ranks_place *place)
{
    return dmpi_xasprintf("%s%snode %s", place->worker, *place->worker ? " on " : "", place->node);
}

static const char *called(const struct dmpi_cancel_job *job)
{
    return job->member ? dmpi_member_called(job->member) : job->id;
}

static void print_json(const struct work *w)
{
    json_t *result = dmpi_json_new_obj(), *jobs = dmpi_json_new_arr(),
           *unverified = dmpi_json_new_arr();
    for (size_t i = 0; i < w->n; i++) {
        const struct dmpi_cancel_job *job = &w->jobs[i];
        if (!is_shown(w, job))
            continue;
        json_t *o = dmpi_json_new_obj();
        dmpi_json_set_str(o, "job", job->id);
        dmpi_json_set_str(o, "outcome", outcome(w, job));
        dmpi_json_set(o, "heeded", job->counted ? json_integer(job->heeded) : json_null());
        dmpi_json_set(o, "killed", job->counted ? json_integer(job->killed) : json_null());
        dmpi_json_add(jobs, o);
    }
    for (size_t i = 0; i < w->ranks.n; i++) {
        const struct dmpi_ranks_place *place = &w->ranks.v[i];
        if (place->err.code == DMPI_OK)
            continue;
        json_t *o = dmpi_json_new_obj();
        if (*place->worker)
            dmpi_json_set_str(o, "worker", place->worker);
        dmpi_json_set_str(o, "node", place->node);
        dmpi_json_set_str(o, "reason", place->err.msg);
        dmpi_json_add(unverified, o);
    }
    dmpi_json_set(result, "jobs", jobs);
    dmpi_json_set_int(result, "processes_ended", w->ranks.ended);
    dmpi_json_set(result, "unverified", unverified);
    dmpi_out_json(result);
}

static void print_job(const struct work *w, const struct dmpi_cancel_job *job)
{
    const struct dmpi_ranks_place *place = w->ranks.v;
    if (job->err.code != DMPI_OK || had_ended(job) || !w->ranks.unverified) {
        dmpi_out_line("job %s: %s", called(job), outcome(w, job));
    } else {
        while (place->err.code == DMPI_OK)
            place++;
        dmpi_autofree char *where = place_text(place);
        dmpi_out_line("job %s: could not be verified on %s%s", called(job), where,
                      w->ranks.unverified > 1 ? " and others" : "");
    }
    dmpi_run_tell_killed(called(job), job->heeded, job->killed);
}

static void print(const struct work *w)
{
    size_t shown = 0;
    for (size_t i = 0; i < w->n; i++) {
        const struct dmpi_cancel_job *job = &w->jobs[i];
        if (!is_shown(w, job))
            continue;
        shown++;
        print_job(w, job);
    }
    if (!shown)
        dmpi_out_note("no job of cluster %s is running", w->session.spec.name);
    if (w->ranks.ended > 0)
        dmpi_out_note("%d process%s left on the workers %s killed, too", w->ranks.ended,
                      w->ranks.ended == 1 ? "" : "es", w->ranks.ended == 1 ? "was" : "were");
    for (size_t i = 0; w->ranks.unverified > 1 && i < w->ranks.n; i++) {
        const struct dmpi_ranks_place *place = &w->ranks.v[i];
        if (place->err.code == DMPI_OK)
            continue;
        dmpi_autofree char *where = place_text(place);
        dmpi_out_note("not verified: %s: %s", where, place->err.msg);
    }
}

static int end_them(struct work *w, struct dmpi_err *err)
{
    const struct dmpi_cancel_opts opts = {.signal = w->o->signal, .grace_ms = w->o->grace_ms};
    int rc = dmpi_cancel(&w->ranks, w->session.fleet, &w->state, w->session.spec.name, w->jobs,
                         w->n, &opts, dmpi_app_ctl(), err);
    if (rc == 0 && check_known(w, err) < 0)
        return -1;
    if (w->o->common.json)
        print_json(w);
    else
        print(w);
    return rc;
}

static int run(void *arg, const struct dmpi_strv *operands, struct dmpi_err *err)
{
    const struct cancel *o = arg;
    if (o->all && operands->n)
        return dmpi_usage(err, "--all and names of jobs exclude each other");
    if (o->grace_ms > DMPI_GRACE_MAX_MS)
        return dmpi_usage(err, "--grace: more than 24h");
    struct work w = {.o = o};
    int rc = dmpi_session_open(&w.session, &o->common, err);
    if (rc == 0)
        rc = dmpi_session_members(&w.state, &w.session, err);
    if (rc == 0)
        rc = choose(&w, operands, err);
    if (rc == 0)
        rc = end_them(&w, err);
    dmpi_ranks_free(&w.ranks);
    free(w.jobs);
    dmpi_state_free(&w.state);
    dmpi_session_close(&w.session);
    return rc;
}

static const struct cancel defaults = {.grace_ms = -1};

static const struct dmpi_opt opts[] = {
    {"all", 'a', DMPI_OPT_FLAG, offsetof(struct cancel, all), NULL, "every job of the cluster", 0,
     0},
    {"signal", 's', DMPI_OPT_STR, offsetof(struct cancel, signal), "NAME",
     "what the job gets first (default TERM)", 0, 0},
    {"grace", 0, DMPI_OPT_DURATION, offsetof(struct cancel, grace_ms), "TIME",
     "what ranks get between TERM and KILL; 0: now (default: as run --grace, 10s)", 0, 0},
    {0},
};

const struct dmpi_verb dmpi_verb_cancel = {
    .name = "cancel",
    .args = "[JOB...]",
    .summary = "end jobs (default: the newest that runs): every rank on every worker",
    .details =
        "Every rank gets TERM, and KILL after --grace; it ends as soon as all ranks have. Then\n"
        "every worker is looked at: what could not be seen to be clean is named, the exit\n"
        "code is 125, and the same command later finishes the work. The job's exit code is 143,\n"
        "or 137 where it was killed without grace, and its state is canceled.",
    .opts = opts,
    .opts_size = sizeof(struct cancel),
    .defaults = &defaults,
    .json = true,
    .run = run,
};
