// SPDX-License-Identifier: MIT
// The labels on every container of ours. They are the only state that dockmpi keeps.
#ifndef DMPI_SPEC_LABELS_H
#define DMPI_SPEC_LABELS_H

#define DMPI_LABEL_CLUSTER "io.dockmpi.cluster" // cluster name
#define DMPI_LABEL_ROLE "io.dockmpi.role"       // launcher, worker or job
#define DMPI_LABEL_INDEX "io.dockmpi.index"     // worker I, job N; 0 for the launcher
#define DMPI_LABEL_NODE "io.dockmpi.node"       // node name
#define DMPI_LABEL_SPEC "io.dockmpi.spec"       // hash of the create body
#define DMPI_LABEL_GIVEN "io.dockmpi.options"   // which options it was made with, see given.h
#define DMPI_LABEL_PROFILE "io.dockmpi.profile" // image profile
#define DMPI_LABEL_GPUS                                                                            \
    "io.dockmpi.gpus" // "0/2": the first of two workers that share a node's GPUs
#define DMPI_LABEL_SLOTS "io.dockmpi.slots" // workers: ranks it takes
#define DMPI_LABEL_ADDR "io.dockmpi.addr"   // data address; absent while unknown
#define DMPI_LABEL_PORTS "io.dockmpi.ports" // range it keeps to; absent without one
#define DMPI_LABEL_TTL "io.dockmpi.ttl" // seconds without use after which it ends; absent: never
#define DMPI_LABEL_ORIGIN "io.dockmpi.origin" // definition of the cluster, see spec.h
#define DMPI_LABEL_JOB "io.dockmpi.job"       // jobs: id
#define DMPI_LABEL_JOBNAME                                                                         \
    "io.dockmpi.jobname" // jobs: what the user calls it; absent without a name
#define DMPI_LABEL_TAGS                                                                            \
    "io.dockmpi.tags" // jobs: lines of the log tell their rank, "show" or "hide"; absent: they do not
#define DMPI_LABEL_PROGRAM "io.dockmpi.program" // jobs: what is run, for people
#define DMPI_LABEL_RANKS "io.dockmpi.ranks"     // jobs: number of ranks
#define DMPI_LABEL_GRACE "io.dockmpi.grace"     // jobs: milliseconds from TERM to KILL

#define DMPI_LABEL_RESTARTS                                                                        \
    "io.dockmpi.restarts" // jobs: attempts after the first that fails; absent: none

// jobs: present when nothing of it is to be kept after its end (run --rm)
#define DMPI_LABEL_UNKEPT "io.dockmpi.rm"

#define DMPI_ROLE_LAUNCHER "launcher"
#define DMPI_ROLE_WORKER "worker"
#define DMPI_ROLE_JOB "job"

#endif
