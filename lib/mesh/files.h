// SPDX-License-Identifier: MIT
// The files of a member as a tar, to be fed to `tar -xpf - -C /`, with exact owner and mode.
// All archives hold the cluster's key: use secret buffers (DMPI_MESH_TAR_MAX bytes are enough).
#ifndef DMPI_MESH_FILES_H
#define DMPI_MESH_FILES_H

#include "base/buf.h"
#include "base/err.h"
#include "base/strv.h"
#include "base/tar.h"
#include "mesh/facts.h"
#include "mesh/mesh.h"

#define DMPI_MESH_TAR_MAX (64U << 20)

// What is particular to one worker.
struct dmpi_mesh_local {
    const struct dmpi_key *host_key;
    const struct dmpi_facts *facts; // of that worker's container: its environment and interfaces
};

// What every member is told of a mesh alike. It grows with the number of workers, so it is packed once and not
// once for each of them: the archive of a member is this one, which has no end, and then its own part.
struct dmpi_mesh_shared {
    const struct dmpi_mesh *mesh; // borrowed; as long as it does not change
    char digest[DMPI_SHA256_HEX];
    struct dmpi_buf tar;
    struct dmpi_tar_writer writer; // from where each member's part goes on
};
int dmpi_mesh_share(struct dmpi_mesh_shared *out, const struct dmpi_mesh *mesh,
                    struct dmpi_err *err);
void dmpi_mesh_shared_free(struct dmpi_mesh_shared *shared); // wipes the key; NULL is allowed

// A member's own part, and the end of its archive.
// Of a new worker: with its private host key and sshd_config.
int dmpi_mesh_tar_worker(struct dmpi_buf *out, const struct dmpi_mesh_shared *shared, int index,
                         const struct dmpi_mesh_local *local, struct dmpi_err *err);
// The launcher's.
int dmpi_mesh_tar_launcher(struct dmpi_buf *out, const struct dmpi_mesh_shared *shared,
                           struct dmpi_err *err);
// For a member that runs already and whose mesh changed: without a worker's host key, sshd_config and
// environment. index is -1 for the launcher.
int dmpi_mesh_tar_update(struct dmpi_buf *out, const struct dmpi_mesh_shared *shared, int index,
                         struct dmpi_err *err);

// Whole archives.
// A job container. hostfile and job are the texts made by lib/mpi (dmpi_mpi_command).
int dmpi_mesh_tar_job(struct dmpi_buf *out, const struct dmpi_mesh *mesh, const char *hostfile,
                      const char *job, struct dmpi_err *err);

// For a job container that runs already and whose mesh changed: what reaches every worker.
int dmpi_mesh_tar_client(struct dmpi_buf *out, const struct dmpi_mesh *mesh, struct dmpi_err *err);

// The single texts (newline at the end). Owned by the caller.
char *dmpi_mesh_sshd_config(const struct dmpi_mesh_worker *worker, const struct dmpi_facts *facts);
char *dmpi_mesh_ssh_config(const struct dmpi_mesh *mesh);
char *dmpi_mesh_known_hosts(const struct dmpi_mesh *mesh);
// The environment that each rank on this worker gets, as a shell file of assignments that leave
// alone what is set already.
char *dmpi_mesh_rank_env(const struct dmpi_mesh_worker *worker, const struct dmpi_facts *facts);

// Constant shell files (mesh/daemon.sh, mesh/rank.sh, mesh/run-job.sh, mesh/end.sh).
extern const char dmpi_mesh_daemon_sh[];
extern const char dmpi_mesh_rank_sh[];
extern const char dmpi_mesh_end_sh[];
extern const char dmpi_mesh_run_job_sh[];

// Exit codes of the scripts that mean something to the client.
#define DMPI_EXIT_MISPLACED 93 // a rank found itself on another worker than planned
#define DMPI_EXIT_TIMEOUT 124  // its own time was over, as timeout(1) says it
#define DMPI_EXIT_TERM 143     // it was told to end
#define DMPI_EXIT_LOST 255     // mpirun lost a worker

#endif
