#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The engine client against the real engine: every call that the library makes.
# timeout: 240
# valgrind: no (the unit test of the client runs there, against a fake engine)
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

build=$E2E_ROOT/build
[ "$E2E_MODE" = debug ] && build=$E2E_ROOT/build-debug
need_image launcher
export DMPI_LIVE_IMAGE=dockmpi/launcher:latest
DMPI_LIVE_CLUSTER=$(cluster engine)
export DMPI_LIVE_CLUSTER

ok 'every call works over the unix socket' env DMPI_LIVE_ENGINE=unix:///var/run/docker.sock \
    "$build/unit/test_engine_live"
unlike "$out$err" '[Ss][Kk][Ii][Pp]' 'none of them was left out'
