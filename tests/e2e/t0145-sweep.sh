#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Allocations and system calls that fail, a few of each; `make sweep` does hundreds.
# debug: no (sanitizers have a malloc of their own)
# valgrind: no (so has valgrind)
. "$(dirname "$0")/lib.sh"
need_image launcher
ok 'the library that makes calls fail is built' make -s -C "$E2E_ROOT" sweep-lib
export DOCKMPI=$E2E_ROOT/build/dockmpi

# shellcheck disable=SC2016 # the inner shell's variable
ok 'few open files for select(), which is not used, are no limit' sh -c 'ulimit -Sn 8 && exec "$DOCKMPI" ps'

# sweep TITLE POINTS CASE...
sweep() {
    local title=$1 points=$2 cases=() name
    shift 2
    for name in "$@"; do cases+=(--case "$name"); done
    ok "$title" "$E2E_ROOT/tests/sweep/run" --points "$points" "${cases[@]}"
}
sweep 'plans: no crash, no hang, no other result, nothing left' 6 import plan dry-run
sweep 'commands on a cluster' 4 ps exec cp
sweep 'up and down' 3 up down
