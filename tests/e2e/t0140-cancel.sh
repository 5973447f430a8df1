#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A job that is told to end: its ranks get their grace, and nothing of it is left, whatever was stopped, killed or paused.
# timeout: 300
# debug: no (what runs in the client is in t0020)
# valgrind: no (what runs in the client is in t0020)
# shellcheck disable=SC2016 # variables are meant for the shell in the container
. "$(dirname "$0")/lib.sh"
need_image cpu
c=$(cluster cancel)
ok 'up' dockmpi up --name "$c" --workers 2 --image cpu

has_said() { [ "$(dockmpi logs --name "$c" "$job" 2>/dev/null | grep -cx "$1")" -ge "${2:-1}" ]; }
# begin ARGUMENT...: a job in the background, once both ranks have said that they are up.
begin() {
    t dockmpi run -d --name "$c" "$@"
    job=$out
    wait_until $E2E_LIMIT has_said up 2 || fail 'the job runs' || diag
}
# The processes with a variable of this job in their environment, by a look of our own.
left() {
    local w pid
    for w in 0 1; do
        for pid in $(docker top "dockmpi-$c-worker-$w" -eo pid | tail -n +2); do
            tr '\0' '\n' <"/proc/$pid/environ" | grep -qE '^DOCKMPI_(JOB|DAEMON)=' && echo "worker-$w: $(tr '\0' ' ' <"/proc/$pid/cmdline")"
        done
    done 2>/dev/null
}
# state_is WORD TITLE: what every command that tells of the job calls it.
state_is() {
    t dockmpi jobs --name "$c" --json
    json "$2" 'assert [j["state"] for j in r["jobs"] if j["job"] == sys.argv[1]] == [sys.argv[2]], r' "$job" "$1"
}
code_is() { exits "$1" "$2" dockmpi wait --name "$c" "$job"; }
# to WORKER NAME SIGNAL: a signal for the processes of that name.
to() {
    docker exec "$1" sh -c 'for p in /proc/[0-9]*; do
        read -r name <"$p/comm" && [ "$name" = "$1" ] && kill -s "$2" "${p#/proc/}" && hit=1
    done 2>/dev/null; test -n "$hit"' sh "$2" "$3" || fail "$1 has $2"
}

# A handler that takes its time, longer on one rank than on the other; mpirun alone would give 0.25 s.
cat >save.py <<'PY'
import os, signal, sys, time
rank = int(os.environ["OMPI_COMM_WORLD_RANK"])
def save(*_):
    time.sleep(0.5 + 2 * rank)
    for i in range(1000):
        print("line", i)
    print("saved", rank, flush=True)
    sys.exit(int(sys.argv[1]))
signal.signal(signal.SIGTERM, save)
print("up", flush=True)
time.sleep(1000)
PY
begin ./save.py 0
ok 'cancel' dockmpi cancel --name "$c"
is "$out $err" "job $job: canceled " 'says so'
is "$(left)" '' 'leaves nothing'
code_is 143 'a canceled job has not succeeded, though its ranks say so'
like "$err" "job $job: was canceled \\(by .cancel., " 'and wait says why'
state_is canceled 'jobs calls it canceled'
ok 'ps' dockmpi ps --name "$c"
like "$out" "^$c +$job .* canceled " 'ps, too'
ok 'why' dockmpi why --name "$c"
like "$out" "^job $job: the job was canceled and ended with exit code 143" 'and why'
ok 'cancel where nothing runs' dockmpi cancel --name "$c"
is "$out $err" " dockmpi: no job of cluster $c is running" 'says so'
ok 'logs' dockmpi logs --name "$c"
is "$(grep saved <<<"$out" | sort | tr '\n' ' ')$(grep -c line <<<"$out")" 'saved 0 saved 1 2000' 'both ranks had their time, and nothing that they print is lost'
# Programs have codes of their own.
exits 143 'a program that ends with 143' dockmpi run --name "$c" --np 1 -- sh -c 'sleep 0.3; exit 143'
t dockmpi jobs --name "$c" --json
json 'has failed and was not canceled' 'assert r["jobs"][-1]["state"] == "failed" and r["jobs"][-1]["exit_code"] == 143, r'
begin -- sh -c 'echo up; exec sleep 600'
older=$job
begin --np 1 -- sh -c 'echo up; echo up; sleep 0.5'
ok 'a job that was started later has ended' dockmpi wait --name "$c" "$job"
ok 'why' dockmpi why --name "$c"
like "$out" "^job $older:" 'takes the newest that runs'
ok 'cancel' dockmpi cancel --name "$c"
is "$out" "job $older: canceled" 'takes the newest that runs, too'
begin ./save.py 3
ok 'cancel --all of ranks that fail when they are ended' dockmpi cancel --all --name "$c"
is "$out" "job $job: canceled" 'tells only what it did'
code_is 143 'however the ranks have ended'
ok 'logs' dockmpi logs --name "$c"
is "$(grep -c saved <<<"$out")" 2 'the failure of the first does not end the other'

