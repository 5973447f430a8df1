// SPDX-License-Identifier: MIT
#include "job/why.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/text.h"
#include "hint.h"
#include "jobset.h"
#include "out.h"
#include "verbs.h"

static void add_row(struct dmpi_table *table, const struct dmpi_why *why,
                    const struct dmpi_why_rank *r)
{
    char rank[16], pid[16] = "", cpu[16] = "", threads[16] = "";
    const struct dmpi_why_proc *p = r->proc;
    dmpi_autofree char *peers = dmpi_why_peers_text(why, r);

    snprintf(rank, sizeof rank, "%d", r->rank);
    if (p) {
        snprintf(pid, sizeof pid, "%d", p->pid);
        snprintf(cpu, sizeof cpu, "%.0f %%", r->cpu * 100);
        snprintf(threads, sizeof threads, "%d", p->threads);
    }
    dmpi_table_row(table, rank, r->place ? r->place->node : "", r->place ? r->place->alias : "",
                   pid, dmpi_why_doing_word(r->doing), cpu, threads, p ? p->channel : "", peers,
                   p ? p->name : "", NULL);
}

static void print_line(const char *text)
{
    dmpi_autofree char *safe = dmpi_text_print_safe(text);
    puts(safe);
}

static void print_note(const char *text)
{
    dmpi_autofree char *note = dmpi_hint(text);
    print_line(note);
}

static void print(const struct dmpi_why *why)
{
    const struct dmpi_why_verdict *v = &why->verdict;
    struct dmpi_table table;
    dmpi_autofree char *conclusion = dmpi_hint(v->conclusion);
    dmpi_autofree char *head =
        dmpi_xasprintf("job %s: %s", dmpi_member_called(why->job), conclusion);

    print_line(head);
    for (size_t i = 0; i < v->notes.n; i++)
        print_note(v->notes.v[i]);
    if (why->last_line) {
        dmpi_autofree char *last =
            dmpi_xasprintf("last output, %s: %s", why->last_at, why->last_line);
        print_line(last);
    }
    if (!v->n)
        return;
    dmpi_table_start(&table, "RANK", "NODE", "WORKER", "PID", "DOES", "CPU", "THREADS", "WAITS IN",
                     "PEERS", "NAME", NULL);
    for (size_t i = 0; i < v->n; i++)
        add_row(&table, why, &v->ranks[i]);
    dmpi_table_print(&table);
}

static int run(void *arg, const struct dmpi_strv *operands, struct dmpi_err *err)
{
    const struct dmpi_common *common = arg;
    struct dmpi_jobset set;
    struct dmpi_why why = {0};
    if (operands->n > 1)
        return dmpi_usage(err, "why takes one job at most");
    int rc = dmpi_jobset_open(&set, common, operands, true, err);
    if (rc == 0)
        rc = dmpi_why_ask(&why, set.session.fleet, &set.state, set.jobs[0], dmpi_app_ctl(), err);
    if (rc == 0 && common->json)
        dmpi_out_json(dmpi_why_json(&why));
    else if (rc == 0)
        print(&why);
    dmpi_why_free(&why);
    dmpi_jobset_close(&set);
    return rc;
}

static const struct dmpi_opt opts[] = {{0}};

const struct dmpi_verb dmpi_verb_why = {
    .name = "why",
    .args = "[JOB]",
    .summary = "why a job (default: the newest that runs, else the newest) does not go on: what "
               "each of its ranks does",
    .details =
        "Looks twice, a second apart. A rank that computes uses a processor by itself; one that\n"
        "polls waits for messages and asks the kernel again and again; WAITS IN is the\n"
        "kernel's function in which a rank sleeps, PEERS are the ranks it is connected to.",
    .opts = opts,
    .opts_size = sizeof(struct dmpi_common),
    .json = true,
    .run = run,
};
