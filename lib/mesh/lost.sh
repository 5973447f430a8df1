#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154 # dir is that of run-job.sh, the nodes' names come from members
# Part of run-job: which worker was lost. Open MPI 5 names the launch daemon that it lost by its host, Open MPI 4.1
# names none: then every worker is asked. What ssh meets there tells one fault from the other.

# The workers that mpirun's words name, or all: few enough for the processes that asking them takes.
suspects() {
    named=$(sed -n 's/^ *Remote daemon: .* on node \(.*-\)*worker-\([0-9][0-9]*\).*$/\2/p' "$dir/err" | sort -nu | head -n 16)
    [ -z "$named" ] || { echo "$named"; return; }
    sed -n 's/^# Worker: \([0-9][0-9]*\) .*/\1/p' /etc/dockmpi/job | head -n 64
}
# ask_worker WORKER: true if it answers; otherwise ssh's words in $said.
ask_worker() {
    said=$(ssh -o ConnectTimeout=2 -o ServerAliveInterval=1 "worker-$1" true 2>&1 </dev/null)
}
# What ssh meets at worker $1. Its words themselves could be anybody's. A container that is just
# ending still takes connections and drops them: then a second look tells more.
meet() {
    ask_worker "$1" && { echo answers; return; }
    case $said in
    *closed* | *reset*)
        sleep 1
        ask_worker "$1" && { echo answers; return; }
        ;;
    esac
    case $said in
    *refused*) echo 'its container has ended' ;;
    *'banner exchange'* | *'not responding'*) echo 'it does not answer, its network does: paused, or its host hangs' ;;
    *'timed out'* | *'No route'* | *unreachable*) echo "its host does not answer: off, the network cut, or a firewall between; $(command_for doctor) tells" ;;
    *) echo 'ssh is not let in' ;;
    esac
}
# A daemon whose connection never came about has started no rank.
tell_of_guard() {
    [ ! -s "$dir/came" ] && grep -q '^export LD_PRELOAD=.*/guard\.so$' /etc/dockmpi/job || return 0
    echo 'dockmpi: no rank had come; mpirun and its daemons sign their connections: where the network between the nodes' \
        'rewrites addresses or drops TCP options, "--mca prte_launch_agent prted" does without (SECURITY.md)' >&2
}
# One line for each that was lost.
tell_lost() {
    members
    found='' probes='' answers=''
    all=$(suspects)
    for worker in $all; do
        meet "$worker" >"$dir/lost.$worker" &
        probes="$probes $!"
    done
    # Not a bare wait: others of our children stay.
    # shellcheck disable=SC2086 # a list of ids
    [ -z "$all" ] || wait $probes
    for worker in $all; do
        read -r how <"$dir/lost.$worker" || how='it was asked in vain'
        [ "$how" != answers ] || {
            grep -aq "^ *Remote daemon: .*worker-$worker\$" "$dir/err" || continue
            how='its launch daemon has ended or lost its connection; the worker itself answers'
            answers=1
        }
        eval "echo \"dockmpi: worker-$worker on node \${node_$worker:-?} was lost: \$how\"" >&2
        found=1
    done
    [ -n "$found" ] ||
        echo "dockmpi: a worker was lost or not reached; $(command_for doctor) examines nodes and links" >&2
    [ -n "$found" ] && [ -z "$answers" ] || tell_of_guard
}