# Without a handler: at once. The bound is for a busy machine; `make bench` has the figure.
begin -- sh -c 'echo up; exec sleep 600'
start=$SECONDS
ok 'cancel --grace 1h' dockmpi cancel --name "$c" --grace 1h
is $((SECONDS - start < 60)) 1 'nobody waits longer than the ranks need'
is "$(left)" '' 'leaves nothing'
code_is 143 'its exit code'

# Deaf ranks, and children in sessions of their own whose parents have gone.
cat >deaf.sh <<'SH'
#!/bin/sh
trap '' TERM
setsid sh -c 'sleep 600 & sleep 601 & exit'
echo up
while :; do sleep 0.2; done
SH
chmod +x deaf.sh
begin ./deaf.sh
orphans() { [ "$(left | grep -c 'sleep 60')" -eq 4 ]; }
ok 'children of their own outlive their parents' wait_until $E2E_LIMIT orphans
ok 'cancel --grace 1s of deaf ranks' dockmpi cancel --name "$c" --grace 1s
like "$err" "job $job: of its processes [0-9]+ heeded the signal, [0-9]+ had to be killed" 'tells that some were killed'
is "$(left)" '' 'leaves nothing'
begin ./deaf.sh
ok 'cancel --grace 0' dockmpi cancel --name "$c" --grace 0
is "$(left)" '' 'leaves nothing'
code_is 137 'its exit code'
state_is canceled 'it was canceled all the same'

# mpirun cannot react; a launch daemon cannot; a launch daemon is gone; the job's container is.
begin -- sh -c 'echo up; exec sleep 600'
to "dockmpi-$c-job-$job" prterun STOP
ok 'cancel of a stopped mpirun' dockmpi cancel --name "$c" --grace 1s
is "$(left)" '' 'leaves nothing'
begin -- sh -c 'echo up; exec sleep 600'
to "dockmpi-$c-worker-0" prted STOP
ok 'cancel with a stopped launch daemon' dockmpi cancel --name "$c" --grace 1s
is "$(left)" '' 'leaves nothing'
begin ./deaf.sh
to "dockmpi-$c-worker-0" prted STOP
docker rm -f "dockmpi-$c-job-$job" >/dev/null
[ -n "$(left)" ] && pass 'a container that is removed leaves ranks' || fail 'a container that is removed leaves ranks'
ok 'cancel of a job without container' dockmpi cancel --name "$c" --grace 1s "$job"
like "$err" 'processes left on the workers were killed, too' 'tells that there were some'
is "$(left)" '' 'leaves nothing'
exits 125 'nothing is there any more' dockmpi cancel --name "$c" "$job"
like "$err" "no job '$job'" 'and that is said'

# A worker that does not answer: what is not known is said, and the same command finishes the work.
begin -- sh -c 'echo up; exec sleep 600'
docker pause "dockmpi-$c-worker-1" >/dev/null
exits 125 'cancel with a paused worker' dockmpi cancel --name "$c" --grace 1s "$job"
is "$out" "job $job: could not be verified on worker-1 on node local" 'does not say that it is done'
one_line "$err" 'and in one line what was not'
like "$err" "could not be verified: worker-1 on node .*paused.*dockmpi cancel --name $c $job" 'which worker, why, and what to do'
is "$(left | grep -c worker-0)" 0 'the other worker is clean'
exits 125 'still' dockmpi cancel --name "$c" --json "$job"
json 'as JSON' 'assert r["unverified"][0]["worker"] == "worker-1" and r["jobs"][0]["outcome"] == "had ended before", r'
docker unpause "dockmpi-$c-worker-1" >/dev/null
ok 'the same later' dockmpi cancel --name "$c" "$job"
is "$(left)" '' 'leaves nothing'

