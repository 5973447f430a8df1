// SPDX-License-Identifier: MIT
// What one rank does, where it is and whom it talks to.
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/why_judge.h"

#define BUSY 0.3        // of a processor
#define POLLING 0.25    // share of the kernel: a rank that polls makes system calls all the time
#define POLLING_TICKS 3 // fewer ticks tell nothing about shares

// Reads a number and steps over it.
static bool take(const char **text, long *out)
{
    char *end;
    if (**text < '0' || **text > '9')
        return false;
    *out = strtol(*text, &end, 10);
    *text = end;
    return *out >= 0 && *out <= 1 << 20;
}

int dmpi_why_planned(const char *plan, int rank)
{
    long left = rank;
    while (plan && *plan) {
        long first, last, each;
        if (!take(&plan, &first))
            return -1;
        last = first;
        if (*plan == '-') {
            plan++;
            if (!take(&plan, &last))
                return -1;
        }
        if (*plan++ != ':' || !take(&plan, &each) || each < 1 || last < first)
            return -1;
        long here = (last - first + 1) * each;
        if (left < here)
            return (int)(first + left / each);
        left -= here;
        if (*plan == ',')
            plan++;
    }
    return -1;
}

// --- one rank --------------------------------------------------------------------------------

static int64_t ticks(const struct dmpi_why_proc *p)
{
    return p->user[1] - p->user[0] + p->system[1] - p->system[0];
}

static const struct dmpi_why_proc *parent_of(const struct dmpi_why_look *look,
                                             const struct dmpi_why_proc *p)
{
    for (size_t i = 0; i < look->n; i++) {
        if (look->procs[i].pid == p->parent && look->procs[i].rank == p->rank)
            return &look->procs[i];
    }
    return NULL;
}

// The process that mpirun's daemon started: the others are its children.
static const struct dmpi_why_proc *top_of(const struct dmpi_why_look *look, int rank)
{
    const struct dmpi_why_proc *top = NULL;
    for (size_t i = 0; i < look->n; i++) {
        const struct dmpi_why_proc *p = &look->procs[i];
        if (p->rank == rank && !parent_of(look, p) && (!top || p->pid < top->pid))
            top = p;
    }
    return top;
}

static char state_of(const struct dmpi_why_proc *p)
{
    return p->again ? p->again : p->state;
}

static bool waits_for_child(const struct dmpi_why_proc *p)
{
    return strstr(p->channel, "do_wait") || strstr(p->channel, "kernel_wait");
}

// From a shell that waits for its child to what it waits for.
static const struct dmpi_why_proc *telling(const struct dmpi_why_look *look,
                                           const struct dmpi_why_proc *top)
{
    for (size_t depth = 0; depth < look->n && state_of(top) == 'S'; depth++) {
        const struct dmpi_why_proc *best = NULL;
        for (size_t i = 0; i < look->n; i++) {
            const struct dmpi_why_proc *p = &look->procs[i];
            if (p->parent == top->pid && p->rank == top->rank && p != top &&
                (!best || ticks(p) > ticks(best)))
                best = p;
        }
        if (!best || !(waits_for_child(top) || ticks(best) > ticks(top)))
            break;
        top = best;
    }
    return top;
}

static bool is_busy(const struct dmpi_why_rank *r)
{
    // Where ranks share a processor with others, they run little and are always about to.
    return r->cpu >= BUSY || (r->proc->state == 'R' && r->proc->again == 'R' && r->cpu > 0);
}

static void judge_process(struct dmpi_why_rank *r)
{
    const struct dmpi_why_look *look = &r->place->look;
    const struct dmpi_why_proc *top = top_of(look, r->rank);
    int64_t all = 0, system = 0;

    r->doing = DMPI_WHY_ABSENT;
    if (!top)
        return;
    for (size_t i = 0; i < look->n; i++) {
        if (look->procs[i].rank == r->rank) {
            all += ticks(&look->procs[i]);
            system += look->procs[i].system[1] - look->procs[i].system[0];
        }
    }
    r->proc = telling(look, top);
    r->cpu = look->elapsed_ms > 0 ? (double)all * 10 / (double)look->elapsed_ms : 0;
    if (strchr("TtZX", state_of(top)))
        r->proc = top;
    switch (state_of(r->proc)) {
    case 'T':
        r->doing = DMPI_WHY_STOPPED;
        return;
    case 't':
        r->doing = DMPI_WHY_TRACED;
        return;
    case 'Z':
    case 'X':
        r->doing = DMPI_WHY_ENDED;
        return;
    default:
        break;
    }
    if (is_busy(r))
        r->doing = all >= POLLING_TICKS && (double)system >= POLLING * (double)all
                       ? DMPI_WHY_POLLS
                       : DMPI_WHY_COMPUTES;
    else if (r->proc->state == 'D' && r->proc->again == 'D')
        r->doing = DMPI_WHY_BLOCKED;
    else
        r->doing = DMPI_WHY_WAITS;
}

// Where a rank is, or should be. A process that has the rank decides; then the plan.
static const struct dmpi_why_place *place_of(const struct dmpi_why_place *places, size_t n,
                                             const char *plan, int rank)
{
    const struct dmpi_why_place *planned = NULL;
    int index = dmpi_why_planned(plan, rank);
    for (size_t i = 0; i < n; i++) {
        if (top_of(&places[i].look, rank))
            return &places[i];
        if (index >= 0 && places[i].index == index)
            planned = &places[i];
    }
    return planned;
}

void dmpi_why_rank_judge(struct dmpi_why_rank *r, const struct dmpi_why_place *places, size_t n,
                         const char *plan)
{
    const struct dmpi_why_place *lost = NULL;
    size_t faults = 0, nodes = 0;

    for (size_t i = 0; i < n; i++) {
        faults += places[i].fault != NULL;
        nodes += places[i].index == DMPI_WHY_NODE;
        if (places[i].index == DMPI_WHY_NODE)
            lost = &places[i];
    }
    r->place = place_of(places, n, plan, r->rank);
    if (r->place && !r->place->fault) {
        judge_process(r);
    } else if (!r->place) { // on a node that does not answer, perhaps
        r->doing = faults ? DMPI_WHY_UNKNOWN : DMPI_WHY_ABSENT;
        r->place = nodes == 1 ? lost : NULL;
    }
}

// --- peers -----------------------------------------------------------------------------------

static int rank_of(const struct dmpi_why_look *look, int pid)
{
    for (size_t i = 0; i < look->n; i++) {
        if (look->procs[i].pid == pid)
            return look->procs[i].rank;
    }
    return -1;
}

int dmpi_why_peer(const struct dmpi_why_place *places, size_t n, const struct dmpi_why_place *from,
                  const struct dmpi_why_sock *sock, bool *listening)
{
    const char *port = strchr(sock->peer, ':');
    int heard = -1;

    *listening = false;
    if (sock->state == DMPI_TCP_LISTENING)
        return -1;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < places[i].look.n_socks; k++) {
            const struct dmpi_why_sock *s = &places[i].look.socks[k];
            if (strcmp(s->local, sock->peer) == 0 && strcmp(s->peer, sock->local) == 0)
                return rank_of(&places[i].look, s->pid);
            // Nobody there has taken it: who listens on its port is who should. On one host there are others.
            if (s->state == DMPI_TCP_LISTENING && strcmp(strchr(s->local, ':'), port) == 0 &&
                strcmp(places[i].node, from->node) == 0)
                heard = rank_of(&places[i].look, s->pid);
        }
    }
    *listening = heard >= 0;
    return heard;
}
