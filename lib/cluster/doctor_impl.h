// SPDX-License-Identifier: MIT
// What the doctor's files share.
#ifndef DMPI_CLUSTER_DOCTOR_IMPL_H
#define DMPI_CLUSTER_DOCTOR_IMPL_H

#include <pthread.h>

#include "base/buf.h"
#include "base/strv.h"
#include "cluster/doctor.h"
#include "cluster/state.h"
#include "mesh/mesh.h"

struct dmpi_plan;

// What a node is to bear.
struct dmpi_load {
    int workers, ranks;
};

// One examination.
struct dmpi_exam {
    struct dmpi_report *report;
    pthread_mutex_t lock; // guards report
    struct dmpi_fleet *fleet;
    const struct dmpi_spec *spec;
    const struct dmpi_plan *plan;
    const struct dmpi_load *loads; // one a node
    const struct dmpi_ctl *ctl;
    struct dmpi_state state;
    struct dmpi_mesh mesh;
    struct dmpi_probe *probes; // one a worker of the mesh
};

// Adds a finding. node and remedy may be NULL; texts are copied, check is static.
void dmpi_report_add(struct dmpi_report *report, enum dmpi_verdict verdict, const char *check,
                     const char *node, const char *remedy, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));

// Runs argv in a worker within a minute; what it prints is appended to out. *code (may be NULL): its
// exit code.
int dmpi_exam_run(struct dmpi_exam *x, const struct dmpi_mesh_worker *w,
                  const struct dmpi_strv *argv, struct dmpi_buf *out, int *code,
                  struct dmpi_err *err);

// The same for a shell script; args (may be NULL) are its $1, $2, ...
int dmpi_exam_shell(struct dmpi_exam *x, const struct dmpi_mesh_worker *w, const char *script,
                    const struct dmpi_strv *args, struct dmpi_buf *out, struct dmpi_err *err);

// doctor.c: what the users of a node's engine are, by its answer to GET /info.
void dmpi_exam_security(struct dmpi_exam *x, size_t node, bool podman, const json_t *info);

// Adds that a worker could not be examined. Thread-safe.
void dmpi_exam_failed(struct dmpi_exam *x, const struct dmpi_mesh_worker *w,
                      const struct dmpi_err *err);

// doctor_fabric.c: what `fabric probe` says, in words: transports with their devices, kinds of memory, GPUs. text is its
// JSON on one line. NULL where it says nothing. Owned by the caller.
char *dmpi_fabric_text(const char *text);

// doctor_probe.c: every worker looks at its node; fills x->probes and judges them.
void dmpi_exam_probe(struct dmpi_exam *x);

// doctor_standing.c: whether launcher and workers of `cluster` run, if it is up. Nodes that do not answer are left out.
void dmpi_exam_standing(struct dmpi_report *report, struct dmpi_fleet *fleet, const char *cluster,
                        const struct dmpi_ctl *ctl);

// doctor_net.c: every worker dials every other one.
void dmpi_exam_network(struct dmpi_exam *x);

#endif
