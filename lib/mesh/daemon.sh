#!/bin/sh
# SPDX-License-Identifier: MIT
# Started by mpirun on every worker as `sh /etc/dockmpi/daemon prted ARGUMENT...`: the launch daemon, guarded. A script,
# because PRRTE hands its launch agent on to daemons that start others, and loses what is behind a "=".

# Written by dockmpi.
export LD_PRELOAD="/usr/lib/dockmpi/guard.so${LD_PRELOAD:+:$LD_PRELOAD}"
exec "$@"
