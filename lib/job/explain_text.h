// SPDX-License-Identifier: MIT
// The script of `explain`, from what is known about cluster and job. Pure.
#ifndef DMPI_JOB_EXPLAIN_TEXT_H
#define DMPI_JOB_EXPLAIN_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "job/code.h"
#include "mpi/command.h"
#include "spec/endpoint.h"

// All borrowed.
struct dmpi_explain_member {
    const struct dmpi_endpoint *ep;
    const char *node;                      // its name
    const struct dmpi_mesh_worker *worker; // NULL: the launcher
    const json_t *config, *host;           // Config and HostConfig of the Engine API
};

struct dmpi_explain {
    const char *cluster, *workdir;
    const char *user;                          // "UID:GID", or NULL for root
    const struct dmpi_explain_member *members; // the launcher first
    size_t n;
    int port;  // where the sshd of worker 0 may listen, worker I's on port + I
    bool live; // host is what an engine answered: full of defaults that need no flag
    const struct dmpi_job_code *code;
    const struct dmpi_mpi_command *command;
};

// Owned by the caller.
char *dmpi_explain_text(const struct dmpi_explain *what);

#endif
