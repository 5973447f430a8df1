// SPDX-License-Identifier: MIT
#include "job/why_judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"

#define NAMED_MAX 4 // so many ranks are named one by one
#define LINE_MAX_BYTES 4096

const char *dmpi_why_doing_word(enum dmpi_why_doing doing)
{
    static const char *const words[] = {"unknown", "absent",   "ended", "stopped", "traced",
                                        "blocked", "computes", "polls", "waits"};
    return words[doing];
}

// --- words -----------------------------------------------------------------------------------

static size_t count(const struct dmpi_why_verdict *v, enum dmpi_why_doing doing)
{
    size_t n = 0;
    for (size_t i = 0; i < v->n; i++)
        n += v->ranks[i].doing == doing;
    return n;
}

// "rank 3 (worker-1, node h1)"; of several the first, and how many more.
static char *ranks_that(const struct dmpi_why_verdict *v, enum dmpi_why_doing doing)
{
    struct dmpi_buf out = DMPI_BUF_INIT(LINE_MAX_BYTES);
    size_t all = count(v, doing), named = 0;

    dmpi_buf_adds(&out, all == 1 ? "rank " : "ranks ");
    for (size_t i = 0; i < v->n && named < NAMED_MAX; i++) {
        const struct dmpi_why_rank *r = &v->ranks[i];
        if (r->doing != doing)
            continue;
        dmpi_buf_addf(&out, "%s%d", named ? ", " : "", r->rank);
        if (r->place)
            dmpi_buf_addf(&out, " (%s, node %s)", r->place->alias, r->place->node);
        named++;
    }
    if (all > named)
        dmpi_buf_addf(&out, " and %zu more", all - named);
    return dmpi_buf_steal(&out);
}

static const struct dmpi_why_rank *first_that(const struct dmpi_why_verdict *v,
                                              enum dmpi_why_doing doing)
{
    for (size_t i = 0; i < v->n; i++) {
        if (v->ranks[i].doing == doing)
            return &v->ranks[i];
    }
    return NULL;
}

static const char *verb(size_t n, const char *one, const char *several)
{
    return n == 1 ? one : several;
}

// A fault, with where it is. That of a node says so itself.
static char *fault_text(const struct dmpi_why_place *p)
{
    if (p->index == DMPI_WHY_NODE)
        return dmpi_xstrdup(p->fault);
    return p->index == DMPI_WHY_JOB
               ? dmpi_xasprintf("the job's container on node %s: %s", p->node, p->fault)
               : dmpi_xasprintf("%s on node %s: %s", p->alias, p->node, p->fault);
}

// What is wrong with a container or with what dockmpi has in it, and not with a rank.
static char *judge_places(const struct dmpi_why_place *places, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct dmpi_why_place *p = &places[i];
        if (p->fault)
            return fault_text(p);
        for (size_t k = 0; k < p->look.n_daemons; k++) {
            if (p->look.daemons[k].state != 'T')
                continue;
            return p->index == DMPI_WHY_JOB
                       ? dmpi_xasprintf("mpirun itself is stopped (SIGSTOP) on node %s", p->node)
                       : dmpi_xasprintf("the launch daemon in %s on node %s is stopped (SIGSTOP)",
                                        p->alias, p->node);
        }
    }
    return NULL;
}

// Between the attempts of run --restart-on-failure there are no ranks.
static char *judge_pause(const struct dmpi_why_place *places, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct dmpi_why_place *p = &places[i];
        if (p->index == DMPI_WHY_JOB && p->look.attempt > 0)
            return dmpi_xasprintf("the job waits to start again (attempt %d of %d)",
                                  p->look.attempt, p->look.attempts);
    }
    return NULL;
}

