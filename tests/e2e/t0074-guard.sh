#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# mpirun and its launch daemons take orders from each other only: who has not the cluster's key gets no connection.
# debug: no (what is tested runs in the containers)
# valgrind: no (as above)
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_image launcher

stranger() { python3 "$E2E_ROOT/tests/e2e/stranger.py" "$@"; }
# start CLUSTER [OPTION...]: a job that goes on until /tmp/end is there.
start() {
    docker exec "dockmpi-$1-worker-0" rm -f /tmp/begun
    ok 'a job' dockmpi run -d --name "$@" -- \
        sh -c 'env; echo >/tmp/begun; while [ ! -e /tmp/end ]; do sleep 0.1; done'
    wait_until $E2E_LIMIT docker exec "dockmpi-$1-worker-0" test -e /tmp/begun || fail 'its rank runs'
}
# guarded CONTAINER: the programs there that have the library.
guarded() {
    docker exec "$1" sh -c 'for f in $(grep -l guard.so /proc/[0-9]*/maps 2>/dev/null); do cat "${f%maps}comm"; done' | sort -u
}

c=$(cluster g)
# Of this source, whatever the image has.
ok 'the library that guards mpirun' cc -Wall -Wextra -Werror -shared -fPIC -o guard.so "$E2E_ROOT/images/launcher/guard.c"
ok 'up' dockmpi up --name "$c" --workers 1 --image launcher --volume "$PWD/guard.so:/usr/lib/dockmpi/guard.so:ro"
t docker exec "dockmpi-$c-worker-0" sh -c 'stat -c "%a %u %s" /etc/dockmpi/daemon_key; cat /etc/dockmpi/daemon_key'
key=$(tail -n 1 <<<"$out")
like "$out" '^600 0 64$' 'members have a key for it, which nobody else can read'
is "$(docker exec "dockmpi-$c-launcher" cat /etc/dockmpi/daemon_key)" "$key" 'the same in all'

start "$c"
members=("dockmpi-$c-job-1" "dockmpi-$c-worker-0")
t stranger dial "" "${members[@]}"
like "$out" '^prterun .* shut$' 'mpirun listens'
like "$out" '^prted .* shut$' 'its daemon, too'
unlike "$out" ' open$' 'a stranger gets no connection, by no address'
t stranger dial "x$key" "${members[@]}"
unlike "$out" ' open$' 'nor does one who has another key'
t stranger dial "$key" "${members[@]}"
is "$(cut -d' ' -f1,3 <<<"$out" | sort -u | xargs)" 'prted open prterun open' 'who has the key does'
is "$(guarded "dockmpi-$c-worker-0") $(guarded "dockmpi-$c-job-1")" 'prted prterun' 'the daemon and mpirun alone have the library'
unlike "$(ps -ewwo args)" "$key" 'the key is in no list of processes'
docker exec "dockmpi-$c-worker-0" touch /tmp/end
exits 0 'the job has not noticed, and ends well' dockmpi wait --name "$c" 1
docker exec "dockmpi-$c-worker-0" rm /tmp/end
t dockmpi logs --name "$c" 1
like "$out" '^OMPI_COMM_WORLD_RANK=0$' 'what its rank has'
unlike "$out" '^LD_PRELOAD=|launch_agent' 'has nothing of it'

docker exec "dockmpi-$c-worker-0" mv /etc/dockmpi/daemon_key /tmp
t dockmpi run --name "$c" -- true
like "$err" '^dockmpi: prted: /etc/dockmpi/daemon_key: No such file or directory: mpirun' 'a daemon without the key ends'
docker exec "dockmpi-$c-worker-0" mv /tmp/daemon_key /etc/dockmpi

# Without it: what a stranger could do. The messages are those of PRRTE 3.0.
ok 'a launch agent of the user' dockmpi run -v --name "$c" --mca prte_launch_agent prted -- true
like "$err" 'take connections from anybody: the launch agent is the user' 'is not guarded, which -v tells'
start "$c" --mca prte_launch_agent prted
job=$out
members=("dockmpi-$c-job-$job" "dockmpi-$c-worker-0")
t stranger dial "" "${members[@]}"
is "$(cut -d' ' -f1,3 <<<"$out" | sort -u | xargs)" 'prted open prterun open' 'everybody gets a connection'
port=$(sed -n 's/^prted [0-9.]*:\([0-9]*\) open$/\1/p' <<<"$out" | head -n 1)
release=$(docker exec "dockmpi-$c-launcher" prte --version | sed -n 's/.* \([0-9][0-9.]*\).*/\1/p' | head -n 1)
ok 'a stranger speaks to the daemon' stranger end "$port" "$release"
like "$out" "^prterun-dockmpi-$c-job-$job-[0-9]+@0 stranger 1\$" 'it tells its name, and welcomes him'
exits 255 'and does what he says' dockmpi wait --name "$c" "$job"
like "$(dockmpi logs --name "$c" "$job" 2>&1)" 'worker-0 on node local was lost: its launch daemon has ended' 'it has ended'
ok 'down' dockmpi down --name "$c"
