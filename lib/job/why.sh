#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2010,SC2012,SC2013,SC2094 # names of numbers only; nothing is written
# What the processes of one job do in this worker; `sh -c ... sh JOB`. They are found by DOCKMPI_JOB in their
# environment, and looked at twice. Needs grep and a few files of /proc; names that processes gave themselves come last
# on their line, without line ends. why_look.c reads this:
#
#   now SECONDS                                      uptime, before each look
#   proc PID PPID RANK STATE UTIME STIME THREADS SYSCALL WCHAN NAME
#   again PID STATE UTIME STIME                      the second look
#   stack PID FUNCTION                               of the kernel, where that may be read
#   fd PID INODE
#   tcp LINE                                         of /proc/net/tcp, those of the processes
#   daemon STATE NAME                                the job's launch daemons, mpirun in its own container
#   oom COUNT | memory USED LIMIT | full FOLDER
#   plan PLAN                                        in the job's own container
#   pause ATTEMPT ATTEMPTS                           there, too: the job waits to start again

job=$1
set -f
now() { read -r x _ </proc/uptime && echo "now $x"; }
# All of a file in $x, one line, without a process of its own. Line by line: read knows no other way.
slurp() {
    x='' l=''
    while IFS= read -r l; do x="$x$l "; done 2>/dev/null <"$1"
    x=$x$l
}
# /proc/PID/stat in words: the name before the last parenthesis could hold anything.
stat() {
    [ -r "/proc/$1/stat" ] || return 1
    slurp "/proc/$1/stat"
    name=${x#*\(}
    name=${name%\)*}
    x=${x##*\) }
    [ -n "$x" ]
}
rank_of() {
    rank=$(tr '\000\n' '\n ' 2>/dev/null <"/proc/$1/environ" | grep -E "^(DOCKMPI_JOB=$job|OMPI_COMM_WORLD_RANK=[0-9]+)\$")
    case $rank in *DOCKMPI_JOB=*) ;; *) return 1 ;; esac
    case $rank in *OMPI_COMM_WORLD_RANK=*) ;; *) return 1 ;; esac
    rank=${rank#*OMPI_COMM_WORLD_RANK=}
    rank=${rank%%[!0-9]*}
}
first() {
    rank_of "$1" && stat "$1" || return 1
    # shellcheck disable=SC2086 # words
    set -- "$1" $x
    pid=$1 parent=$3 state=$2 user=${13} system=${14} threads=${19}
    call='' wait=''
    read -r call _ 2>/dev/null <"/proc/$pid/syscall"
    IFS= read -r wait 2>/dev/null <"/proc/$pid/wchan" || [ -n "$wait" ] || wait=-
    echo "proc $pid $parent $rank $state $user $system $threads ${call:--} ${wait:--} $name"
    { while read -r _ l; do echo "stack $pid $l"; done <"/proc/$pid/stack"; } 2>/dev/null
    for fd in $(ls -l "/proc/$pid/fd" 2>/dev/null | grep -o 'socket:\[[0-9]*\]$'); do
        fd=${fd#*\[}
        fd=${fd%\]}
        echo "fd $pid $fd"
        inodes=$inodes\|$fd
    done
}
again() {
    stat "$1" || return
    # shellcheck disable=SC2086 # words
    set -- "$1" $x
    echo "again $1 $2 ${13} ${14}"
}
memory() {
    for f in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
        { while read -r k x; do [ "$k" != oom_kill ] || echo "oom $x"; done <$f; } 2>/dev/null
    done
    for f in /sys/fs/cgroup/memory.current:/sys/fs/cgroup/memory.max \
        /sys/fs/cgroup/memory/memory.usage_in_bytes:/sys/fs/cgroup/memory/memory.limit_in_bytes; do
        { read -r x <"${f%:*}" && read -r l <"${f#*:}" && echo "memory $x $l"; } 2>/dev/null
    done
}
echo 'dockmpi: why 1'
now
pids='' inodes='' x=''
set +f
for d in $(grep -la "DOCKMPI_JOB=$job" /proc/[0-9]*/environ 2>/dev/null); do
    d=${d#/proc/}
    d=${d%/environ}
    if [ "$d" != $$ ] && first "$d"; then pids="$pids $d"; fi
done
# Launch daemons, whose arguments name the job's container.
for d in $(grep -laE -- "-job-${job}-[0-9]+@" /proc/[0-9]*/cmdline 2>/dev/null); do
    d=${d#/proc/}
    d=${d%/cmdline}
    stat "$d" && case $name in prted* | orted*) echo "daemon ${x%% *} $name" ;; esac
done
for d in $(grep -lxE 'mpirun|prterun|orterun' /proc/[0-9]*/comm 2>/dev/null); do
    d=${d#/proc/}
    stat "${d%/comm}" && echo "daemon ${x%% *} mpirun"
done
set -f
[ ! -r /etc/dockmpi/job ] || while read -r _ k x && [ "$k" != Map: ]; do
    [ "$k" != Plan: ] || { echo "plan $x"; break; }
done </etc/dockmpi/job
{ read -r x </etc/dockmpi/pause && echo "pause $x"; } 2>/dev/null
[ -z "$inodes" ] ||
    grep -hE "^( *[^ ]+){9} (${inodes#?}) " /proc/net/tcp /proc/net/tcp6 2>/dev/null | while IFS= read -r l; do echo "tcp $l"; done
memory
for d in . /tmp /dev/shm; do
    x=$(df -Pk "$d" 2>/dev/null | grep -E ' [0-9]+ +[0-9]+ +0 +[0-9]+% ') && [ -n "$x" ] && echo "full $d"
done
[ -z "$pids" ] || sleep 1
now
for d in $pids; do again "$d"; done
echo 'dockmpi: why end'
