#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# make demo, from set-up to the end, leaves no container.
# timeout: 900
# debug: no (it builds and runs the normal build)
# valgrind: no (likewise)
. "$(dirname "$0")/lib.sh"
before=$(docker ps -aq --filter label=io.dockmpi.cluster | sort)
ok 'the demo runs' "$E2E_ROOT/compose/demo"
like "$out" 'loss' 'it has trained'
like "$out" '==> Done' 'it has come to its end'
clusters=$(docker ps -a --filter label=io.dockmpi.cluster --format '{{.Label "io.dockmpi.cluster"}}' | grep -c '^demo-')
is "$clusters" 0 'no container of it is left'
[ -n "$before" ] || is "$(docker ps -aq --filter label=io.dockmpi.cluster)" '' 'no container at all is left'
