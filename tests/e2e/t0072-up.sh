#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# up and down against the real engine, with the faults that need a hand inside: a port taken between
# choice and use, a cancel in the middle, a foreign container, a job under way.
# timeout: 300
# valgrind: no (every path runs there in the end-to-end tests of the verbs)
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

build=$E2E_ROOT/build
[ "$E2E_MODE" = debug ] && build=$E2E_ROOT/build-debug
need_image launcher
need_image cpu
DMPI_LIVE_CLUSTER=$(cluster up)
export DMPI_LIVE_CLUSTER

ok 'up and down in all their cases' env DMPI_LIVE_ENGINE=unix:///var/run/docker.sock \
    DOCKMPI_IMAGES="$E2E_ROOT/images" "$build/unit/test_up_live"
unlike "$out$err" '[Ss][Kk][Ii][Pp]' 'none of them was left out'
