#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034,SC2154 # dir, interrupted and await are those of run-job.sh, restarts and job of world.sh
# Part of run-job: a job that is started again when it failed (run --restart-on-failure). Each attempt is a run-job
# of its own, so nobody else needs to be there. The ranks have DOCKMPI_ATTEMPT, from 1 on, and
# DOCKMPI_RUN, which is the same in all attempts of one job and in no other job.

# Who ends the job ends the present attempt, and there is no other. It takes no INT: shells start what they start in
# the background without.
relay() {
    interrupted=1
    ended=${2:-$ended}
    [ -z "$attempt" ] || kill -s "$1" "$attempt" 2>/dev/null
}
# What the last attempt may have left on the workers.
sweep() {
    [ -n "$job" ] || return
    asked=''
    while read -r host _; do
        timeout 20 ssh "$host" "sh -s all 0 $job" </etc/dockmpi/end >/dev/null 2>&1 &
        asked="$asked $!"
    done </etc/dockmpi/hostfile
    for one in $asked; do await "$one"; done
}
attempts() {
    rm -rf "$dir"
    attempt='' ended='' number=0 pause=1
    read -r DOCKMPI_RUN </proc/sys/kernel/random/uuid
    export DOCKMPI_RUN
    trap 'relay TERM 143' TERM
    trap 'relay TERM 130' INT
    trap 'relay TERM 129' HUP
    trap 'relay USR1' USR1
    trap 'relay USR2' USR2
    while :; do
        number=$((number + 1))
        DOCKMPI_ATTEMPT=$number sh "$0" 3<&- &
        attempt=$!
        [ -z "$ended" ] || kill -s TERM "$attempt"
        await "$attempt"
        code=$?
        attempt=''
        # What cannot be started cannot be started again either.
        case $ended$code in 0 | 126 | 127) exit "$code" ;; esac
        [ -z "$ended" ] || { [ "$code" -ne 143 ] || code=$ended; exit "$code"; }
        if [ "$number" -gt "$restarts" ]; then
            echo "dockmpi: attempt $number of $number ended with exit code $code: there is no other" >&2
            exit "$code"
        fi
        echo "dockmpi: attempt $number of $((restarts + 1)) ended with exit code $code: the next one begins in $pause s" >&2
        sweep
        sleep "$pause" &
        await $!
        [ -z "$ended" ] || exit "$ended"
        [ "$pause" -ge 30 ] || pause=$((pause * 2))
    done
}
