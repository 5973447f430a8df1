#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2046,SC2086,SC2154 # words are split; some variables are those of world.sh
# The job container's process, after world.sh, transport.sh, lost.sh and attempts.sh. /etc/dockmpi/job becomes mpirun. Its output
# goes through files, because the PMIx of Open MPI 5.0 drops bursts that a pipe does not take at once.

dir=$(mktemp -d "${DOCKMPI_TMP:-/tmp}/dockmpi-job.XXXXXX") || exit 125
: >"$dir/out" && : >"$dir/err" || exit 125
record=${DOCKMPI_TMP:-}/.dockmpi # DMPI_ENDED_DIR
stop='' pid='' feeder='' code='' timer=''
# Who cancels does not want to wait for all that the ranks had printed by then.
drain_soon() {
    (sleep 2; kill $(cat "$dir/out.tail" "$dir/err.tail")) >/dev/null 2>&1 &
}
# end_on_workers WHAT MILLISECONDS SECONDS [FILE]: end.sh on every worker, what it says into the file. One that does
# not answer for so many seconds holds up nobody.
end_on_workers() {
    sent=''
    while read -r host _; do
        timeout "$3" ssh "$host" "sh -s $1 $2 $job" </etc/dockmpi/end >>"${4:-/dev/null}" 2>/dev/null 3<&- &
        sent="$sent $!"
    done </etc/dockmpi/hostfile
    for one in $sent; do await "$one"; done
}
# Every rank gets TERM and its time to heed it; who remains is killed.
end_ranks() {
    end_on_workers ranks "$1" $(($1 / 1000 + 3)) "$dir/ended"
}
# How many processes ended when they were told to, and how many had to be killed.
tally() {
    heeded=0 killed=0
    while read -r word all well; do
        [ "$word" != ended ] || heeded=$((heeded + well)) killed=$((killed + all - well))
    done <"$dir/ended"
    testify "$heeded-$killed"
}
# gone TENTHS: whether mpirun is, before so long.
gone() {
    tenths=$1
    while kill -s 0 "$pid" 2>/dev/null; do
        [ "$tenths" -gt 0 ] || return 1
        tenths=$((tenths - 1))
        sleep 0.1 2>/dev/null || sleep 1
    done
}
# As soon as one rank has ended, mpirun would kill the others: it is held until all have.
end_job() {
    patience=50
    if [ -n "$job" ] && [ "$grace" -gt 0 ] && { [ "$ranks" -eq 0 ] || [ -e "$dir/all" ]; }; then
        kill -s STOP "$pid"
        end_ranks "$grace"
        tally
        kill -s CONT "$pid"
        ! gone 30 || return
        patience=20
    fi
    kill -s TERM "$pid"
    kill -s CONT "$pid" # somebody may have stopped it
    gone "$patience" || kill -s KILL "$pid"
}
# testify TEXT: that the job was asked to end, for who reads its record later. A link holds the text, so nobody meets half of it.
testify() {
    mkdir -p "$record" && ln -sfn "$1" "$record/ended"
} 2>/dev/null
# Heeded once, and not by a job that has ended by itself: only its output may still be on its way.
# /etc/dockmpi/grace is written by who wants another grace than the job was started with.
stop() {
    interrupted=1
    if [ -n "$code" ]; then
        drain_soon
        return
    fi
    [ -z "$stop" ] || return
    stop=$1
    testify asked
    [ ! -r /etc/dockmpi/grace ] || read -r grace </etc/dockmpi/grace
    end_job >/dev/null 2>&1 </dev/null &
}
# The job's own time, which also runs when nobody looks; that of all attempts together.
time_out() {
    (
        trap 'kill "$nap"; exit' TERM
        sleep "$limit" &
        nap=$!
        wait "$nap"
        kill -s ALRM $$
    ) 3<&- &
    timer=$!
}
# $1: not empty while ranks run.
time_is_over() {
    echo "dockmpi: the job's time of $limit s is over${1:+: its ranks have $((grace / 1000)) s to end}" >&2
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
# Until all children run, a request is only noted: what it starts would change $!.
asked=
trap 'asked=143' TERM
trap 'asked=130' INT
trap 'asked=129' HUP
trap 'time_is_over yes; asked=124' ALRM
head_of_job
[ -z "$limit" ] || [ -n "${DOCKMPI_ATTEMPT:-}" ] || time_out
[ "$restarts" -eq 0 ] || [ -n "${DOCKMPI_ATTEMPT:-}" ] || attempts
# Rank 0 reads its standard input from a pipe on its worker: mpirun of Open MPI 5.0 would lose
# most of what is longer than 4 KiB. Either end makes the pipe, and waits for the other.
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
trap 'pass USR1' USR1
trap 'pass USR2' USR2
heed() {
    trap 'stop 143' TERM
    trap 'stop 130' INT
    trap 'stop 129' HUP
    trap 'time_is_over yes; stop 124' ALRM # as timeout(1) says it
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
# mpirun answers 0 after it lost a node, 255 where it could not reach one, and 1 where a daemon could not reach it.
case $stop$code-$([ -s "$dir/came" ] || echo none) in 0-* | 255-* | 1-none)
    if grep -aqE 'lost communication with a remote daemon|unable to reliably start one or more daemons' "$dir/err"; then
        tell_lost
        code=255
        # A rank can outlive the daemon that started it.
        [ -z "$job" ] || end_ranks 0
    fi
    ;;
esac
# However its ranks have ended, when they were told to: the job has not come to its own end.
[ -z "$stop" ] || code=$stop
if [ "$code" -eq 0 ] && [ "$ranks" -gt 0 ] && [ -z "$stop" ] && [ ! -e "$dir/all" ]; then
    verdict "mpirun answered 0, but $(missing)"
fi
if [ -n "$report" ] && [ "$code" -eq 0 ] && [ -z "$stop" ] && [ ! -e "$dir/transport" ]; then
    silent
fi
if [ -n "$ucc" ] && [ "$code" -eq 0 ] && [ -z "$stop" ]; then
    check_ucc
fi
# mpirun does not tell that it could not write. Nothing may be noted in a file here.
if ! head -c 65536 /dev/zero >"$dir/room" 2>/dev/null; then
    echo "dockmpi: the disk of the launcher's node is full: the job's output is not complete; free some space" \
        'there (`docker system df` shows what Docker holds)' >&2
    [ "$code" -ne 0 ] || code=125
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
[ -z "$timer" ] || kill "$timer" 2>/dev/null
rm -rf "$dir"
exit "$code"
