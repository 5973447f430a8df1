#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run: exit codes, arguments, options, streams, jobs that are detached, cancelled, or lose a worker.
# timeout: 300
# shellcheck disable=SC2016 # variables are meant for the shell in the container
. "$(dirname "$0")/lib.sh"
need_image cpu
c=$(cluster run)
run() { dockmpi run --name "$c" "$@"; }
ok 'up' dockmpi up --name "$c" --workers 2 --image cpu

# Exit codes.
exits 0 'true' run -- true
exits 1 'false' run -- false
exits 7 'exit 7' run -- sh -c 'exit 7'
exits 137 'killed by a signal' run --np 1 -- sh -c 'kill -9 $$'
exits 3 'one rank fails' run -- sh -c 'test "$OMPI_COMM_WORLD_RANK" = 0 || exit 3; sleep 60'

# Arguments arrive as they are.
cat >my.py <<'PY'
import json, sys
print(json.dumps(sys.argv[1:]))
PY
args=('a b' '$HOME' '' '*' "it's" '"' 'back\slash' ';' '-x' '--np' 'ü' $'two\nlines' '{}' '~' '%s' '&&')
ok 'a script with arguments' run --np 1 ./my.py "${args[@]}"
want=$(python3 -c 'import json, sys; print(json.dumps(sys.argv[1:]))' "${args[@]}")
is "$out" "$want" 'a script gets exactly its arguments'
ok 'a program with arguments' run --np 1 -- python3 -c 'import json, sys; print(json.dumps(sys.argv[1:]))' "${args[@]}"
is "$out" "$want" 'a program gets exactly its arguments'
ok 'on every worker' run ./my.py "${args[@]}"
is "$out" "$want
$want" 'every rank gets exactly its arguments'

# The same file in the same place everywhere; what has not changed is not sent again.
where() { dockmpi exec --name "$c" --no-label -- sh -c 'cd /work && stat -c "%n %i %s" my.py && sha256sum <my.py'; }
before=$(where)
is "$(wc -l <<<"$before")" 6 'the script lies in launcher and workers'
is "$(grep -c "$(sha256sum <my.py | cut -c1-64)" <<<"$before")" 3 'with the same content'
ok 'the same again' run ./my.py
is "$(where | sort)" "$(sort <<<"$before")" 'an unchanged file is not sent again'
echo 'print("changed")' >my.py
ok 'a changed script' run --np 1 ./my.py
is "$out" changed 'a changed script runs as changed'
before=$(where)
touch my.py
ok 'the same with another time' run --np 1 ./my.py
is "$(where | sort)" "$(sort <<<"$before")" 'is not sent again, either'
echo 'print("chanted")' >my.py
ok 'other content of the same length' run --np 1 ./my.py
is "$out" chanted 'is sent'
dockmpi exec --name "$c" -- sh -c 'echo "print(\"spoiled\")" >/work/my.py'
ok 'what was changed over there' run --np 1 ./my.py
is "$out" chanted 'is sent again'
mkdir -p tree/sub && echo 'from sub.mod import word; print(word)' >tree/__main__.py && echo 'word = "found"' >tree/sub/mod.py
ok 'a folder' run --np 2 ./tree
is "$out" "found
found" 'a folder runs with its modules'
printf '#!/bin/sh\necho "shell $1"\n' >script.sh && chmod +x script.sh
ok 'a shell script' run --np 1 ./script.sh word
is "$out" 'shell word' 'a shell script runs'

# Options.
ok '--np' run --np 1 -- sh -c 'echo $OMPI_COMM_WORLD_SIZE'
is "$out" 1 '--np 1 is one rank'
ok '--slots' run --slots 2 -- sh -c 'echo $OMPI_COMM_WORLD_SIZE'
is "$out" "4
4
4
4" '--slots 2 is two ranks a worker'
t run --np 3 -- sleep 0.3
[ $rc -ne 0 ] && pass 'more ranks than slots is an error' || fail 'more ranks than slots is an error'
one_line "$err" 'more ranks than slots: one line'
ok '--env' run --np 1 --env 'E2E_A=x y $HOME' --env E2E_B= -- sh -c 'printf "%s|%s|\n" "$E2E_A" "$E2E_B"'
is "$out" 'x y $HOME||' '--env passes values as they are'
ok '--mca' run --np 1 --mca mpi_abort_print_stack 'a value' -- sh -c 'echo "$OMPI_MCA_mpi_abort_print_stack"'
is "$out" 'a value' '--mca reaches the ranks'
ok 'MASTER_ADDR and MASTER_PORT' run -- sh -c 'echo "$MASTER_ADDR $MASTER_PORT $WORLD_SIZE"'
is "$(sort -u <<<"$out" | wc -l)" 1 'the same on every rank'
ok 'what torchrun sets' run --slots 2 --env LOCAL_RANK=mine -- sh -c 'echo "$RANK $WORLD_SIZE $LOCAL_RANK $LOCAL_WORLD_SIZE"'
is "$(sort <<<"$out")" $'0 4 mine 2\n1 4 mine 2\n2 4 mine 2\n3 4 mine 2' 'every rank has, but what the user has set stays'
count=$(containers "$c" | wc -l)
ok '--dry-run' run --dry-run --mca mpi_yield_when_idle 1 -- true
like "$out" 'mpirun .*--mca mpi_yield_when_idle 1' '--dry-run shows the mpirun line'
is "$(containers "$c" | wc -l)" "$count" '--dry-run runs nothing'
DOCKER_HOST=unix:///nonexistent ok '--dry-run needs no cluster' run --dry-run --image cpu --workers 3 -- true
like "$out" 'worker-2' '--dry-run lists its hosts'

