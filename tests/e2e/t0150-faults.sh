#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Faults: clients killed at random moments, and those rows of tests/faults that are quick and need no hosts.
# `make faults` provokes the others.
# timeout: 400
# debug: no (it is about processes that are killed; what runs in the client is covered elsewhere)
# valgrind: no (the same)
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

need_image launcher
FAULTS_NAME=$(cluster f)
export FAULTS_NAME FAULTS_SLACK=4

ok '12 clients killed at random moments' "$E2E_ROOT/tests/faults/sweep" 12
sed 's/^/# /' "$E2E_TMP/out"
for row in client-killed two-run two-down port-stolen engine-garbage engine-half engine-wrong engine-endless; do
    ok "$row" "$E2E_ROOT/tests/faults/run" "$row"
    sed -n '3s/^/# /p' "$E2E_TMP/out"
done
