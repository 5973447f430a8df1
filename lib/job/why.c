// SPDX-License-Identifier: MIT
#include "job/why.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "engine/containers.h"
#include "engine/exec.h"
#include "fleet/fleet.h"
#include "fleet/parallel.h"
#include "job/fate.h"
#include "job/jobs.h"

#define PLACE_MS ((int64_t)10000) // patience with one worker; its two looks are a second apart
#define ANSWER_MAX (4U << 20)
#define TAIL_MAX 4096

static const char script[] =
#include "job/why.sh.inc"
    ;

struct asking {
    struct dmpi_why *why;
    struct dmpi_fleet *fleet;
    const struct dmpi_member **members; // one a place; NULL: its node did not answer
    const struct dmpi_ctl *ctl;
};

// --- one place -------------------------------------------------------------------------------

static int look_into(struct dmpi_why_look *out, const struct asking *a, const struct dmpi_member *m,
                     const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    const char *const words[] = {"sh", "-c", script, "sh", a->why->job->job};
    struct dmpi_strv argv DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf answer = DMPI_BUF_INIT(ANSWER_MAX);
    struct dmpi_engine *engine;
    int code;

    dmpi_strv_add_array(&argv, words, DMPI_ARRAY_LEN(words));
    if (dmpi_fleet_engine(&engine, a->fleet, m->node, ctl, err) < 0 ||
        dmpi_exec_run(engine, ctl, m->id, &argv, NULL, 0, &answer, NULL, &code, err) < 0)
        return -1;
    return dmpi_why_parse(out, answer.data, answer.len, err);
}

static void look_item(size_t i, void *arg)
{
    struct asking *a = arg;
    struct dmpi_why_place *place = &a->why->places[i];
    const struct dmpi_member *m = a->members[i];
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_ctl ctl = dmpi_ctl_within(a->ctl, PLACE_MS);

    if (!m)
        return;
    if (strcmp(m->state, "running") != 0) {
        place->fault = dmpi_fate_ask(a->fleet, m->node, m->id, &ctl);
        return;
    }
    if (!a->why->running || look_into(&place->look, a, m, &ctl, &err) == 0)
        return;
    dmpi_why_look_free(&place->look);
    place->fault = dmpi_fate_ask(a->fleet, m->node, m->id, &ctl); // died meanwhile?
    if (!place->fault)
        place->fault = err.code == DMPI_ETIMEOUT
                           ? dmpi_xstrdup("a command in its container does not end: its host "
                                          "hangs or is overloaded")
                           : dmpi_xstrdup(err.msg);
}

// --- all of them -----------------------------------------------------------------------------

static struct dmpi_why_place *add_place(struct asking *a, const struct dmpi_member *m)
{
    struct dmpi_why *why = a->why;
    why->places = dmpi_xreallocarray(why->places, why->n + 1, sizeof(*why->places));
    a->members = dmpi_xreallocarray(a->members, why->n + 1, sizeof(struct dmpi_member *));
    a->members[why->n] = m;
    struct dmpi_why_place *p = &why->places[why->n++];
    *p = (struct dmpi_why_place){.index = DMPI_WHY_JOB};
    if (m)
        p->node = dmpi_fleet_name(a->fleet, m->node);
    snprintf(p->alias, sizeof(p->alias), "job");
    if (m && m->role == DMPI_WORKER) {
        p->index = m->index;
        snprintf(p->alias, sizeof(p->alias), "worker-%d", m->index);
    }
    return p;
}

// Nodes without an answer come as places without a number: which workers they have only they know.
static void add_lost_nodes(struct asking *a, const struct dmpi_state *state)
{
    for (size_t i = 0; i < state->n_nodes; i++) {
        if (state->errs[i].code == DMPI_OK)
            continue;
        struct dmpi_why_place *p = add_place(a, NULL);
        p->index = DMPI_WHY_NODE;
        p->node = dmpi_fleet_name(a->fleet, i);
        p->alias[0] = '\0';
        p->fault = dmpi_xstrdup(state->errs[i].msg);
    }
}

static void look_everywhere(struct asking *a, const struct dmpi_state *state)
{
    const struct dmpi_member *job = a->why->job;
    add_lost_nodes(a, state);
    for (size_t i = 0; i < state->n; i++) {
        const struct dmpi_member *m = &state->members[i];
        if (m->role == DMPI_WORKER && strcmp(m->cluster, job->cluster) == 0)
            add_place(a, m);
    }
    if (a->why->running)
        add_place(a, job);
    dmpi_parallel(a->why->n, DMPI_FLEET_WINDOW, look_item, a);
}

