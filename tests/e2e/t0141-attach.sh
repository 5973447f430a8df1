#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Jobs by name; coming back to a job; output that is neither lost nor doubled when connections break.
# debug: no (unit tests run these parts with sanitizers)
# valgrind: no (what takes the time runs in containers)
# timeout: 300
# shellcheck disable=SC2016 # variables are meant for the shell in the container
. "$(dirname "$0")/lib.sh"
need_image cpu
c=$(cluster attach)
on() { dockmpi "$1" --name "$c" "${@:2}"; }
ok 'up' dockmpi up --name "$c" --workers 2 --image cpu

# Names.
exits 3 'run --job-name' on run --np 1 --job-name night-run -- sh -c 'echo by name; exit 3'
exits 125 'a name that is taken' on run --np 1 --job-name night-run -- true
is "$err" "dockmpi: the name night-run is that of job 1, which has ended: \`dockmpi jobs --prune\` removes it" 'is refused with the remedy'
exits 2 'what is no name' on run --job-name 'a/b' -- true
ok 'logs by name' on logs night-run
is "$out" 'by name' 'shows its output'
exits 3 'wait by name' on wait night-run
ok 'jobs' on jobs
like "$out" '^1 +night-run +' 'lists the name'
ok 'jobs --json' on jobs --json
json 'names it' 'assert [j["name"] for j in r["jobs"]] == ["night-run"], r'
# Two clients at the same moment: one gets the name.
for i in 1 2; do
    "$DOCKMPI" run --name "$c" -d --job-name twin -- sleep 600 >"twin.$i" 2>&1 &
done
wait
is "$(grep -lE '^[0-9]+$' twin.? | wc -l) $(grep -l 'the name twin is that of job' twin.? | wc -l)" '1 1' 'of two clients at once one gets the name'
ok 'cancel by name' on cancel twin
ok 'down' dockmpi down --name "$c"
is "$(containers "$c")" '' 'nothing is left'
