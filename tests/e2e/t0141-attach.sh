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
is "$(grep -lx 'twin' twin.? | wc -l) $(grep -l 'the name twin is that of job' twin.? | wc -l)" '1 1' 'of two clients at once one gets the name'
ok 'cancel by name' on cancel twin
is "$out" 'job twin: canceled' 'and it is called so'
exits 4 'a job that takes the name of one that has ended' on run --np 1 --job-name night-run -- sh -c 'echo again; exit 4'
exits 4 'the name means the newest' on wait night-run
ok 'its log' on logs night-run
is "$out" 'again' 'too'
exits 3 'the number is that of the other' on wait 1
ok 'jobs --prune JOB...' on jobs --prune night-run night-run
like "$out" '^removed job [0-9]+ \(night-run\)$' 'removes the one that was named'
exits 3 'and the name means the one before' on wait night-run
exits 125 'what is no job' on jobs --prune twin nosuch
exits 2 'a name alone' on jobs twin
t on why twin
like "$out" "^job twin: the job was canceled and ended with exit code [0-9]+; .dockmpi logs --name $c twin. shows" 'why, too'
like "$(dockmpi ps --name "$c")" "^$c +twin " 'and ps'
exits 2 "run --json, where the output is the job's" on run --json -- true
like "$err" '^dockmpi: --json goes with -d, --dry-run or --map' 'is refused'

# Coming back: everything, once, in order, with the right code, by any number of clients, whatever breaks.
cat >count.sh <<'SH'
i=1
while [ $i -le 1500 ]; do
    echo "line $i"
    [ $((i % 5)) -ne 0 ] || echo "error $i" >&2
    [ $((i % 10)) -ne 0 ] || sleep 0.02
    [ $i -ne 1000 ] || until [ -e /tmp/go ]; do sleep 0.1; done
    i=$((i + 1))