# The client in the foreground. The shell would have a command in the background ignore these signals.
are_up() { [ "$(grep -cx up shown)" -eq 2 ]; }
attend() {
    : >shown # now, not when the command has got so far
    env --default-signal=INT,HUP "$DOCKMPI" run --name "$c" "$@" >shown 2>told &
    client=$!
    wait_until $E2E_LIMIT are_up || fail 'the job runs'
    t dockmpi jobs --name "$c" --json
    job=$(python3 -c 'import json; print(json.load(open("out"))["jobs"][-1]["job"])')
}
attend -- sh -c 'echo up; exec sleep 600'
to "dockmpi-$c-job-$job" prterun STOP
kill -INT $client
wait_until $E2E_LIMIT grep -q 'the ranks have 10s to end; Ctrl-C again kills them now' told &&
    pass 'Ctrl-C tells how long it may take, and what a second one does' || fail 'Ctrl-C tells how long it may take' "$(cat told)"
kill -INT $client
wait $client
is $? 130 'Ctrl-C twice ends run, though mpirun is stopped'
is "$(grep -c '^dockmpi: killing: the ranks get no time to end' told) $(grep -c 'canceled; its ranks were killed, none is left' told)" '1 1' 'and tells that they were killed'
is "$(left)" '' 'leaves nothing'
attend ./save.py 0
kill -INT $client
wait $client
is "$? $(grep -c saved shown) $(grep -c line shown)" '130 2 2000' 'Ctrl-C once: the ranks have their time, and what they print is shown'
attend --grace 1s --rm ./deaf.sh
kill -INT $client
wait $client
is "$?" 130 'run --grace is how long deaf ranks may take'
is "$(left)" '' 'leaves nothing'

# The client goes, the job does not.
attend --grace 1s ./deaf.sh
kill -HUP $client
wait $client
is $? 129 'a terminal that goes away ends run'
ok 'wait is possible from elsewhere' env HOME=/nonexistent XDG_CACHE_HOME=/nonexistent "$DOCKMPI" jobs --name "$c" --json
json 'the job goes on' 'assert [j["state"] for j in r["jobs"] if j["job"] == sys.argv[1]] == ["running"], r' "$job"
ok 'cancel' dockmpi cancel --name "$c" "$job"
# Two at once: each must have begun before its time is over, however busy the machine is.
attend --rm --timeout 16s -- sh -c 'echo up; sleep 2; echo later; exec sleep 700'
killed=$job
kill -KILL $client
wait $client 2>/dev/null
begin --timeout 14s --grace 1s ./deaf.sh
to "dockmpi-$c-job-$job" prterun STOP
code_is 124 'the time of a job whose mpirun is stopped, without a client'
job=$killed
code_is 124 'the time of a job ends it also when its client was killed'
state_is timeout 'which is its state'
ok 'logs' dockmpi logs --name "$c" "$job"
like "$out" later 'nothing is missing from its log'
like "$err" "the job's time of 16 s is over" 'which tells why it ended'
is "$(left | grep -v 'sleep 60')" '' 'no rank of either is left'

exits 2 'no grace of days' dockmpi cancel --name "$c" --grace 25h
exits 124 'run --timeout' dockmpi run --name "$c" --timeout 1s -- sleep 600
like "$err" 'canceled after --timeout' 'says so'

# The cluster is taken away while others look at its job.
attend -- sh -c 'echo up; exec sleep 600'
watchers=()
for verb in wait attach 'logs --follow'; do
    # shellcheck disable=SC2086 # it may be two words
    "$DOCKMPI" $verb --name "$c" "$job" >"seen.${verb%% *}" 2>&1 </dev/null &
    watchers+=($!)
done
wait_until $E2E_LIMIT grep -q up seen.attach
wait_until $E2E_LIMIT grep -q up seen.logs
ok 'down' dockmpi down --name "$c"
wait $client
is $? 125 'run ends with 125 when the cluster is taken down under it'
like "$(cat told)" "job $job.*its container was removed while it ran: by .down., or" 'and says why'
for i in 0 1 2; do
    wait "${watchers[i]}"
    is $? 125 "so does another client ($i: wait, attach, logs --follow)"
done
is "$(containers "$c")" '' 'nothing is left'
