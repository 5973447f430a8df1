// SPDX-License-Identifier: MIT
// Every check that would have saved a lost hour, before the job. It really does what a job needs: a
// short-lived cluster with one worker for each image of a node, whose members then look at their
// nodes and dial each other.
#ifndef DMPI_CLUSTER_DOCTOR_H
#define DMPI_CLUSTER_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/ctl.h"
#include "base/err.h"
#include "base/strv.h"
#include "cluster/progress.h"
#include "spec/ports.h"

struct dmpi_fleet;
struct dmpi_spec;

enum dmpi_verdict { DMPI_GOOD, DMPI_DOUBTFUL, DMPI_BAD };

struct dmpi_finding {
    enum dmpi_verdict verdict;
    const char *check; // "engine", "image", "worker", "network", "clock", "disk", ...; static
    char *node;        // "" when it concerns all
    char *text;        // what was found
    char *remedy;      // "" when there is nothing to do
};

// One direction between two workers, measured over a port that a listener there had open.
struct dmpi_dial {
    char from[32], to[32]; // "worker-0"
    char *node;            // of `from`
    double rtt_ms;         // mean of many; negative: not measured
    double mib_s;          // negative: not measured
    char *error;           // NULL: it was reached
};

struct dmpi_report {
    struct dmpi_finding *findings;
    size_t n;
    size_t bad, doubtful;
    struct dmpi_dial *links; // every direction between two workers
    size_t n_links;
};

// "ok", "warn", "fail". Static.
const char *dmpi_verdict_name(enum dmpi_verdict verdict);

// Examines the nodes of `spec`, whose fleet is `fleet`. `spec` is changed: it gets the short-lived
// cluster's name, no volumes and one worker for each image of a node. The members of the cluster of
// its own name are looked at where it is up, and are left as they are. Everything that was made is
// removed again, also when it is cancelled. Returns 0 when the examination was done, whatever it
// found; -1 when it could not be. *out is to be freed in both cases.
int dmpi_doctor(struct dmpi_report *out, struct dmpi_fleet *fleet, struct dmpi_spec *spec,
                const char *images_dir, dmpi_progress_fn *progress, void *arg,
                const struct dmpi_ctl *ctl, struct dmpi_err *err);

void dmpi_report_free(struct dmpi_report *report); // NULL is allowed

// What one worker told about its node, for tests of the judgement.
struct dmpi_probe {
    char *node;
    long long skew_ms;           // its clock less ours
    long long rtt_ms;            // within which that is known
    long long shm, disk, memory; // bytes; -1 unknown
    long long limit;             // bytes that the engine lets the container have; 0: no limit
    long long memlock;           // KiB; -1 unlimited, -2 unknown
    struct dmpi_strv refused;    // limits that were wanted and that the engine may not set
    char *rdma;                  // a device for RDMA; may be NULL
    char *mpi;                   // first line of `mpirun --version`; may be NULL
    char *ucx, *torch;           // versions; may be NULL
    char *fabric;                // what UCX sees there, and the GPUs, in words; may be NULL
    char *addr, *rival; // data address, and another network's on its interface; may be NULL
    char *iface, *cidr; // may be NULL
    int mtu;
    struct dmpi_ports services, ranks; // where they listen; the latter: anywhere if not given
    int services_free, ranks_free;     // how many of these nobody listens on; -1 unknown
    int n_workers, n_ranks;            // that the node is to bear
};

// Reads the lines that the probe script prints. Missing lines leave "unknown".
void dmpi_probe_parse(struct dmpi_probe *out, const char *text, long long asked_ms,
                      long long answered_ms);
void dmpi_probe_clear(struct dmpi_probe *probe);

// Reads the line that a dialling worker prints for one other: "worker-1 RTT_MS MIB_S", or "worker-1
// failed REASON". False when it is no such line. error is owned by the caller.
bool dmpi_dial_parse(struct dmpi_dial *out, const char *line);

// Adds what follows from all dials. ports: what the cluster keeps to, if given. Pure.
void dmpi_dials_judge(struct dmpi_report *report, const struct dmpi_dial *dials, size_t n,
                      const struct dmpi_ports *ports);

// Adds what follows from the probes of all nodes. Pure.
void dmpi_probes_judge(struct dmpi_report *report, const struct dmpi_probe *probes, size_t n);

#endif
