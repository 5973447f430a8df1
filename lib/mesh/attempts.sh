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
    rm -f "$kept"
    exit "$1"
}
# Keeps the job's code as the client has put it on every worker: ranks may write beside it, and a worker that
# `dockmpi up` makes anew has nothing of it.
keep_code() {
    read -r host _ </etc/dockmpi/hostfile
    ssh "$host" "set -- $files; cd \"\$1\" && tar -cf - \"./\$2\"" >"$kept" 2>/dev/null </dev/null && return
    rm -f "$kept"
    echo "dockmpi: the job's code could not be kept with the job ($host does not answer, or there is no room)" >&2
}
# equip HOST: gives the worker the code if it has none. 255: it does not answer, any other: it cannot take it.
equip() {
    [ -s "$kept" ] || { ssh -o ConnectTimeout=5 "$1" true >/dev/null 2>&1 </dev/null; return; }
    ssh -o ConnectTimeout=5 "$1" "set -- $files"'; at=$1/$2
        [ ! -e "$at" ] || exit 0
        mkdir -p "${at%/*}" && new=$(mktemp -d "${at%/*}/.dockmpi.XXXXXX") || exit 1
        tar -xpf - -C "$new" && mv "$new/$2" "$at"
        code=$?
        rm -rf "$new"
        exit "$code"' >/dev/null 2>&1 <"$kept"
}
# Every worker; those that do not answer are in $absent.
equip_each() {
    absent='' asked_ones=''
    while read -r host _; do
        equip "$host" &
        asked_ones="$asked_ones $host:$!"
    done </etc/dockmpi/hostfile
    for one in $asked_ones; do
        await "${one#*:}"
        case $? in
        0) ;;
        255) absent="$absent, ${one%%:*}" ;;
        *) echo "dockmpi: ${one%%:*} could not take the job's code: no room, or its folder cannot be written" >&2 ;;
        esac
    done
    absent=${absent#, }
}
seconds() {
    read -r now _ </proc/uptime
    now=${now%%.*}
}
# The workers for attempt $1. It waits for those that do not answer: without them it would be lost, and
# `dockmpi up` may be on its way.
muster() {
    patience=${DOCKMPI_REPAIR:-600} told=''
    seconds
    end=$((now + patience))
    while equip_each && [ -n "$absent" ]; do
        seconds
        [ "$now" -lt "$end" ] || { echo "dockmpi: $absent: no answer, attempt $1 begins all the same" >&2; return; }
        [ -n "$told" ] || {
            echo "dockmpi: $absent: no answer; attempt $1 waits $patience s for a new one: run $(command_for up)," \
                'with the options that it had' >&2
            told=1
        }
        sleep 2
    done
}
# do_it COMMAND...: in the background, so that who ends the job does not wait for it.
do_it() {
    "$@" 3<&- &
    nap=$!
    [ -z "$ended" ] || kill -s KILL "$nap" 2>/dev/null
    await "$nap"
    nap=''
}
# The time before attempt $1. `dockmpi why` reads the file.
rest_before() {
    echo "$1 $((restarts + 1))" >/etc/dockmpi/pause
    # What the last attempt may have left on the workers.
    [ -z "$job" ] || end_on_workers all 0 20
    do_it sleep "$pause"
    [ -n "$ended" ] || do_it muster "$1"
    rm -f /etc/dockmpi/pause
    [ -n "$ended" ] || return
    echo "dockmpi: attempt $1 of $((restarts + 1)) was not started any more" >&2
    leave "$ended"
}
attempts() {
    rm -rf "$dir"
    attempt='' nap='' ended=$asked number=1 pause=1 kept=${DOCKMPI_TMP:-/tmp}/dockmpi-code
    read -r DOCKMPI_RUN </proc/sys/kernel/random/uuid
    export DOCKMPI_RUN
    trap 'relay TERM 143' TERM
    trap 'relay TERM 130' INT
    trap 'relay TERM 129' HUP
    trap 'relay USR1' USR1
    trap 'relay USR2' USR2
    trap 'time_is_over "$attempt"; relay TERM 124' ALRM
    [ -z "$files" ] || do_it keep_code
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
