#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# More nodes than are worked on at once. They are simulated (tests/bench/nodes.py says what that means); what grows with
# them and with a job's output is printed by tests/bench/run nodes.
# debug: no (every path runs there in the tests on one engine, and memory is measured here)
# valgrind: no (the same)
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

port=$((21000 + RANDOM % 8000))
c=$(cluster many)
python3 "$E2E_ROOT/tests/bench/nodes.py" many.yaml 135 "$c" "$port" >ready 2>nodes.err &
nodes=$!
trap 'kill $nodes 2>/dev/null; e2e_end' EXIT
wait_until $E2E_LIMIT grep -q ready ready || { cat nodes.err; exit 1; }
export DOCKER_HOST=tcp://127.88.0.1:$port # the first counts as the local engine

# peak COMMAND...: prints the most memory that it held, in MiB. Its output goes nowhere.
peak() {
    python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)' "$@"
}

ok 'up of 135 nodes' dockmpi up -f many.yaml
like "$out" ' 135 of 135 workers ready$' 'they are ready'
ok 'up again' dockmpi up -f many.yaml
like "$out" 'nothing changed' 'nothing has changed'
ok 'run' dockmpi run -f many.yaml --rm -- hostname
is "$(grep -c '^hello from worker-' <<<"$out")" 135 'every rank prints'
echo 'print(1)' >program.py
ok 'run of a file' dockmpi run -f many.yaml --rm ./program.py
held=$(peak "$DOCKMPI" run -f many.yaml --rm -- print 100000000)
if [ "${held:-1000}" -lt 60 ]; then pass 'nothing of 100 MB of output stays'; else
    fail 'nothing of 100 MB of output stays' "MiB held: $held"
fi
ok 'ps' dockmpi ps -f many.yaml
is "$(grep -c ' running ' <<<"$out")" 136 'ps shows all'
ok 'down' dockmpi down -f many.yaml
ok 'ps after it' dockmpi ps -f many.yaml
is "$(grep -c running <<<"$out")" 0 'nothing is left'
