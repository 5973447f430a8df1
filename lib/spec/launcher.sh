#!/bin/sh
# SPDX-License-Identifier: MIT
# What a launcher runs; after ports.sh, facts.sh, feed.sh and ttl.sh. $1: its time to live in seconds, 0: without end.

ttl=$1
facts
feed self.json
trap 'exit 0' TERM INT
echo 'dockmpi: ready'
exec </dev/null
# Jobs are containers of their own on this node: mpirun's connections to the workers tell of them. As long as there
# are any, no worker may end, those without ranks neither.
job_runs() {
    ports=''
    while read -r k x _; do
        [ "$k" != Port ] || ports="$ports|$(printf %04X "$x")"
    done </etc/dockmpi/ssh_config
    grep -qsE "^ *[0-9]+: [0-9A-F]+:[0-9A-F]{4} [0-9A-F]+:(none$ports) 01 " /proc/net/tcp /proc/net/tcp6 || return 1
    while read -r k x _; do
        case $k:$x in
        Host:worker-*)
            # shellcheck disable=SC2016 # it is the worker's uptime
            ssh -n -o ConnectTimeout=10 "$x" \
                'read -r n _ </proc/uptime; echo "$((${n%%.*} + '"$of_worker"'))" >/etc/dockmpi/end' >/dev/null 2>&1 & ;;
        esac
    done </etc/dockmpi/ssh_config
    wait
}
if [ "$ttl" -gt 0 ]; then
    idle=2
    [ $$ -gt 1 ] || idle=1
    of_worker=$(later_than_launcher; echo "$ttl")
    keep "$idle" job_runs
    exit 0
fi
# In the background, because a shell runs its traps only between commands.
while :; do sleep 3600 & wait $!; done
