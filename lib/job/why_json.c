// SPDX-License-Identifier: MIT
// The result of `why` for programs, and whom a rank is connected to.
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "job/jobs.h"
#include "job/why.h"

#define PEERS_SHOWN 8
#define TEXT_MAX 4096

// One connection of a rank to another.
struct peer {
    int rank;
    bool waiting; // not taken yet by the other
    int64_t unsent, unread;
};

static bool of_rank(const struct dmpi_why_rank *r, int pid)
{
    const struct dmpi_why_look *look = &r->place->look;
    for (size_t i = 0; i < look->n; i++) {
        if (look->procs[i].pid == pid)
            return look->procs[i].rank == r->rank;
    }
    return false;
}

// *out is the caller's; several connections to one rank are one peer. In the order of their ranks.
static size_t peers_of(struct peer **out, const struct dmpi_why *why, const struct dmpi_why_rank *r)
{
    size_t n = 0;
    *out = NULL;
    for (size_t i = 0; r->proc && i < r->place->look.n_socks; i++) {
        const struct dmpi_why_sock *s = &r->place->look.socks[i];
        bool waiting = false;
        int rank =
            of_rank(r, s->pid) ? dmpi_why_peer(why->places, why->n, r->place, s, &waiting) : -1;
        size_t at = 0;
        if (rank < 0 || rank == r->rank)
            continue;
        while (at < n && (*out)[at].rank < rank)
            at++;
        if (at == n || (*out)[at].rank != rank) {
            *out = dmpi_xreallocarray(*out, n + 1, sizeof(**out));
            memmove(*out + at + 1, *out + at, (n++ - at) * sizeof(**out));
            (*out)[at] = (struct peer){.rank = rank, .waiting = waiting};
        }
        (*out)[at].unsent += s->unsent;
        (*out)[at].unread += s->unread;
    }
    return n;
}

char *dmpi_why_peers_text(const struct dmpi_why *why, const struct dmpi_why_rank *rank)
{
    struct dmpi_buf out = DMPI_BUF_INIT(TEXT_MAX);
    struct peer *peers;
    size_t n = peers_of(&peers, why, rank);

    for (size_t i = 0; i < n && i < PEERS_SHOWN; i++) {
        char size[16];
        dmpi_buf_addf(&out, "%s%d", i ? ", " : "", peers[i].rank);
        if (peers[i].unsent > 0)
            dmpi_buf_addf(&out, " (%s unsent)", dmpi_text_human_bytes(size, peers[i].unsent));
        if (peers[i].unread > 0)
            dmpi_buf_addf(&out, " (%s unread)", dmpi_text_human_bytes(size, peers[i].unread));
        if (peers[i].waiting)
            dmpi_buf_adds(&out, " (does not accept)");
    }
    if (n > PEERS_SHOWN)
        dmpi_buf_addf(&out, " and %zu more", n - PEERS_SHOWN);
    free(peers);
    return dmpi_buf_steal(&out);
}

static json_t *peers_json(const struct dmpi_why *why, const struct dmpi_why_rank *r)
{
    struct peer *peers;
    size_t n = peers_of(&peers, why, r);
    json_t *list = dmpi_json_new_arr();
    for (size_t i = 0; i < n; i++) {
        json_t *o = dmpi_json_new_obj();
        dmpi_json_set_int(o, "rank", peers[i].rank);
        dmpi_json_set_bool(o, "accepted", !peers[i].waiting);
        dmpi_json_set_int(o, "unsent", peers[i].unsent);
        dmpi_json_set_int(o, "unread", peers[i].unread);
        dmpi_json_add(list, o);
    }
    free(peers);
    return list;
}

static void add_process(json_t *o, const struct dmpi_why_proc *p)
{
    char state[2] = {p->again ? p->again : p->state, '\0'};
    dmpi_json_set_int(o, "pid", p->pid);
    dmpi_json_set_str(o, "name", p->name);
    dmpi_json_set_str(o, "state", state);
    dmpi_json_set_int(o, "threads", p->threads);
    dmpi_json_set_str(o, "wait_channel", p->channel);
    dmpi_json_set_str(o, "system_call", p->call);
    dmpi_json_set(o, "stack", dmpi_json_strv(&p->stack));
}

static json_t *ranks_json(const struct dmpi_why *why)
{
    json_t *list = dmpi_json_new_arr();
    for (size_t i = 0; i < why->verdict.n; i++) {
        const struct dmpi_why_rank *r = &why->verdict.ranks[i];
        json_t *o = dmpi_json_new_obj();
        dmpi_json_set_int(o, "rank", r->rank);
        dmpi_json_set_str(o, "worker", r->place && r->place->alias[0] ? r->place->alias : NULL);
        dmpi_json_set_str(o, "node", r->place ? r->place->node : NULL);
        dmpi_json_set_str(o, "doing", dmpi_why_doing_word(r->doing));
        dmpi_json_set(o, "processors", json_real(r->cpu));
        if (r->proc)
            add_process(o, r->proc);
        dmpi_json_set(o, "peers", peers_json(why, r));
        dmpi_json_add(list, o);
    }
    return list;
}

static void set_known(json_t *o, const char *key, int64_t value)
{
    dmpi_json_set(o, key, value < 0 ? json_null() : json_integer(value));
}

static json_t *workers_json(const struct dmpi_why *why)
{
    json_t *list = dmpi_json_new_arr();
    for (size_t i = 0; i < why->n; i++) {
        const struct dmpi_why_place *p = &why->places[i];
        if (p->index < 0)
            continue;
        json_t *o = dmpi_json_new_obj();
        dmpi_json_set_str(o, "worker", p->alias);
        dmpi_json_set_str(o, "node", p->node);
        dmpi_json_set_str(o, "fault", p->fault);
        set_known(o, "oom_kills", p->look.oom_kills);
        set_known(o, "memory", p->look.memory);
        set_known(o, "memory_limit", p->look.memory_limit);
        dmpi_json_set(o, "full", dmpi_json_strv(&p->look.full));
        dmpi_json_add(list, o);
    }
    return list;
}

json_t *dmpi_why_json(const struct dmpi_why *why)
{
    json_t *o = dmpi_json_new_obj();
    dmpi_json_set_str(o, "job", why->job->job);
    dmpi_json_set_str(o, "name", why->job->job_name[0] ? why->job->job_name : NULL);
    dmpi_json_set_str(o, "state", dmpi_job_state(why->job));
    dmpi_json_set_str(o, "conclusion", why->verdict.conclusion);
    dmpi_json_set(o, "notes", dmpi_json_strv(&why->verdict.notes));
    json_t *last = json_null();
    if (why->last_line) {
        last = dmpi_json_new_obj();
        dmpi_json_set_str(last, "at", why->last_at);
        dmpi_json_set_str(last, "line", why->last_line);
    }
    dmpi_json_set(o, "last_output", last);
    dmpi_json_set(o, "ranks", ranks_json(why));
    dmpi_json_set(o, "workers", workers_json(why));
    return o;
}