static char *judge_stopped(const struct dmpi_why_verdict *v)
{
    size_t stopped = count(v, DMPI_WHY_STOPPED), traced = count(v, DMPI_WHY_TRACED);
    if (stopped) {
        dmpi_autofree char *who = ranks_that(v, DMPI_WHY_STOPPED);
        const struct dmpi_why_rank *r = first_that(v, DMPI_WHY_STOPPED);
        return dmpi_xasprintf("%s %s stopped (SIGSTOP); `dockmpi exec -w %s -- kill -CONT %d` lets "
                              "%s go on",
                              who, verb(stopped, "is", "are"), r->place->alias, r->proc->pid,
                              verb(stopped, "it", "the first"));
    }
    if (traced) {
        dmpi_autofree char *who = ranks_that(v, DMPI_WHY_TRACED);
        return dmpi_xasprintf("%s %s held by a debugger", who, verb(traced, "is", "are"));
    }
    return NULL;
}

static bool has_mpirun(const struct dmpi_why_place *places, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (places[i].index == DMPI_WHY_JOB && places[i].look.n_daemons > 0)
            return true;
    }
    return false;
}

static bool all_missing(const struct dmpi_why_verdict *v)
{
    return v->n && count(v, DMPI_WHY_ENDED) + count(v, DMPI_WHY_ABSENT) == v->n;
}

// The job has not begun or is about to end, which takes a moment.
static bool is_passing(const struct dmpi_why_verdict *v, const struct dmpi_why_place *places,
                       size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (places[i].fault)
            return false;
    }
    return all_missing(v) && !has_mpirun(places, n);
}

static char *judge_missing(const struct dmpi_why_verdict *v, const struct dmpi_why_place *places,
                           size_t n)
{
    size_t ended = count(v, DMPI_WHY_ENDED), absent = count(v, DMPI_WHY_ABSENT);
    if (all_missing(v))
        return dmpi_xstrdup(has_mpirun(places, n)
                                ? "no rank has a process: all have ended or not started yet, and "
                                  "mpirun waits; should that go on, `dockmpi cancel` ends the job"
                                : "no rank has a process, nor has mpirun: the job starts or ends");
    enum dmpi_why_doing which = absent ? DMPI_WHY_ABSENT : DMPI_WHY_ENDED;
    if (!ended && !absent)
        return NULL;
    dmpi_autofree char *who = ranks_that(v, which);
    return dmpi_xasprintf("%s %s ended, the others wait or go on without %s", who,
                          verb(count(v, which), "has", "have"),
                          verb(count(v, which), "it", "them"));
}

static char *judge_blocked(const struct dmpi_why_verdict *v)
{
    size_t blocked = count(v, DMPI_WHY_BLOCKED);
    if (!blocked)
        return NULL;
    dmpi_autofree char *who = ranks_that(v, DMPI_WHY_BLOCKED);
    return dmpi_xasprintf(
        "%s %s blocked in the kernel (%s): a disk, a file system or a driver does "
        "not answer",
        who, verb(blocked, "is", "are"), first_that(v, DMPI_WHY_BLOCKED)->proc->channel);
}

bool dmpi_why_is_error(const char *line)
{
    static const char *const endings[] = {"Error", "Exception", "Interrupt", "SystemExit"};
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_.0123456789";
    size_t tag = strspn(line, "0123456789");
    if (tag && (line[tag] == ':' || line[tag] == ';') && line[tag + 1] == ' ')
        line += tag + 2;
    size_t len = strspn(line, letters);
    if (line[len] && strncmp(line + len, ": ", 2) != 0)
        return false;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(endings); i++) {
        size_t end = strlen(endings[i]);
        if (len >= end && strncmp(line + len - end, endings[i], end) == 0)
            return true;
    }
    return false;
}