// --- the job ---------------------------------------------------------------------------------

// "TIME LINE" of the log. What cannot be read is no reason to tell nothing.
static void read_last(struct dmpi_why *why, struct dmpi_fleet *fleet, const struct dmpi_ctl *ctl)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf out = DMPI_BUF_INIT(TAIL_MAX);
    struct dmpi_sink sink = dmpi_sink_to_buf_capped(&out);
    const struct dmpi_streams streams = {sink, sink};
    const struct dmpi_logs_opts opts = {.timestamps = true, .tail = 1};
    struct dmpi_ctl within = dmpi_ctl_within(ctl, PLACE_MS);
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_engine *engine;

    if (dmpi_fleet_engine(&engine, fleet, why->job->node, ctl, &err) < 0 ||
        dmpi_container_logs(engine, &within, why->job->id, &opts, &streams, &err) < 0)
        return;
    const char *text = dmpi_buf_str(&out), *space = strchr(text, ' ');
    if (!space)
        return;
    why->last_at = dmpi_xstrndup(text, (size_t)(space - text));
    why->last_line = dmpi_xstrndup(space + 1, strcspn(space + 1, "\r\n"));
}

// MPI ends no job whose rank ends by an exception: it waits in MPI_Finalize for the others, and they for it.
static void note_error(struct dmpi_why *why)
{
    if (why->running && why->verdict.stalled && why->last_line && dmpi_why_is_error(why->last_line))
        dmpi_strv_addf(&why->verdict.notes,
                       "the last output is that of an error: the rank that printed it may keep the "
                       "others waiting; `dockmpi logs %s` shows it",
                       dmpi_member_called(why->job));
}

static const char *how_ended(const struct dmpi_member *job)
{
    const char *state = dmpi_job_state(job);
    return strcmp(state, "canceled") == 0  ? "was canceled and ended"
           : strcmp(state, "timeout") == 0 ? "was canceled after --timeout and ended"
                                           : "has ended";
}

static bool has_fault(const struct dmpi_why *why)
{
    for (size_t i = 0; i < why->n; i++) {
        if (why->places[i].fault)
            return true;
    }
    return false;
}

static char *ended_text(const struct dmpi_member *job, const struct dmpi_strv *causes)
{
    dmpi_autofree char *why = dmpi_strv_join(causes, "; ");
    if (job->exit_code < 0)
        return dmpi_xasprintf("the job's container is %s", job->state);
    return dmpi_xasprintf("the job %s with exit code %d%s%s; `dockmpi logs %s` shows what it said",
                          how_ended(job), job->exit_code, causes->n ? ": " : "", why,
                          dmpi_member_called(job));
}

static void conclude_ended(struct dmpi_why *why, struct dmpi_fleet *fleet,
                           const struct dmpi_state *state)
{
    const struct dmpi_member *job = why->job;
    struct dmpi_why_verdict *v = &why->verdict;
    struct dmpi_strv causes DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;

    dmpi_why_judge(v, why->places, why->n, 0);
    if (job->oom_killed)
        dmpi_strv_add(&causes, "the kernel ended a process in the job's own container for want of "
                               "memory (out of memory)");
    dmpi_fates_of(&causes, fleet, state, job);
    // That a container does not run now is no conclusion about a job that has ended.
    if (has_fault(why))
        dmpi_strv_take(&v->notes, v->conclusion);
    else
        free(v->conclusion);
    v->conclusion = ended_text(job, &causes);
}

int dmpi_why_ask(struct dmpi_why *out, struct dmpi_fleet *fleet, const struct dmpi_state *state,
                 const struct dmpi_member *job, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    *out = (struct dmpi_why){.job = job, .running = strcmp(job->state, "running") == 0};
    struct asking a = {.why = out, .fleet = fleet, .ctl = ctl};

    look_everywhere(&a, state);
    free(a.members);
    if (dmpi_ctl_check(ctl, err) < 0)
        return -1;
    if (out->running)
        dmpi_why_judge(&out->verdict, out->places, out->n, job->ranks);
    else
        conclude_ended(out, fleet, state);
    read_last(out, fleet, ctl);
    note_error(out);
    return 0;
}

void dmpi_why_free(struct dmpi_why *why)
{
    if (!why)
        return;
    for (size_t i = 0; i < why->n; i++) {
        dmpi_why_look_free(&why->places[i].look);
        free(why->places[i].fault);
    }
    free(why->places);
    free(why->last_line);
    free(why->last_at);
    dmpi_why_verdict_free(&why->verdict);
    *why = (struct dmpi_why){0};
}
