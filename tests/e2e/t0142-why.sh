#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Hangs and losses are named: `dockmpi why`, and what a job that lost a worker says.
# timeout: 300
# valgrind: no (what is tested is what the containers do)
# debug: no (what runs in the client is covered by the unit tests and the fuzzing of its parser)
. "$(dirname "$0")/lib.sh"
need_image launcher
c=$(cluster y)

says() { t dockmpi why --name "$c" "$@" && grep -qE -- "$want" <<<"$out"; }
# until_says REGEX TITLE: the looks of `why` come to this conclusion.
until_says() {
    want=$1
    if wait_until 60 says; then pass "$2"; else fail "$2" "wanted: $1" || diag; fi
}
in_worker() { docker exec "dockmpi-$c-worker-$1" sh -c "$2"; }
# The process of a rank of ours, by its worker.
rank_pid() { in_worker "$1" 'for d in $(grep -l "^sleep$" /proc/[0-9]*/comm); do d=${d%/comm}; echo ${d#/proc/}; done' | head -n 1; }

ok 'a cluster of two workers' dockmpi up --name "$c" --workers 2 --image launcher
exits 125 'why without a job' dockmpi why --name "$c"
like "$err" 'has no jobs' 'says so'
exits 2 'why of two jobs' dockmpi why --name "$c" 1 2

ok 'a job that sleeps' dockmpi run --name "$c" -d -- sh -c 'echo "line $OMPI_COMM_WORLD_RANK: \`dockmpi up\`"; sleep 300; true'
until_says '^job 1: every rank sleeps' 'why: every rank sleeps'
like "$out" '^last output, 2[0-9TZ:.-]+: line [01]: .dockmpi up.$' 'and what was printed last, as it was'
like "$out" '^1 +local +worker-1 +[0-9]+ +waits .* sleep *$' 'a shell that waits for its child is told by the child'
t dockmpi why --name "$c" --json 1
json 'why --json' "assert [(x['rank'], x['worker'], x['doing'], x['name']) for x in r['ranks']] == [
    (0, 'worker-0', 'waits', 'sleep'), (1, 'worker-1', 'waits', 'sleep')], r
assert r['state'] == 'running' and r['workers'][1]['fault'] is None and r['last_output']['line'].startswith('line'), r"

pid=$(rank_pid 1)
in_worker 1 "kill -STOP $pid"
until_says "^job 1: rank 1 \(worker-1, node local\) is stopped \(SIGSTOP\); .dockmpi exec --name $c -w worker-1 -- kill -CONT $pid. lets it go on" \
    'why: a rank that is stopped'
ok 'the remedy, typed as it is printed' eval "$(sed -n '1s/.*`\(dockmpi [^`]*\)`.*/\1/p' out)"
until_says '^job 1: every rank sleeps' 'helps'

docker pause "dockmpi-$c-worker-1" >/dev/null
until_says '^job 1: worker-1 on node local: its container is paused' 'why: a worker that is paused'
docker unpause "dockmpi-$c-worker-1" >/dev/null
ok 'the job is canceled' dockmpi cancel --name "$c"
t dockmpi why --name "$c"
is "$rc" 0 'why of a job that has ended'
like "$out" "^job 1: the job was canceled and ended with exit code [0-9]+; .dockmpi logs --name $c 1. shows" 'tells its code'

# A program that calls itself something nasty, and computes.
ok 'a job that computes' dockmpi run --name "$c" -d -- bash -c \
    'printf "a) R 1 1 \n\033[31m" >/proc/self/comm; while :; do :; done'
until_says '^job 2: every rank computes: nothing looks stalled' 'why: every rank computes'
unlike "$out" $'\033' 'names of processes reach no terminal as they are'
ok 'is canceled' dockmpi cancel --name "$c"

# Noticed by itself: the job prints, then two ranks wait for each other for ever.
dockmpi run --name "$c" --stall 5 -- sh -c 'echo begins; exec sleep 300' >job.out 2>job.err &
job=$!
if wait_until 60 grep -q 'nothing was printed' job.err; then pass 'run --stall tells'; else fail 'run --stall tells' "$(cat job.err)"; fi
like "$(cat job.err)" "^dockmpi: job 3: nothing was printed for [0-9ms]+, and every rank sleeps, .*; .dockmpi why --name $c 3. tells more$" \
    'how long, what, and where to look'
ok "is canceled" dockmpi cancel --name "$c"
wait $job
is "$(grep -c 'nothing was printed' job.err)" 1 'once'

# lost TITLE COMMAND REGEX: a job whose worker-1 something happens to ends soon with 255 and names it.
lost() {
    dockmpi run --name "$c" -- sh -c 'echo runs; exec sleep 300' >job.out 2>job.err &
    local job=$!
    wait_until 60 sh -c '[ "$(grep -c runs job.out)" = 2 ]' || fail "$1: the job runs"
    in_worker 1 true && eval "$2" >/dev/null
    wait $job
    rc=$?
    tr -d '\0' <job.err >err && tr -d '\0' <job.out >out
    e2e_read
    is "$rc" 255 "$1: 255"
    like "$err" "$3" 'and its job says what happened'
}
# A rank that needs more memory than there is, while nobody watches.
docker update --memory 64m --memory-swap 64m "dockmpi-$c-worker-0" >/dev/null
ok 'a job that runs out of memory' dockmpi run --name "$c" -d --job-name hungry --np 1 -- tail /dev/zero
exits 137 'wait' dockmpi wait --name "$c" hungry
oom='worker-0 on node local: the kernel has ended a process there for want of memory'
like "$err" "^dockmpi: job hungry: $oom" 'tells why it ended'
exits 137 'attach' dockmpi attach --name "$c" hungry
like "$err" "^dockmpi: job hungry: $oom" 'tells it, too'
ok 'why' dockmpi why --name "$c" hungry
like "$out" "^job hungry: the job has ended with exit code 137: $oom" 'concludes it'

lost 'a launch daemon that is killed' "in_worker 1 'kill -KILL \$(pgrep prted)'" \
    '^dockmpi: worker-1 on node local was lost: its launch daemon has ended'
lost 'a worker that is killed' "docker kill dockmpi-$c-worker-1" '^dockmpi: worker-1 on node local was lost: its container has ended'
like "$err" '^dockmpi: job [0-9]+: worker-1 on node local: its container was ended by signal 9$' 'and the engine why'
ok 'the log' dockmpi logs --name "$c"
like "$err" '^dockmpi: worker-1 on node local was lost' 'has it, too'
docker kill "dockmpi-$c-worker-0" >/dev/null
ok 'why' dockmpi why --name "$c" hungry
like "$out" "^job hungry: the job has ended with exit code 137: $oom" 'still tells why a job ended whose worker ended later'
like "$out" '^worker-0 on node local: its container was ended by signal 9; then or earlier the kernel ended' \
    'and does not guess who ended that'
ok 'down' dockmpi down --name "$c"