static char *judge_work(const struct dmpi_why_verdict *v)
{
    size_t compute = count(v, DMPI_WHY_COMPUTES), poll = count(v, DMPI_WHY_POLLS);
    size_t wait = count(v, DMPI_WHY_WAITS);
    size_t others = poll + wait;

    if (!v->n)
        return dmpi_xstrdup("the job has no ranks");
    if (compute == 0 && poll == 0)
        return dmpi_xstrdup("every rank sleeps, none uses a processor: each waits for another or "
                            "for something outside");
    if (compute == 0)
        return dmpi_xasprintf("%s: either they exchange messages all the time, or each waits for "
                              "another",
                              wait ? "no rank computes, they poll for messages or sleep"
                                   : "every rank polls for messages");
    if (others == 0)
        return dmpi_xstrdup(v->n == 1 ? "the rank computes: nothing looks stalled"
                                      : "every rank computes: nothing looks stalled");
    if (compute <= others) {
        dmpi_autofree char *who = ranks_that(v, DMPI_WHY_COMPUTES);
        return dmpi_xasprintf("%s %s, the other %zu %s", who, verb(compute, "computes", "compute"),
                              others, verb(others, "waits", "wait"));
    }
    dmpi_autofree char *who = ranks_that(v, poll ? DMPI_WHY_POLLS : DMPI_WHY_WAITS);
    return dmpi_xasprintf("%zu ranks compute, %s %s", compute, who,
                          verb(poll ? poll : wait, "waits", "wait"));
}

// The first fault is the conclusion.
static void add_notes(struct dmpi_strv *notes, const struct dmpi_why_place *places, size_t n)
{
    size_t faults = 0;
    for (size_t i = 0; i < n; i++) {
        const struct dmpi_why_place *p = &places[i];
        if (p->fault && faults++ > 0)
            dmpi_strv_take(notes, fault_text(p));
        for (size_t k = 0; k < p->look.full.n; k++)
            dmpi_strv_addf(notes, "%s on node %s: no space is left in %s", p->alias, p->node,
                           strcmp(p->look.full.v[k], ".") == 0 ? "its working folder"
                                                               : p->look.full.v[k]);
        if (p->look.oom_kills > 0) {
            char limit[16] = "none";
            if (p->look.memory_limit >= 0)
                dmpi_text_human_bytes(limit, p->look.memory_limit);
            dmpi_strv_addf(notes,
                           "%s on node %s: the kernel has killed %lld %s there for want of memory "
                           "since the container started (its limit: %s)",
                           p->alias, p->node, (long long)p->look.oom_kills,
                           verb((size_t)p->look.oom_kills, "process", "processes"), limit);
        }
    }
}

void dmpi_why_judge(struct dmpi_why_verdict *out, const struct dmpi_why_place *places, size_t n,
                    int ranks)
{
    const char *plan = NULL;

    *out = (struct dmpi_why_verdict){.n = ranks > 0 ? (size_t)ranks : 0};
    out->ranks = dmpi_xcalloc(out->n + 1, sizeof(*out->ranks));
    for (size_t i = 0; i < n; i++) {
        if (places[i].look.plan)
            plan = places[i].look.plan;
    }
    for (size_t i = 0; i < out->n; i++) {
        struct dmpi_why_rank *r = &out->ranks[i];
        r->rank = (int)i;
        dmpi_why_rank_judge(r, places, n, plan);
    }
    char *said = judge_places(places, n);
    if (!said)
        said = judge_pause(places, n);
    if (!said)
        said = judge_stopped(out);
    if (!said)
        said = judge_missing(out, places, n);
    if (!said)
        said = judge_blocked(out);
    out->stalled = said ? !is_passing(out, places, n) : count(out, DMPI_WHY_COMPUTES) == 0;
    out->conclusion = said ? said : judge_work(out);
    add_notes(&out->notes, places, n);
}

void dmpi_why_verdict_free(struct dmpi_why_verdict *verdict)
{
    if (!verdict)
        return;
    free(verdict->ranks);
    free(verdict->conclusion);
    dmpi_strv_free(&verdict->notes);
    *verdict = (struct dmpi_why_verdict){0};
}