# Streams.
ok 'stdout and stderr' run --np 1 -- sh -c 'echo to-out; echo to-err >&2'
is "$out" to-out 'stdout has what belongs to it'
is "$err" to-err 'stderr has what belongs to it'
printf 'one\ntwo' >input
run -i --np 1 -- cat <input >out 2>err
is "$? $(cat out)" '0 one
two' 'standard input reaches rank 0'
run --np 1 -- sh -c 'head -c 8000000 /dev/zero | tr "\0" x' >out 2>err
is "$? $(wc -c <out)" '0 8000000' 'megabytes without a newline arrive in full'
is "$(tr -d x <out | wc -c)" 0 'and unchanged'
run -- sh -c 'i=0; while [ $i -lt 2000 ]; do echo "$OMPI_COMM_WORLD_RANK line $i of many that are written"; i=$((i+1)); done' >out 2>err
is "$? $(wc -l <out)" '0 4000' 'bursts of lines from every rank arrive in full'
# The shell would have a command in the background ignore Ctrl-C.
env --default-signal=INT "$DOCKMPI" run --name "$c" --np 1 -- sh -c 'echo first; sleep 600' >out 2>err &
client=$!
wait_until $E2E_LIMIT grep -q first out && pass 'output comes while the job runs' || fail 'output comes while the job runs'

# Ctrl-C: the job is over on every worker.
sleeping() { docker top "dockmpi-$c-worker-0" -eo pid,args 2>/dev/null | grep -qE 'sleep 600|prted'; }
not_sleeping() { ! sleeping; }
ok 'a rank runs on worker-0' wait_until $E2E_LIMIT sleeping
kill -INT $client
wait $client
status=$?
[ $status -ne 0 ] && pass 'an interrupted run fails' || fail 'an interrupted run fails'
ok 'no rank is left on the worker' wait_until $E2E_LIMIT not_sleeping

# Jobs in the background.
# One rank: when one of several fails, mpirun may end the others before they have printed anything.
ok 'run -d' run -d --np 1 -- sh -c 'echo "out of $OMPI_COMM_WORLD_RANK"; echo problem >&2; exit 9'
job=$out
like "$job" '^[0-9]+$' 'run -d prints the name of the job'
exits 9 'wait returns its exit code' dockmpi wait --name "$c" "$job"
ok 'logs' dockmpi logs --name "$c" "$job"
is "$out" 'out of 0' 'logs has its stdout'
like "$err" problem 'logs has its stderr'
ok 'jobs --json' dockmpi jobs --name "$c" --json
json 'jobs tells its exit code' 'job = [j for j in r["jobs"] if j["job"] == sys.argv[1]][0]
assert job["exit_code"] == 9 and job["ranks"] == 1 and job["state"] == "failed", job' "$job"
ok 'run -d' run -d -- sh -c 'echo started; sleep 600'
job=$out
has_started() { dockmpi logs --name "$c" "$job" 2>/dev/null | grep -q started; }
ok 'logs of a running job' wait_until $E2E_LIMIT has_started
ok 'cancel' dockmpi cancel --name "$c" "$job"
ok 'a cancelled job leaves no rank' wait_until $E2E_LIMIT not_sleeping
ok 'jobs --prune' dockmpi jobs --name "$c" --prune
is "$(containers "$c" | wc -l)" 3 'jobs --prune leaves the cluster alone'

# A worker's daemon is lost: mpirun may say 0, the job has failed all the same.
ok 'run -d' run -d -- sh -c 'echo started; sleep 600'
job=$out
ok 'the job runs' wait_until $E2E_LIMIT has_started
ok 'its daemon on worker-1 is killed' docker exec "dockmpi-$c-worker-1" sh -c '
    for p in /proc/[0-9]*; do
        read -r name <"$p/comm" && [ "$name" = prted ] && kill -9 "${p#/proc/}" && killed=1
    done 2>/dev/null; test -n "$killed"'
t dockmpi wait --name "$c" "$job"
[ $rc -ne 0 ] && pass 'a job that lost a worker has failed' || fail 'a job that lost a worker has failed' || diag

ok 'down' dockmpi down --name "$c"
is "$(containers "$c")" '' 'nothing is left'
