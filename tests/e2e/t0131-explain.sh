#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# explain: what it prints does the same by hand as run, with docker, ssh-keygen and mpirun themselves.
# timeout: 300
# valgrind: no (the scripts that are printed take the time)
# shellcheck disable=SC2016 # variables are meant for the shell in the container
. "$(dirname "$0")/lib.sh"
need_image launcher
c=$(cluster x)

# Ports that are free, as a person would look for them.
free_port() {
    local port
    for port in $(shuf -i 30000-32000 -n 50); do
        ss -Hltn "sport = :$port or sport = :$((port + 1))" | grep -q . || { echo "$port"; return; }
    done
}
# by_hand NAME...: a script of explain, run by a shell that knows nothing of dockmpi.
by_hand() { env -i PATH="$PATH" HOME="$HOME" PORT="$(free_port)" sh "$@"; }
# Containers of the scripts.
left() { docker ps -aq --filter "name=^/$c-"; }

cat >tell.sh <<'SH'
#!/bin/sh
echo "rank $OMPI_COMM_WORLD_RANK of $OMPI_COMM_WORLD_SIZE on worker-$(hostname | sed "s,.*-,,") in $PWD: $WORD $1, $2"
echo "of torchrun: $RANK $WORLD_SIZE $LOCAL_RANK $LOCAL_WORLD_SIZE"
SH
chmod +x tell.sh
args=(--slots 2 --env 'WORD=two words' ./tell.sh "it's" '$HOME *')

ok 'explain needs no cluster' env DOCKER_HOST=unix:///nonexistent "$DOCKMPI" explain --name "$c" --workers 2 --image launcher "${args[@]}"
unlike "$out" 'PRIVATE KEY|ssh-ed25519 ' 'it prints no key'
ok 'nor does the script' dockmpi explain --name "$c" --workers 2 --image launcher "${args[@]}"
cp out plan.sh
ok 'it is a script that shellcheck finds nothing in' shellcheck -s sh plan.sh
ok 'it runs' by_hand plan.sh
sort <<<"$out" >hand
is "$(left)" '' 'and leaves nothing behind'

ok 'a cluster' dockmpi up --name "$c" --workers 2 --image launcher --env LAB=here
ok 'the same by run' dockmpi run --name "$c" "${args[@]}"
is "$(cat hand)" "$(sort <<<"$out")" 'gives the same lines'
is "$(grep -c "two words it's, \\\$HOME \*" hand)" 4 'and these are from all four ranks'

# Beside the running cluster, with what only that knows.
ok 'explain for the cluster that runs' dockmpi explain --name "$c" -- sh -c 'echo "$OMPI_COMM_WORLD_RANK $LAB"'
like "$out" '--env=LAB=here' 'has what its containers were given'
cp out live.sh
ok 'runs beside it' by_hand live.sh
is "$(sort <<<"$out")" $'0 here\n1 here' 'with the environment of the containers in the ranks'
ok 'which is as it was' dockmpi run --name "$c" -- sleep 0.3
is "$(left)" '' 'nothing stays of the script'

# Words of colons, which mpirun would take for itself, and a script that is stopped.
ok 'colons' dockmpi explain --name "$c" --np 1 -- printf '<%s>' : :: a:b ''
cp out colons.sh
ok 'by hand' by_hand colons.sh
is "$out" '<:><::><a:b><>' 'arrive as they are'

# Components that Debian's mpirun hides from ranks, in both forms that a script has.
ok 'collectives by UCC' dockmpi explain --name "$c" --tune ucc --mca coll_ucc_verbose 1 -- /usr/lib/dockmpi/fabric bench --sizes 8 allreduce
cp out ucc.sh
ok 'by hand' by_hand ucc.sh
is "$(grep -c 'initialized ucc context' <<<"$err")" 2 'every rank has UCC'
ok 'with a word of colons, too' dockmpi explain --name "$c" --tune ucc --mca coll_ucc_verbose 1 -- \
    sh -c 'exec /usr/lib/dockmpi/fabric bench --sizes 8 allreduce' :
cp out colons.sh
ok 'by hand' by_hand colons.sh
is "$(grep -c 'initialized ucc context' <<<"$err")" 2 'every rank has UCC'

ok 'a job that fails' dockmpi explain --name "$c" --np 1 -- sh -c 'exit 7'
cp out seven.sh
exits 7 'gives the script its exit code' by_hand seven.sh
ok 'a long one' dockmpi explain --name "$c" --np 1 -- sleep 1000
cp out long.sh
env -i PATH="$PATH" HOME="$HOME" PORT="$(free_port)" sh long.sh >long.out 2>&1 &
pid=$!
asleep() { docker top "$c-worker-0" 2>/dev/null | grep -q 'sleep 1000'; }
wait_until "$E2E_LIMIT" asleep || fail 'the long script came to its program'
kill -TERM $pid
docker rm -f "$c-launcher" >/dev/null 2>&1 # the shell waits for docker exec before it looks at signals
wait $pid
is "$?" 143 'a script that is stopped'
is "$(left)" '' 'leaves nothing behind either'

exits 125 'a cluster that is not there' dockmpi explain --name "$c-no" -- true
one_line "$err" 'is told in one line'
like "$err" "cluster $c-no is not up: .*--image" 'with what to do'
ok 'down' dockmpi down --name "$c"