done
exit 6
SH
seq -f 'line %g' 1500 >want.out
seq -f 'error %g' 5 5 1500 >want.err
python3 "$E2E_ROOT/tests/e2e/cutproxy.py" "$E2E_TMP/cut.sock" /var/run/docker.sock >proxy.log 2>&1 &
proxy=$!
trap 'kill $proxy; e2e_end' EXIT
ok 'a proxy that cuts connections' wait_until $E2E_LIMIT grep -q ready proxy.log
# client NAME COMMAND...: in the background, by way of the proxy; its exit code goes to NAME.code.
client() {
    (DOCKER_HOST=unix://$E2E_TMP/cut.sock "$DOCKMPI" "${@:2}" >"$1.out" 2>"$1.err"; echo $? >"$1.code") &
}
# whole NAME CODE: the client saw everything once and ended with that code.
whole() {
    is "$(cat "$1.code")" "$2" "$1: its code" || sed 's/^/# /' "$1.err"
    cmp -s "$1.out" want.out && cmp -s <(grep -v '^dockmpi: ' "$1.err") want.err && pass "$1: all lines, each once" ||
        fail "$1: all lines, each once" "$(diff "$1.out" want.out | head -n 5; diff "$1.err" want.err | head -n 5)"
}
client run run --name "$c" --np 1 --job-name counts ./count.sh
has_begun() { dockmpi logs --name "$c" counts 2>/dev/null | grep -q 'line 20$'; }
ok 'a job that prints' wait_until $E2E_LIMIT has_begun
client attach attach --name "$c" counts
client follow logs --name "$c" -f counts
client wait wait --name "$c" counts
("$DOCKMPI" attach --name "$c" counts >direct.out 2>direct.err; echo $? >direct.code) &

cut_until_it_ends() {
    while [ -z "$(containers "$c" label=io.dockmpi.jobname=counts status=exited)" ]; do
        kill -USR1 $proxy
        cuts=$((cuts + 1))
        [ $cuts -ne 5 ] || docker exec "dockmpi-$c-worker-0" touch /tmp/go
        sleep 0.3
    done
}
cuts=0
cut_until_it_ends
ended() { [ "$(cat ./*.code 2>/dev/null | wc -l)" -eq 5 ]; }
ok 'every client ends' wait_until $E2E_LIMIT ended
[ $cuts -gt 1 ] && pass 'connections were cut again and again' || fail 'connections were cut again and again' "$cuts times"
whole run 6
whole attach 6
whole follow 0
whole direct 6
is "$(cat wait.code)" 6 'wait: its code'
exits 6 'attach exits with its code' on attach counts
is "$(wc -l <out) $(wc -l <err)" '1500 300' 'and shows all of it'
exits 6 'attach --tail' on attach --tail 3 counts
is "$(cat out err | wc -l) $(tail -n 1 out)" '3 line 1500' 'shows the last lines of what it printed'
exits 6 'attach --no-logs' on attach --no-logs counts
is "$out$err" '' 'shows nothing of it'
exits 2 '--since that is no time' on logs --since yesterday
ok 'logs --since' on logs --since 1h counts
is "$(wc -l <out)" 1500 'shows what came since then'
ok 'logs --since the future' on logs --since 2199-01-01T00:00:00Z counts
is "$out" '' 'is empty'

# Ctrl-C in attach is that of run.
ok 'run -d' on run -d --np 1 --job-name sleeps -- sh -c 'echo sleeps; exec sleep 600'
is "$out" sleeps 'prints the name that every command takes'
env --default-signal=INT "$DOCKMPI" attach --name "$c" sleeps >out 2>err &
client=$!
ok 'attach' wait_until $E2E_LIMIT grep -q sleeps out
kill -INT $client
wait $client
is $? 130 'Ctrl-C in attach exits as that of run'
like "$(cat err)" 'job sleeps: canceled; every rank has ended' "and says what it did, by the job's name"
exits 143 'the job has ended' on wait sleeps

# A job that is started again.
exits 9 'run --restart-on-failure' on run --restart-on-failure 1 --np 1 -- sh -c 'echo "try $DOCKMPI_ATTEMPT"
    ps -e -o args= | grep -q "^sleep 60[1]" && echo "there are leftovers"
    setsid sleep 601 >/dev/null 2>&1 </dev/null & sleep 0.5; exit 9'
is "$out" 'try 1
try 2' 'it is started again'
like "$err" 'attempt 2 of 2 ended with exit code 9: there is no other' 'not more often than allowed'
like "$(on jobs)" ' failed \(attempt 2 of 2\) +9 ' 'jobs tells how often'
t on jobs --json
json 'as JSON' 'assert [(j["attempts"], j["attempts_max"]) for j in r["jobs"]][-1] == (2, 2) and r["jobs"][0]["attempts"] is None, r'
# The time before an attempt, held here: what waits, waits for ever.
hold() {
    job=$(on jobs | awk -v name="$1" '$2 == name { print $1 }')
    docker exec "dockmpi-$c-job-$job" sh -c 'until [ -s /etc/dockmpi/pause ] && pkill -STOP -x sleep; do sleep 0.1; done'
}
t on run -d --restart-on-failure 6 --np 1 --job-name rests -- sh -c 'exit 9'
hold rests
ok 'why, before it is started again' on why
like "$out" 'job rests: the job waits to start again \(attempt [2-7] of 7\)' 'says so'
ok 'cancel' on cancel
exits 143 'ends it, without that time' on wait rests
ok 'logs' on logs rests
like "$err" '^dockmpi: attempt [2-7] of 7 was not started any more' 'which its log tells'
# A worker is lost, and replaced before the next attempt: it gets the job's code, too.
mkdir 'my job'
echo 'program: go.sh' >'my job/job.yaml'
echo 'echo up; [ $DOCKMPI_ATTEMPT -gt 1 ] || exec sleep 600' >'my job/go.sh'
t on run -d --restart-on-failure 1 --job-name goes-on './my job'
are_up() { [ "$(on logs goes-on 2>/dev/null | grep -cx up)" -eq 2 ]; }
wait_until $E2E_LIMIT are_up || fail 'both ranks run'
docker kill "dockmpi-$c-worker-1" >/dev/null
waits() { on logs goes-on 2>&1 | grep -q 'dockmpi: worker-1: no answer; attempt 2 waits'; }
ok 'the next attempt waits for it' wait_until $E2E_LIMIT waits
like "$(on logs goes-on 2>&1)" "run .dockmpi up --name $c.," 'and says what brings it back'
ok 'up' dockmpi up --name "$c" --workers 2 --image cpu
ok 'the next attempt finds the new worker' on wait goes-on
like "$(on jobs)" ' succeeded \(attempt 2 of 2\) ' 'and is the last that is needed'
exits 2 'not with standard input' on run -i --restart-on-failure 1 -- cat

# Whose output it is. A launcher's image that is older than this is made anew, as the message says.
t on run --np 1 --tag -- true
if grep -q 'dockmpi image build launcher' <<<"$err"; then
    ok 'the launcher is made anew' dockmpi image build launcher
    ok 'up' dockmpi up --name "$c" --workers 2 --image cpu
fi
says='i=1; while [ $i -le 500 ]; do echo "line $i of $OMPI_COMM_WORLD_RANK"; i=$((i+1)); done; echo oops >&2; printf "the end"'
ok 'run --tag' on run --tag -- sh -c "$says"
is "$(wc -l <out) $(grep -cE '^([01]): line [0-9]+ of \1$' out) $(grep -cxE '[01]: the end' out)" '1002 1000 2' 'each line tells its rank'
is "$(sort err)" '0: oops
1: oops' 'on both streams'
{ seq -f 'line %g of 1' 500; printf 'the end'; } >want.1
ok 'run --output' on run --output ranks -- sh -c "$says"
unlike "$out" '^[01]: ' 'shows the lines as they are'
is "$(ls ranks)" "job.log
rank-0.err
rank-0.log
rank-1.err
rank-1.log" 'each rank has its files'
cmp ranks/rank-1.log want.1 && pass 'with its output, to the byte' || fail 'with its output, to the byte'
ok 'run -d --tag' on run -d --tag --job-name tagged -- sh -c "$says"
ok 'it ends' on wait tagged
ok 'logs --output' on logs --output later tagged
cmp later/rank-1.log want.1 && pass 'fetches the same later' || fail 'fetches the same later'
exits 125 'logs --output of another job' on logs --output later night-run
one_line "$err" 'is refused in one line'
exits 2 'run -d --output' on run -d --output ranks -- true

# Keys that leave a job running, in a terminal.
cat >leave.py <<'PY'
import subprocess
import sys

sys.path.insert(0, sys.argv.pop(1))
import ptytalk

dockmpi, cluster = sys.argv[1:]
at = ["--name", cluster]
with open("small.sh", "w", encoding="utf-8") as f:
    f.write("echo small; sleep 0.2\n")
for turn in ("new", "known"):
    small = ptytalk.Terminal([dockmpi, "run", *at, "--np", "1", "./small.sh"])
    before = small.expect(r"[\s\S]*small").group()
    ptytalk.check(b"worker-" not in before.rpartition(b"\033[J")[2], f"code that is {turn}: {before}")
    ptytalk.check(small.end() == 0, "run in a terminal")
run = ptytalk.Terminal([dockmpi, "run", *at, "--np", "1", "--job-name", "kept", "--", "sh", "-c",
                        "echo goes; exec sleep 600"])
run.expect(r"job \d+: ctrl-p,ctrl-q leaves it running, Ctrl-C cancels it")
run.expect("goes")
run.send("typed meanwhile\n\x10x\x10\x11")
typed = run.expect(r"[\s\S]*job kept goes on; `dockmpi attach --name \S+ kept` comes back to it").group()
ptytalk.check(b"typed" not in typed and b"^P" not in typed, f"what nobody reads was shown: {typed}")
ptytalk.check(run.end() == 0, "run left by its keys did not exit with 0")
back = ptytalk.Terminal([dockmpi, "attach", *at, "--detach-keys", "a,b", "kept"])
back.expect("goes")
back.send("ab")
back.expect("goes on")
ptytalk.check(back.end() == 0, "attach left by its keys did not exit with 0")
reads = ptytalk.Terminal([dockmpi, "run", *at, "-i", "--np", "1", "--job-name", "reads", "--", "sh", "-c",
                          "while read -r line; do echo \"got <$line>\"; done; echo end; exec sleep 600"])
reads.repeat("some words\n", "got <some words>")
reads.send("\x10\x11")
typed = reads.expect(r"[\s\S]*goes on").group()
ptytalk.check(b"^P" not in typed and b"^Q" not in typed, f"the keys were shown: {typed}")
ptytalk.check(reads.end() == 0, "run -i left by its keys did not exit with 0")
jobs = subprocess.run([dockmpi, "jobs", *at], capture_output=True, text=True).stdout
ptytalk.check(jobs.count(" running ") == 2, f"the jobs do not run: {jobs}")
again = ptytalk.Terminal([dockmpi, "attach", *at, "kept"])
again.expect("goes")
again.send("\x03")
ptytalk.check(again.end() == 130, "Ctrl-C in the terminal is not that of run")
PY
ok 'keys leave the job running' python3 leave.py "$E2E_ROOT/tests/e2e" "$DOCKMPI" "$c"
ok 'and others cancel it' on cancel reads
ok 'down' dockmpi down --name "$c"
is "$(containers "$c")" '' 'nothing is left'
