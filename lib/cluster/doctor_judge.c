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
#define MEMORY_BAD (256LL << 20) // a rank of PyTorch takes about 200 MiB before it does anything
#define MEMORY_DOUBTFUL (1LL << 30)
#define MEMLOCK_DOUBTFUL (1LL << 20) // KiB
#define NO_LIMIT (1LL << 60)         // how cgroup v1 words it: nearly 2^63

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
    for (size_t i = 0; i < report->n_links; i++) {
        free(report->links[i].node);
        free(report->links[i].error);
    }
    free(report->links);
    *report = (struct dmpi_report){0};
}

// --- reading -----------------------------------------------------------------------------------

static long long number(const char *text, long long otherwise)
{
    long long value;
    return dmpi_text_int(&value, text, 0, LLONG_MAX) == 0 ? value : otherwise;
}

// The words of a version: what follows the last space, as in "# Library version: 1.18.1".
static void read_version(char **out, const char *value)
{
    const char *space = strrchr(value, ' ');
    if (!*value)
        return;
    free(*out);
    *out = dmpi_text_print_safe(space ? space + 1 : value);
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
    } else if (strcmp(key, "limit") == 0) {
        long long limit = number(value, 0);
        p->limit = limit < NO_LIMIT ? limit : 0;
    } else if (strcmp(key, "ucx") == 0) {
        read_version(&p->ucx, value);
    } else if (strcmp(key, "torch") == 0) {
        read_version(&p->torch, value);
    } else if (strcmp(key, "fabric") == 0) {
        free(p->fabric);
        p->fabric = dmpi_fabric_text(value);
    } else if (strcmp(key, "rdma") == 0) {
        read_version(&p->rdma, value);
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
    out->limit = 0;
    out->memlock = -2;
    out->services_free = out->ranks_free = -1;
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
    free(probe->ucx);
    free(probe->torch);
    free(probe->rdma);
    free(probe->fabric);
    free(probe->addr);
    free(probe->rival);
    dmpi_strv_free(&probe->refused);
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
                        "`dockmpi up --shm-size 1g` (PyTorch's loaders and MPI use it)",
                        "/dev/shm has %s only", dmpi_text_human_bytes(size, p->shm));
}

static void judge_memory(struct dmpi_report *r, const struct dmpi_probe *p)
{
    char size[16];
    bool limited = p->limit > 0 && (p->memory <= 0 || p->limit < p->memory);
    long long usable = limited ? p->limit : p->memory;
    if (usable > 0 && usable < MEMORY_DOUBTFUL)
        dmpi_report_add(r, usable < MEMORY_BAD ? DMPI_BAD : DMPI_DOUBTFUL, "memory", p->node,
                        limited ? "raise Memory: in options: of the cluster file"
                                : "end what uses it there, or take a larger machine",
                        "%s of memory %s", dmpi_text_human_bytes(size, usable),
                        limited ? "is all that the container may use" : "is available");
    for (size_t i = 0; i < p->refused.n; i++)
        dmpi_report_add(
            r, DMPI_DOUBTFUL, "ulimits", p->node,
            "let the engine's service raise it (CAP_SYS_RESOURCE, LimitMEMLOCK=infinity), "
            "or take it out of options: or image.yaml",
            "the engine may not set the limit %s that was asked for, so it is left out",
            p->refused.v[i]);
    if (p->rdma && p->memlock >= 0 && p->memlock < MEMLOCK_DOUBTFUL)
        dmpi_report_add(r, DMPI_DOUBTFUL, "ulimits", p->node,
                        "memlock: unlimited in image.yaml, or LimitMEMLOCK=infinity for the engine",
                        "%s may be pinned, and RDMA (%s) wants more than that",
                        dmpi_text_human_bytes(size, p->memlock << 10), p->rdma);
}

