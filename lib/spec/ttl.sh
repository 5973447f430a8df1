#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154 # ttl is the caller's
# A cluster with a time to live ends when nobody has used it for so long, without anybody's help. The end is a moment
# of the kernel's uptime, which no clock that is set moves; /etc/dockmpi/end has it, in memory like all of that folder.
# Who uses the cluster writes a later one there. The launcher ends first, the workers a quarter of the time later (30 s at
# most): who could put the launcher off has time to do so with the workers.

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
# later_than_launcher: for a worker, in place of ttl.
later_than_launcher() {
    margin=$((ttl / 4))
    [ "$margin" -le 30 ] || margin=30
    ttl=$((ttl + margin))
}
# Whether it is really over. Who puts the end off writes it and then looks for the folder; we make the folder and then look
# for a later end: one of the two sees the other. While the folder is there, the other waits for what we do.
is_over() {
    mkdir /etc/dockmpi/ending 2>/dev/null
    later=0
    read -r later </etc/dockmpi/end
    [ "${later:-0}" -gt "$end" ] || return 0
    end=$later
    rmdir /etc/dockmpi/ending
    return 1
}
# keep N PROBE: returns when the time is over. More than the N processes that are always there (ranks, shells, sessions
# of ssh) are a use, and so is what the command PROBE says.
keep() {
    put_off
    while [ "$now" -lt "$end" ] || ! is_over; do
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
