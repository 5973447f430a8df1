// SPDX-License-Identifier: MIT
// The shell files that run inside the containers. They need a POSIX shell, tail, grep and mktemp.
#include "mesh/files.h"

// clang-format off

const char dmpi_mesh_daemon_sh[] =
#include "mesh/daemon.sh.inc"
    ;

const char dmpi_mesh_rank_sh[] =
#include "mesh/rank.sh.inc"
    ;

const char dmpi_mesh_end_sh[] =
#include "mesh/end.sh.inc"
    ;

const char dmpi_mesh_run_job_sh[] =
    "# Written by dockmpi.\n"
#include "mesh/world.sh.inc"
#include "mesh/transport.sh.inc"
#include "mesh/lost.sh.inc"
#include "mesh/attempts.sh.inc"
#include "mesh/run-job.sh.inc"
    ;