static void judge_part(struct dmpi_report *r, const struct dmpi_probe *p, const char *whose,
                       const struct dmpi_ports *part, int available, int must, int should)
{
    if (!dmpi_ports_given(part) || available < 0 || available >= should)
        return;
    dmpi_report_add(r, available < must ? DMPI_BAD : DMPI_DOUBTFUL, "ports", p->node,
                    "end what listens there (ss -ltnp), or give the cluster another range with "
                    "ports:",
                    "%d of the ports %d-%d are free, and %s want %d", available, part->first,
                    part->last, whose, should);
}

static void judge_ports(struct dmpi_report *r, const struct dmpi_probe *p)
{
    judge_part(r, p, "sshd and mpirun", &p->services, p->services_free, p->n_workers + 1,
               p->n_workers + 6);
    judge_part(r, p, "the ranks", &p->ranks, p->ranks_free, p->n_ranks, 2 * p->n_ranks);
}

static void judge_network(struct dmpi_report *r, const struct dmpi_probe *p)
{
    if (p->iface)
        dmpi_report_add(r, DMPI_GOOD, "interface", p->node, NULL, "data over %s, %s, MTU %d",
                        p->iface, p->cidr ? p->cidr : "network unknown", p->mtu);
    if (p->iface && p->rival)
        dmpi_report_add(
            r, DMPI_DOUBTFUL, "interface", p->node,
            "give the first address as addr, or give the other a label (ip addr add ... "
            "label IFACE:1)",
            "%s carries %s and %s; Open MPI knows only the first address of an interface, "
            "and jobs hang where that is not the data address",
            p->iface, p->addr, p->rival);
    if (p->fabric)
        dmpi_report_add(r, DMPI_GOOD, "fabric", p->node, NULL, "%s", p->fabric);
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

static const char *mpi_of(const struct dmpi_probe *p)
{
    return p->mpi;
}

static const char *ucx_of(const struct dmpi_probe *p)
{
    return p->ucx;
}

static const char *torch_of(const struct dmpi_probe *p)
{
    return p->torch;
}

static const struct software {
    const char *check, *name, *remedy;
    const char *(*of)(const struct dmpi_probe *probe);
    enum dmpi_verdict skewed;
    char build; // what follows it may differ: "2.6.0+cu124"
} softwares[] = {
    {"mpi", "", "use images with one version of Open MPI; `dockmpi image push` renews them", mpi_of,
     DMPI_BAD, '\0'},
    {"ucx", "UCX ", "use images with one version of UCX, or --tune tcp", ucx_of, DMPI_DOUBTFUL,
     '\0'},
    {"torch", "PyTorch ", "use images with one version of PyTorch", torch_of, DMPI_DOUBTFUL, '+'},
};

static bool same_version(const char *a, const char *b, char build)
{
    size_t len_a = build ? strcspn(a, "+") : strlen(a), len_b = build ? strcspn(b, "+") : strlen(b);
    return len_a == len_b && strncmp(a, b, len_a) == 0;
}

// Workers that have it against the first that has.
static void compare_versions(struct dmpi_report *r, const struct dmpi_probe *probes, size_t n,
                             const struct software *s)
{
    const struct dmpi_probe *first = NULL;
    bool same = true;
    for (size_t i = 0; i < n; i++) {
        if (!s->of(&probes[i]))
            continue;
        if (!first)
            first = &probes[i];
        if (same_version(s->of(first), s->of(&probes[i]), s->build))
            continue;
        same = false;
        dmpi_report_add(r, s->skewed, s->check, probes[i].node, s->remedy, "%s%s here, %s on %s",
                        s->name, s->of(&probes[i]), s->of(first), first->node);
    }
    if (first && same)
        dmpi_report_add(r, DMPI_GOOD, s->check, NULL, NULL, "%s%s", s->name, s->of(first));
}

void dmpi_probes_judge(struct dmpi_report *report, const struct dmpi_probe *probes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        judge_network(report, &probes[i]);
        judge_clock(report, &probes[i]);
        judge_space(report, &probes[i]);
        judge_memory(report, &probes[i]);
        judge_ports(report, &probes[i]);
    }
    compare_mtu(report, probes, n);
    for (size_t i = 0; i < DMPI_ARRAY_LEN(softwares); i++)
        compare_versions(report, probes, n, &softwares[i]);
}
