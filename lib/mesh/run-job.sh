#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2046,SC2086,SC2154 # words are split; some variables are those of world.sh
# The job container's process, after world.sh, transport.sh, lost.sh and attempts.sh. /etc/dockmpi/job becomes mpirun. Its output
# goes through files, because the PMIx of Open MPI 5.0 drops bursts that a pipe does not take at once.

dir=$(mktemp -d "${DOCKMPI_TMP:-/tmp}/dockmpi-job.XXXXXX") || exit 125
: >"$dir/out" && : >"$dir/err" || exit 125
stop='' pid='' feeder='' code=''
# Who cancels does not want to wait for all that the ranks had printed by then.
drain_soon() {
    (sleep 2; kill $(cat "$dir/out.tail" "$dir/err.tail")) >/dev/null 2>&1 &
}
# The first request asks mpirun, which then ends every rank. After 5 s it is not asked again.
stop() {
    [ -n "$stop" ] || (sleep 5; kill -s KILL "$pid") >/dev/null 2>&1 &
    stop=$1
    interrupted=1
    kill -s TERM "$pid" 2>/dev/null
    [ -z "$code" ] || drain_soon
}
pass() {
    interrupted=1
    kill -s "$1" "$pid" 2>/dev/null
}
# A trapped signal ends wait early with a status that is not the child's. Some shells remark on
# a child that was killed; its exit code says so already.
await() {
    while :; do
        interrupted=
        wait "$1" 2>/dev/null
        status=$?
        [ -n "$interrupted" ] || return "$status"
        kill -s 0 "$1" 2>/dev/null || { wait "$1" 2>/dev/null; last=$?
            [ "$last" -eq 127 ] || status=$last
            return "$status"; }
    done
}
# follow FILE [OPTION...]: what it has and gets; FILE.tail tells who shows it.
follow() {
    sh -c 'echo "$$" >"$1.tail"; exec tail -c +1 -f "$@"' sh "$@"
}
show_out() {
    case $report in
    out) follow "$dir/out" "$@" | hear ;;
    *) follow "$dir/out" "$@" ;;
    esac
}
show_err() {
    follow "$dir/err" "$@" | sift >&2
}
exec 3<&0 </dev/null
# Rank 0 reads its standard input from a pipe on its worker: mpirun of Open MPI 5.0 would lose
# most of what is longer than 4 KiB. Either end makes the pipe, and waits for the other.
head_of_job
[ "$restarts" -eq 0 ] || [ -n "${DOCKMPI_ATTEMPT:-}" ] || attempts
if [ -n "$reads" ]; then
    export DOCKMPI_STDIN="$dir.in"
    read -r host _ </etc/dockmpi/hostfile
    # Should we be gone before rank 0 has come, a watcher over there ends what waits for it.
    ssh "$host" "(while kill -0 \$PPID; do sleep 1; done
        [ ! -p $dir.in ] || { timeout 5 cat $dir.in; rm -f $dir.in; }) </dev/null >/dev/null 2>&1 &
        mkfifo -m 600 $dir.in 2>/dev/null; exec cat >$dir.in" \
        <&3 3<&- >/dev/null 2>&1 &
    feeder=$!
fi
if [ "$ranks" -gt 0 ]; then
    mark=${dir##*.}
    export DOCKMPI_WORLD="$mark"
    : >"$dir/came"
    [ -z "$verify" ] || ask
fi
sh /etc/dockmpi/job >>"$dir/out" 2>>"$dir/err" 3<&- &
pid=$!
exec 3<&-
# Until all children run, a request is only noted: what it starts would change $!.
asked=
trap 'asked=143' TERM
trap 'asked=130' INT
trap 'asked=129' HUP
trap 'pass USR1' USR1
trap 'pass USR2' USR2
heed() {
    trap 'stop 143' TERM
    trap 'stop 130' INT
    trap 'stop 129' HUP
    [ -z "$asked" ] || stop "$asked"
}
ends=''
tail --pid=$$ -c 0 /dev/null 2>/dev/null && ends="-s 0.02 --pid=$pid"
show_out $ends &
tail_out=$!
show_err $ends &
tail_err=$!
heed
await "$pid"
code=$?
if [ -z "$ends" ]; then
    sleep 2
    kill $(cat "$dir/out.tail" "$dir/err.tail")
fi
[ -z "$stop" ] || drain_soon
await "$tail_out"
await "$tail_err"
# mpirun answers 0 after it lost a node, and 255 where it could not reach one.
case $stop$code in 0 | 255)
    if grep -aqE 'lost communication with a remote daemon|unable to reliably start one or more daemons' "$dir/err"; then
        tell_lost
        code=255
    fi
    ;;
esac
if [ -n "$stop" ]; then
    case $code in 1 | 137) code=$stop ;; esac
fi
if [ "$code" -eq 0 ] && [ "$ranks" -gt 0 ] && [ -z "$stop" ] && [ ! -e "$dir/all" ]; then
    verdict "mpirun answered 0, but $(missing)"
fi
if [ -n "$report" ] && [ "$code" -eq 0 ] && [ -z "$stop" ] && [ ! -e "$dir/transport" ]; then
    silent
fi
if [ -n "$ucc" ] && [ "$code" -eq 0 ] && [ -z "$stop" ]; then
    check_ucc
fi
if [ -s "$dir/verdict" ]; then
    cat "$dir/verdict" >&2
    code=125
fi
if [ -n "$feeder" ]; then # where rank 0 never came, the other end still waits
    kill "$feeder" 2>/dev/null
    ssh "$host" "[ ! -p $dir.in ] || { timeout 5 cat $dir.in; rm -f $dir.in; }" \
        >/dev/null 2>&1
fi
rm -rf "$dir"
exit "$code"
