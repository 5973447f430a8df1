#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# debug: no (the client's part runs in the other scripts, too)
# valgrind: no (the same)
# Clusters that end by themselves: nobody's use, a job as a use, what ps tells, up afterwards.
. "$(dirname "$0")/lib.sh"
need_image cpu
c=$(cluster ttl)

alive() { containers "$c" status=running | grep -vc -- '-job-'; }
none_alive() { [ "$(alive)" = 0 ]; }
gone() { [ "$(containers "$c" | grep -vc -- '-job-')" = 0 ]; }

exits 2 'a time that is too short' dockmpi up --name "$c" --workers 2 --image cpu --ttl 3s
like "$err" '^dockmpi: --ttl' 'is told'
ok 'up --ttl' dockmpi up --name "$c" --workers 2 --image cpu --ttl 12s
before=$(ids "$c")
ok 'ps' dockmpi ps --name "$c"
like "$out" "^cluster $c ends in [0-9]+s unless it is used$" 'tells what is left'

# Nobody asks for anything while this job runs, which takes longer than the cluster would live without it; one worker
# has no rank.
ok 'run -d' dockmpi run --name "$c" --np 1 -d -- sleep 18
job=$out
is "$(docker wait "$(containers "$c" | grep -- -job-)")" 0 'the job comes to its end'
is "$(ids "$c" | grep -v -- -job-)" "$before" 'all of the cluster has lived as long as its job'
wait_until $E2E_LIMIT gone
is "$(containers "$c" | grep -v -- -job-)" '' 'then it has removed itself'
none_alive && pass 'nothing of it runs' || fail 'nothing of it runs' "$(docker ps -a)"
exits 125 'run' dockmpi run --name "$c" -- true
like "$err" "^dockmpi: cluster $c is not up any more: nobody used it for as long" 'says that its time is over'
ok 'the job still tells its end' dockmpi wait --name "$c" "$job"
ok 'ps' dockmpi ps --name "$c"
like "$out" "^cluster $c has ended; its jobs' logs stay until .dockmpi down --name $c.$" 'tells what is left of it'

ok 'up again, with another time' dockmpi up --name "$c" --workers 1 --image cpu --ttl 1h
ok 'ps --json' dockmpi ps --name "$c" --json
json 'tells what is left, too' 'assert 3000 <= r["clusters"][0]["ends_in_s"] <= 3600, r'
ok 'a job' dockmpi run --name "$c" -- sleep 0.3
used=$XDG_CACHE_HOME/dockmpi/used/$c
[ -e "$used" ] && pass 'its use is noted' || fail 'its use is noted'
ok 'up without an end' dockmpi up --name "$c" --workers 1 --image cpu
like "$out" 'replaced.*its options changed: --ttl: not given this time' 'is another cluster'
ok 'ps' dockmpi ps --name "$c"
unlike "$out" 'ends in' 'it has no end'
ok 'down' dockmpi down --name "$c"
is "$(containers "$c")$(ls "$used" 2>/dev/null)" '' 'nothing is left, nor the note'
