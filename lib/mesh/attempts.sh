#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034,SC2154 # dir, timer, asked and functions are those of run-job.sh, restarts and job of world.sh
# Part of run-job: a job that is started again when it failed (run --restart-on-failure). Each attempt is a run-job
# of its own, so nobody else needs to be there. The ranks have DOCKMPI_ATTEMPT, from 1 on, and
# DOCKMPI_RUN, which is the same in all attempts of one job and in no other job.

# Who ends the job ends the present attempt or the pause, and there is no other attempt. It takes no INT: shells
# start what they start in the background without.
relay() {
    interrupted=1
    ended=${2:-$ended}
    if [ -n "$attempt" ]; then
        kill -s "$1" "$attempt" 2>/dev/null
    elif [ -n "$ended" ] && [ -n "$nap" ]; then
        kill -s KILL "$nap" 2>/dev/null
    fi
}
leave() {
    [ -z "$ended" ] || [ -L "$record/ended" ] || testify asked
    [ -z "$timer" ] || kill "$timer" 2>/dev/null
    exit "$1"
}
# The time before attempt $1. `dockmpi why` reads the file.
rest_before() {
    echo "$1 $((restarts + 1))" >/etc/dockmpi/pause
    # What the last attempt may have left on the workers.
    [ -z "$job" ] || end_on_workers all 0 20
    sleep "$pause" &
    nap=$!
    [ -z "$ended" ] || kill -s KILL "$nap" 2>/dev/null
    await "$nap"
    nap=''
    rm -f /etc/dockmpi/pause
    [ -n "$ended" ] || return
    echo "dockmpi: attempt $1 of $((restarts + 1)) was not started any more" >&2
    leave "$ended"
}
attempts() {
    rm -rf "$dir"
    attempt='' nap='' ended=$asked number=1 pause=1
    read -r DOCKMPI_RUN </proc/sys/kernel/random/uuid
    export DOCKMPI_RUN
    trap 'relay TERM 143' TERM
    trap 'relay TERM 130' INT
    trap 'relay TERM 129' HUP
    trap 'relay USR1' USR1
    trap 'relay USR2' USR2
    trap 'time_is_over "$attempt"; relay TERM 124' ALRM
    while :; do
        printf . >>"${DOCKMPI_TMP:-/tmp}/dockmpi-attempts" # for `dockmpi jobs`
        DOCKMPI_ATTEMPT=$number sh "$0" 3<&- &
        attempt=$!
        [ -z "$ended" ] || kill -s TERM "$attempt"
        await "$attempt"
        code=$?
        attempt=''
        # What cannot be started cannot be started again either.
        case $ended$code in 0 | 126 | 127) leave "$code" ;; esac
        [ -z "$ended" ] || { [ "$code" -ne 143 ] || code=$ended; leave "$code"; }
        if [ "$number" -gt "$restarts" ]; then
            echo "dockmpi: attempt $number of $number ended with exit code $code: there is no other" >&2
            leave "$code"
        fi
        echo "dockmpi: attempt $number of $((restarts + 1)) ended with exit code $code: the next one begins in $pause s" >&2
        number=$((number + 1))
        rest_before "$number"
        [ "$pause" -ge 30 ] || pause=$((pause * 2))
    done
}
