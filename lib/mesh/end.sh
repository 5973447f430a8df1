#!/bin/sh
# SPDX-License-Identifier: MIT
# Ends the processes of jobs in a worker and looks that none is left:
#
#   sh end.sh ranks|all MILLISECONDS JOB...
#
# Ranks, and what they have started, are told by DOCKMPI_JOB in their environment; with "all" launch daemons
# too, by DOCKMPI_DAEMON. Ranks get TERM first, and that long to heed it. Prints "ended N H", H of
# the N without being killed, then "left PID NAME" for each that is still there; exits 1 if there is one. run-job sends
# it through ssh, lib/job/ranks by exec.

what=$1 grace=$2
shift 2
jobs=$(IFS='|'; echo "$*")
case $what in
all) all="^DOCKMPI_(JOB|DAEMON)=($jobs)\$" ;;
*) all="^DOCKMPI_JOB=($jobs)\$" ;;
esac
if echo 1 | grep -qsz 1; then
    files() { grep -lszE "$1" /proc/[0-9]*/environ; }
else # some do without -z
    files() {
        for file in /proc/[0-9]*/environ; do
            { tr '\0' '\n' <"$file" | grep -qE "$1"; } 2>/dev/null && echo "$file"
        done
    }
fi
# look PATTERN: whose environment has it; a dead process has none.
look() {
    pids=''
    for file in $(files "$1"); do
        file=${file%/environ}
        pids="$pids ${file#/proc/}"
    done
}
send() {
    for pid in $pids; do kill -s "$1" "$pid" 2>/dev/null; done
}
# In hundredths of a second; no clock that somebody could set.
clock() {
    read -r up _ </proc/uptime
    now=$((${up%.*} * 100 + 1${up#*.} - 100))
}
met=' '
count() {
    for pid in $pids; do
        case $met in *" $pid "*) ;; *) met="$met$pid " number=$((number + 1)) ;; esac
    done
}
number=0 heeded=0
if [ "$grace" -gt 0 ]; then
    look "^DOCKMPI_JOB=($jobs)\$"
    count
    send TERM
    send CONT # or it could not heed it
    clock
    end=$((now + grace / 10))
    while [ -n "$pids" ] && [ "$now" -lt "$end" ]; do
        sleep 0.03 2>/dev/null || sleep 1
        look "^DOCKMPI_JOB=($jobs)\$"
        clock
    done
    count
    # shellcheck disable=SC2086 # a list of ids
    set -- $pids
    heeded=$((number - $#))
fi
look "$all"
count
clock
end=$((now + 500))
while [ -n "$pids" ] && [ "$now" -lt "$end" ]; do
    send KILL
    sleep 0.03 2>/dev/null || sleep 1
    look "$all"
    count
    clock
done
echo "ended $number $heeded"
for pid in $pids; do
    read -r name <"/proc/$pid/comm" || name='?'
    echo "left $pid $name"
done 2>/dev/null
[ -z "$pids" ]
