// SPDX-License-Identifier: MIT
// Composes mpirun: hostfile, environment, arguments. Pure. The same text serves Open MPI 4 (ORTE) and 5
// (PRRTE): settings that only one of them knows go by environment variables, which the other ignores.
#ifndef DMPI_MPI_COMMAND_H
#define DMPI_MPI_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"
#include "mesh/mesh.h"
#include "spec/profile.h"

// What is particular to the workers of one image profile. Vendor settings never leave their group: in
// a mixed cluster the rank wrapper picks what belongs to its image.
struct dmpi_mpi_group {
    const char *profile;            // as in dmpi_mesh_worker
    struct dmpi_strv program;       // program and arguments, interpreter first where one is needed
    struct dmpi_strv env;           // KEY=VALUE for these ranks
    struct dmpi_strv mpirun_args;   // of the profile; only --mca and -x in a mixed cluster
    const char *tune;               // the profile's; NULL: none
    enum dmpi_gpu gpu;              // of the nodes, for these ranks
    bool rdma;                      // the network interface of every worker has an RDMA device
    const struct dmpi_strv *known;  // MCA parameters that its Open MPI has, sorted; NULL: not asked
    const char *release;            // of its Open MPI, such as "5.0.7"; NULL: not known
    const struct dmpi_strv *memory; // kinds of memory that its UCX knows; NULL: not asked
};

// All borrowed.
struct dmpi_mpi_job {
    const struct dmpi_mesh *mesh;
    const char *mpirun;                  // NULL: "mpirun"
    int np;                              // ranks; 0: one for each slot
    int slots;                           // for each worker; 0: what the worker has
    const struct dmpi_mpi_group *groups; // one for every profile that the workers have
    size_t n_groups;
    struct dmpi_strv env; // KEY=VALUE of the user for all ranks; wins over everything else
    struct dmpi_strv mca; // "KEY=VALUE" of the user
    const char *tune;     // of the user, for all; NULL: as the profiles say, else "auto"
    const char *workdir;  // NULL: where mpirun starts ranks by itself (root's home)
    int master_port;      // for MASTER_PORT; 0: not set
    bool tag;             // each line of output begins with the number of its rank
    int restarts;         // attempts after the first that fails
    const char
        *code;      // its folder or file, relative to workdir, which each attempt needs; NULL: none
    bool has_stdin; // the job's standard input goes to rank 0
    const char *cluster; // for the names of containers
    const char
        *id; // of the job: DOCKMPI_JOB in every rank and DOCKMPI_DAEMON in every launch daemon, for
             // who looks for them; NULL: not set
    int64_t timeout_ms; // from its start on; 0: none
    int64_t grace_ms;   // how long ranks may go on after TERM when the job is ended; 0: not at all
    const char *map;    // "text", "json": tell where each rank is; NULL: do not
    bool verify;        // tell which transports Open MPI uses, and refuse others than asked for
};

struct dmpi_mpi_command {
    struct dmpi_strv env;   // KEY=VALUE that mpirun itself starts with
    struct dmpi_strv argv;  // mpirun, options, program, arguments
    char *hostfile;         // content of /etc/dockmpi/hostfile
    char *plan;             // ranks by worker: "0-3:2,4:1" (workers:ranks on each)
    char *job;              // content of /etc/dockmpi/job: env and argv as shell text
    struct dmpi_strv notes; // how each image is tuned and why, for people
    int np;                 // ranks in all
};

// The group of a profile; NULL when there is none.
const struct dmpi_mpi_group *dmpi_mpi_group_of(const struct dmpi_mpi_job *job, const char *profile);

// *out is to be freed also after an error. DMPI_EINVAL: no workers, more ranks than slots, a tune that
// is unknown or contradicted (see tune.h), malformed environment, a profile without group, loopback mixed with real addresses.
int dmpi_mpi_compose(struct dmpi_mpi_command *out, const struct dmpi_mpi_job *job,
                     struct dmpi_err *err);
void dmpi_mpi_command_free(struct dmpi_mpi_command *command); // NULL is allowed

// One line as a person would type it: environment, without values that look like secrets, then arguments, quoted.
// Owned by the caller.
char *dmpi_mpi_command_text(const struct dmpi_mpi_command *command);

#endif
