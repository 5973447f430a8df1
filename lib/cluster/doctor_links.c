// SPDX-License-Identifier: MIT
// The pure half of the doctor's look at the network: what the dials say, and what follows from it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "cluster/doctor_impl.h"

#define TOLD_MAX 12     // findings of one kind
#define TOO_SLOW 10.0   // MiB/s: less than 100 Mbit/s
#define FAST_ENOUGH 100 // MiB/s, a gigabit: never told, however fast the others are
#define TOO_FAR 20.0    // ms: another region of the world

bool dmpi_dial_parse(struct dmpi_dial *out, const char *line)
{
    int used = 0;
    *out = (struct dmpi_dial){.rtt_ms = -1, .mib_s = -1};
    if (sscanf(line, "%31s %n", out->to, &used) != 1)
        return false;
    if (dmpi_text_starts_with(line + used, "failed ")) {
        out->error = dmpi_text_print_safe(line + used + strlen("failed "));
        return true;
    }
    return sscanf(line + used, "%lf %lf", &out->rtt_ms, &out->mib_s) == 2;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct spread {
    size_t measured, failed;
    double rtt_min, rtt_max, mib_min, mib_max, mib_median;
};

static void spread_of(struct spread *out, const struct dmpi_dial *dials, size_t n)
{
    dmpi_autofree double *mib = dmpi_xcalloc(n + 1, sizeof *mib);
    *out = (struct spread){0};
    for (size_t i = 0; i < n; i++) {
        const struct dmpi_dial *d = &dials[i];
        out->failed += d->error != NULL;
        if (d->error || d->rtt_ms < 0)
            continue;
        if (!out->measured || d->rtt_ms < out->rtt_min)
            out->rtt_min = d->rtt_ms;
        if (d->rtt_ms > out->rtt_max)
            out->rtt_max = d->rtt_ms;
        mib[out->measured++] = d->mib_s;
    }
    if (!out->measured)
        return;
    qsort(mib, out->measured, sizeof *mib, by_value);
    out->mib_min = mib[0];
    out->mib_max = mib[out->measured - 1];
    out->mib_median = mib[out->measured / 2];
}

static char *remedy_of(const struct dmpi_ports *ports)
{
    dmpi_autofree char *range =
        dmpi_ports_given(ports) ? dmpi_ports_str(ports) : dmpi_xstrdup("all TCP ports");
    return dmpi_xasprintf(
        "open %s%s between the nodes (a security group that allows %s from itself; "
        "firewalls), use one MTU, and check that addr: in the cluster file is the "
        "address they reach each other by",
        dmpi_ports_given(ports) ? "TCP ports " : "", range,
        dmpi_ports_given(ports) ? "these" : "all TCP");
}

static void judge_failures(struct dmpi_report *r, const struct dmpi_dial *dials, size_t n,
                           size_t failed, const struct dmpi_ports *ports)
{
    size_t told = 0;
    dmpi_autofree char *remedy = remedy_of(ports);
    for (size_t i = 0; i < n && told < TOLD_MAX; i++) {
        if (!dials[i].error)
            continue;
        told++;
        dmpi_report_add(r, DMPI_BAD, "network", dials[i].node, remedy, "%s cannot reach %s: %s",
                        dials[i].from, dials[i].to, dials[i].error);
    }
    if (failed > told)
        dmpi_report_add(r, DMPI_BAD, "network", NULL, "the same", "%zu more pairs cannot, either",
                        failed - told);
}

// A link far below the others, or too slow for MPI in any case. One host that is slow slows all links
// from it and, by their acknowledgements, those to it: in a small cluster that is most of the links,
// so that a comparison alone would find nothing.
static bool is_slow(const struct dmpi_dial *d, const struct spread *s)
{
    return d->mib_s < TOO_SLOW || (d->mib_s < FAST_ENOUGH && d->mib_s < s->mib_median / 4);
}

static void judge_slow(struct dmpi_report *r, const struct dmpi_dial *dials, size_t n,
                       const struct spread *s)
{
    size_t told = 0;
    for (size_t i = 0; i < n && told < TOLD_MAX; i++) {
        const struct dmpi_dial *d = &dials[i];
        if (d->error || d->rtt_ms < 0 || (!is_slow(d, s) && d->rtt_ms <= TOO_FAR))
            continue;
        told++;
        dmpi_report_add(
            r, DMPI_DOUBTFUL, "network", d->node,
            "every collective waits for the slowest link: keep the nodes in one zone and "
            "look for what shares or limits this one",
            "%s to %s: latency %.2f ms, %.1f MiB/s, where half of the links have %.0f "
            "MiB/s or more",
            d->from, d->to, d->rtt_ms, d->mib_s, s->mib_median);
    }
}

void dmpi_dials_judge(struct dmpi_report *report, const struct dmpi_dial *dials, size_t n,
                      const struct dmpi_ports *ports)
{
    struct spread s;
    const struct dmpi_ports ranks = dmpi_ports_ranks(ports);
    dmpi_autofree char *range = dmpi_ports_str(&ranks);
    dmpi_autofree char *where =
        dmpi_ports_given(ports) ? dmpi_xasprintf("ports %s", range) : dmpi_xstrdup("any port");
    spread_of(&s, dials, n);
    judge_failures(report, dials, n, s.failed, ports);
    judge_slow(report, dials, n, &s);
    if (s.failed)
        return;
    if (!s.measured)
        dmpi_report_add(
            report, DMPI_GOOD, "network", NULL, NULL,
            "all workers reach each other by ssh; the image has no perl, so other ports "
            "were not tried");
    else
        dmpi_report_add(report, DMPI_GOOD, "network", NULL, NULL,
                        "all workers reach each other on %s: latency %.2f to %.2f ms, %.0f "
                        "to %.0f MiB/s",
                        where, s.rtt_min, s.rtt_max, s.mib_min, s.mib_max);
}
