#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154 # ttl is the caller's
# A cluster with a time to live ends when nobody has used it for so long, without anybody's help. The end is a moment
# of the kernel's uptime, which no clock that is set moves; /etc/dockmpi/end has it, in memory like all of that folder.
# Who uses the cluster writes a later one there.

uptime() {
    read -r now _ </proc/uptime
    now=${now%%.*}
}
put_off() {
    uptime
    end=$((now + ttl))
    echo "$end" >/etc/dockmpi/end
}
processes() {
    set -- /proc/[0-9]*
    n=$#
}
# keep N PROBE: returns when the time is over. More than the N processes that are always there (ranks, shells, sessions
# of ssh) are a use, and so is what the command PROBE says.
keep() {
    put_off
    while [ "$now" -lt "$end" ]; do
        nap=$((ttl / 10 + 1))
        [ "$nap" -le 60 ] || nap=60
        [ "$nap" -le $((end - now)) ] || nap=$((end - now))
        # In the background, because a shell runs its traps only between commands.
        sleep "$nap" &
        wait "$!"
        processes
        if [ "$n" -gt "$1" ] || "$2"; then put_off; fi
        read -r later </etc/dockmpi/end && [ "${later:-0}" -gt "$end" ] && end=$later
        uptime
    done
    echo "dockmpi: nobody used this cluster for $ttl s: it ends" >&2
}
