// SPDX-License-Identifier: MIT
// The pure half of the doctor: what probes say, and what follows from it.
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/text.h"
#include "cluster/doctor.h"
#include "cluster/doctor_impl.h"

#define SKEW_DOUBTFUL_MS 2000
#define DISK_BAD (1LL << 30)
#define DISK_DOUBTFUL (5LL << 30)
#define SHM_DOUBTFUL (64LL << 20)

const char *dmpi_verdict_name(enum dmpi_verdict verdict)
{
    static const char *const names[] = {
        [DMPI_GOOD] = "ok", [DMPI_DOUBTFUL] = "warn", [DMPI_BAD] = "fail"};
    return names[verdict];
}

void dmpi_report_add(struct dmpi_report *r, enum dmpi_verdict verdict, const char *check,
                     const char *node, const char *remedy, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    r->findings = dmpi_xreallocarray(r->findings, r->n + 1, sizeof *r->findings);
    r->findings[r->n++] = (struct dmpi_finding){.verdict = verdict,
                                                .check = check,
                                                .node = dmpi_xstrdup(node ? node : ""),
                                                .text = dmpi_xvasprintf(fmt, args),
                                                .remedy = dmpi_xstrdup(remedy ? remedy : "")};
    va_end(args);
    r->bad += verdict == DMPI_BAD;
    r->doubtful += verdict == DMPI_DOUBTFUL;
}

void dmpi_report_free(struct dmpi_report *report)
{
    if (!report)
        return;
    for (size_t i = 0; i < report->n; i++) {
        free(report->findings[i].node);
        free(report->findings[i].text);
        free(report->findings[i].remedy);
    }
    free(report->findings);
    *report = (struct dmpi_report){0};
}

// --- reading -----------------------------------------------------------------------------------

static long long number(const char *text, long long otherwise)
{
    long long value;
    return dmpi_text_int(&value, text, 0, LLONG_MAX) == 0 ? value : otherwise;
}

static void read_line(struct dmpi_probe *p, const char *key, const char *value, long long asked_ms,
                      long long answered_ms)
{
    if (strcmp(key, "now") == 0) {
        long long ns = number(value, -1);
        p->rtt_ms = answered_ms - asked_ms;
        if (ns >= 0)
            p->skew_ms = ns / 1000000 - (asked_ms + answered_ms) / 2;
    } else if (strcmp(key, "shm") == 0) {
        p->shm = number(value, -1);
    } else if (strcmp(key, "disk") == 0) {
        p->disk = number(value, -1);
    } else if (strcmp(key, "memory") == 0) {
        p->memory = number(value, -1);
    } else if (strcmp(key, "memlock") == 0) {
        p->memlock = strcmp(value, "unlimited") == 0 ? -1 : number(value, -2);
    } else if (strcmp(key, "mpi") == 0 && *value) {
        free(p->mpi);
        p->mpi = dmpi_text_print_safe(value);
    }
}

void dmpi_probe_parse(struct dmpi_probe *out, const char *text, long long asked_ms,
                      long long answered_ms)
{
    out->shm = out->disk = out->memory = -1;
    out->memlock = -2;
    struct dmpi_strv lines = dmpi_strv_split(text, '\n');
    for (size_t i = 0; i < lines.n; i++) {
        char *space = strchr(lines.v[i], ' ');
        if (!space)
            continue;
        *space = '\0';
        read_line(out, lines.v[i], space + 1 + strspn(space + 1, " "), asked_ms, answered_ms);
    }
    dmpi_strv_free(&lines);
}

void dmpi_probe_clear(struct dmpi_probe *probe)
{
    free(probe->node);
    free(probe->mpi);
    free(probe->iface);
    free(probe->cidr);
    *probe = (struct dmpi_probe){0};
}

// --- judging one node --------------------------------------------------------------------------

static void judge_clock(struct dmpi_report *r, const struct dmpi_probe *p)
{
    long long off = llabs(p->skew_ms) - p->rtt_ms / 2;
    if (off > SKEW_DOUBTFUL_MS)
        dmpi_report_add(
            r, DMPI_DOUBTFUL, "clock", p->node,
            "turn time synchronisation on there (systemctl enable --now systemd-timesyncd, "
            "or chrony)",
            "its clock is %lld.%lld s %s ours", llabs(p->skew_ms) / 1000,
            llabs(p->skew_ms) % 1000 / 100, p->skew_ms > 0 ? "ahead of" : "behind");
}

static void judge_space(struct dmpi_report *r, const struct dmpi_probe *p)
{
    char size[16];
    if (p->disk >= 0 && p->disk < DISK_DOUBTFUL)
        dmpi_report_add(r, p->disk < DISK_BAD ? DMPI_BAD : DMPI_DOUBTFUL, "disk", p->node,
                        "free space there: docker system df, docker image prune",
                        "%s left on the engine's disk", dmpi_text_human_bytes(size, p->disk));
    if (p->shm >= 0 && p->shm < SHM_DOUBTFUL)
        dmpi_report_add(r, DMPI_DOUBTFUL, "shm", p->node,
                        "dockmpi up --shm-size 1g (PyTorch's loaders and MPI use it)",
                        "/dev/shm has %s only", dmpi_text_human_bytes(size, p->shm));
}

static void judge_network(struct dmpi_report *r, const struct dmpi_probe *p)
{
    if (p->iface)
        dmpi_report_add(r, DMPI_GOOD, "interface", p->node, NULL, "data over %s, %s, MTU %d",
                        p->iface, p->cidr ? p->cidr : "network unknown", p->mtu);
}

// --- comparing nodes ---------------------------------------------------------------------------

static void compare_mtu(struct dmpi_report *r, const struct dmpi_probe *probes, size_t n)
{
    const struct dmpi_probe *first = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!probes[i].mtu)
            continue;
        if (!first) {
            first = &probes[i];
        } else if (first->mtu != probes[i].mtu) {
            dmpi_report_add(
                r, DMPI_DOUBTFUL, "mtu", probes[i].node,
                "give all hosts the same MTU (ip link set dev IFACE mtu N); large messages "
                "stall where a path takes less",
                "MTU %d here, %d on %s", probes[i].mtu, first->mtu, first->node);
            return;
        }
    }
}

static void compare_mpi(struct dmpi_report *r, const struct dmpi_probe *probes, size_t n)
{
    const struct dmpi_probe *first = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!probes[i].mpi)
            continue;
        if (!first)
            first = &probes[i];
        else if (strcmp(first->mpi, probes[i].mpi) != 0)
            dmpi_report_add(
                r, DMPI_BAD, "mpi", probes[i].node,
                "use images with one version of Open MPI; dockmpi image push renews them",
                "%s here, %s on %s", probes[i].mpi, first->mpi, first->node);
    }
    if (first)
        dmpi_report_add(r, DMPI_GOOD, "mpi", NULL, NULL, "%s", first->mpi);
}

void dmpi_probes_judge(struct dmpi_report *report, const struct dmpi_probe *probes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        judge_network(report, &probes[i]);
        judge_clock(report, &probes[i]);
        judge_space(report, &probes[i]);
    }
    compare_mtu(report, probes, n);
    compare_mpi(report, probes, n);
}
