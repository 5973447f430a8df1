#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Defects that were found by using dockmpi, each kept from coming back.
# timeout: 300
# debug: no (it is about timing)
# valgrind: no (the paths run there in the other scripts; here it is about timing)
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

need_image launcher
need_image cpu
c=$(cluster r)
job_containers() { containers "$c" label=io.dockmpi.role=job; }
# interrupt SIGNAL SECONDS|CONDITION ARGUMENT...: starts dockmpi, signals it then, sets $rc, $out and $err. The shell
# would have it ignore Ctrl-C until it has got so far as to want it.
interrupt() {
    local signal=$1 after=$2 pid
    shift 2
    env --default-signal=INT "$DOCKMPI" "$@" >"$E2E_TMP/out" 2>"$E2E_TMP/err" </dev/null &
    pid=$!
    case $after in [0-9]*) sleep "$after" ;; *) wait_until $E2E_LIMIT "$after" ;; esac
    kill "-$signal" $pid
    wait $pid
    rc=$?
    e2e_read
}

# --- what needs no cluster -------------------------------------------------------------------------------

t bash -c "'$DOCKMPI' help up | true; exit \${PIPESTATUS[0]}"
is "$err" '' 'a reader of the result that left is no error'
t bash -c "'$DOCKMPI' help up >/dev/full"
is "$rc" 125 'a result that cannot be written is one'
t bash -c "'$DOCKMPI' ps >&-"
is "$rc$err" 0 'a closed standard output is taken for silence'

mkdir -p "$E2E_TMP/docker" && chmod 755 "$E2E_TMP"
echo '{}' >"$E2E_TMP/docker/config.json" && chmod 600 "$E2E_TMP/docker/config.json"
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    # Where another user may go: neither the scratch folder nor this checkout need be such a place.
    public=$(mktemp -d) && cp -r "$E2E_TMP/docker" "$public/" && cp "$E2E_ROOT/build/dockmpi" "$public/dockmpi-copy"
    chmod 755 "$public" "$public/docker" "$public/dockmpi-copy"
    t env HOME="$public" DOCKER_CONFIG="$public/docker" setpriv --reuid nobody --regid nogroup --clear-groups \
        "$public/dockmpi-copy" ps
    rm -rf "$public"
    like "$err" 'permission denied on .*docker.sock' "another user's docker configuration does not hide the cause"
fi

# --- up ---

said=
for after in 0.05 0.1 0.2 0.4; do
    interrupt INT $after up --name "$c-canceled" --workers 3 --image cpu
    [ "$rc" = 0 ] || said="$said$(grep -vE '^dockmpi: interrupted$|: ready$' <<<"$err")"
done
is "$said" '' 'Ctrl-C while a cluster is made is no failure of its members'
ok 'down' dockmpi down --name "$c-canceled"

# --- run -------------------------------------------------------------------------------------------------

ok 'up' dockmpi up --name "$c" --workers 2 --image cpu

left=
for after in 0.02 0.04 0.06 0.08 0.1 0.12 0.14; do
    interrupt INT $after run --name "$c" --rm -- sleep 100
    [ -z "$(job_containers)" ] || left="$left $after:$(job_containers)"
done
is "$left" '' 'Ctrl-C while a job is made leaves no container'

interrupt INT 2 run --name "$c" -- sleep 100
is "$rc" 130 'Ctrl-C ends run with 130'
interrupt TERM 2 run --name "$c" -- sleep 100
is "$rc" 143 'and TERM with 143'

t dockmpi run --name "$c" -- sh -c 'exit 42'
is "$rc" 42 'the exit code of a rank'
one_line "$err" 'a job that fails is explained in one line'
like "$err" 'rank [01] ended with exit code 42' 'which names rank and code'
t dockmpi run --name "$c" -n 1 -- sh -c 'kill -9 $$'
one_line "$err" 'a killed rank is explained in one line'
like "$err" 'rank 0 on worker-0 of node local was killed by signal 9' 'which names rank, worker and signal'
t dockmpi run --name "$c" -- no-such-program
# mpirun ends the other rank, unless that has said so, too, by then.
is "$(sort <<<"$err" | uniq -d; grep -v '^dockmpi: no-such-program: not found in image cpu on worker-[01]$' <<<"$err")" '' \
    'a program that no worker has is reported once by each, and by nobody else'

# Nobody reads: the pipe is full when Ctrl-C comes.
mkfifo "$E2E_TMP/fifo"
exec {nobody}<>"$E2E_TMP/fifo"
env --default-signal=INT "$DOCKMPI" run --name "$c" -n 1 -- seq 1 30000000 >"$E2E_TMP/fifo" 2>"$E2E_TMP/err" </dev/null &
pid=$!
sleep 3
kill -INT "$pid"
has_ended() { ! kill -0 "$pid" 2>/dev/null; }
ok 'Ctrl-C works while nobody reads the output' wait_until $E2E_LIMIT has_ended
exec {nobody}>&-
t bash -c "'$DOCKMPI' run --name $c -n 1 -- seq 1 30000000 | head -n 1; exit \${PIPESTATUS[0]}"
is "$rc $out" '141 1' 'a job whose reader leaves is canceled'
is "$(containers "$c" status=running label=io.dockmpi.role=job)" '' 'and does not run on'

dockmpi run --name "$c" -- seq 1 300000 2>/dev/null | sort -n | uniq -c | awk '$1 != 2' >"$E2E_TMP/torn"
is "$(wc -l <"$E2E_TMP/torn")" 0 'lines of two busy ranks stay whole' || head -n 5 "$E2E_TMP/torn"

# --- exec and shell --------------------------------------------------------------------------------------

processes() { docker exec "dockmpi-$c-worker-0" sh -c 'cat /proc/[0-9]*/cmdline 2>/dev/null' | tr '\0' ' ' | grep -c "sleep 77[0-9]"; }
asleep() { [ "$(processes)" != 0 ]; }
interrupt INT asleep exec --name "$c" --workers -- sh -c 'sleep 771 & trap "" TERM HUP; sleep 772'
is "$rc" 130 'Ctrl-C ends exec with 130'
is "$(processes)" 0 'and leaves no process in the container'
one_line "$err" 'and says so once'
interrupt HUP asleep shell --name "$c" worker-0 sleep 773
is "$(processes)" 0 'a shell whose terminal has gone leaves no process'
t dockmpi exec --name "$c" -w worker-0 -- no-such-program
is "$rc$out" 127 'exec of a program that is not there: 127, nothing on standard output'
one_line "$err" 'and one line of error'
exits 2 'exec -w without names is wrong usage' dockmpi exec --name "$c" -w '' -- true
t dockmpi exec --name "$c" -w worker-0 -- sh -c 'echo OCI runtime exec failed: not so; exit 3'
is "$rc $out" '3 OCI runtime exec failed: not so' 'what a program says is not taken for a refusal'
