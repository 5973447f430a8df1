#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Podman's Docker-compatible socket: a service of our own, with storage of its own, beside the real engine.
# timeout: 240
# debug: no (another engine, the same code)
# valgrind: no (another engine, the same code)
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

command -v podman >/dev/null || { echo 'podman is missing: compose/setup test'; exit 77; }
[ "$(id -u)" -eq 0 ] || { echo 'only root can run a Podman service with host networking'; exit 77; }
need_image launcher
mkdir -p images/small
cp -r "$E2E_ROOT/images/launcher" "$E2E_ROOT/images/jobs" images/
printf 'image: dockmpi/launcher:latest\nhost_config: { Ulimits: [{ Name: memlock, Soft: -1, Hard: -1 }] }\n' \
    >images/small/image.yaml
export DOCKMPI_IMAGES=$PWD/images
C=$(cluster podman)
service=

# Podman takes a short path only.
pods=$(mktemp -d /tmp/dockmpi-pod.XXXXXX) || exit 1

stop_service() {
    local where pid
    [ -n "$service" ] || { rm -rf "$pods"; return; }
    "${pod[@]}" rm -fa >/dev/null 2>&1
    # The monitor of an exec stays for five minutes, to make the folder again at its end.
    pgrep -x conmon | while read -r pid; do
        grep -qs "$pods/" "/proc/$pid/cmdline" && kill -KILL "$pid"
    done
    kill "$service" 2>/dev/null
    wait "$service" 2>/dev/null
    awk -v dir="$pods/" 'index($2, dir) == 1 { print $2 }' /proc/mounts | sort -r |
        while read -r where; do umount "$where"; done
    rm -rf "$pods"
}
trap 'dockmpi down --name "$C" >/dev/null 2>&1; stop_service; e2e_end' EXIT

# A file system without overlay will do.
for driver in overlay vfs; do
    pod=(podman --root "$pods/root" --runroot "$pods/run" --storage-driver "$driver" --cgroup-manager cgroupfs
        --events-backend file)
    "${pod[@]}" info >info.log 2>&1 && break
done
"${pod[@]}" system service -t 0 "unix://$pods/sock" >service.log 2>&1 &
service=$!
answers() { docker -H "unix://$pods/sock" version >/dev/null 2>&1; }
wait_until $E2E_LIMIT answers || { cat info.log service.log; exit 1; }
docker save dockmpi/launcher:latest | docker -H "unix://$pods/sock" load >load.log 2>&1 ||
    { cat load.log; exit 1; }
export DOCKER_HOST=unix://$pods/sock
unset DOCKER_CONTEXT

ok 'up' dockmpi up -v --name "$C" --workers 2 --image small
if [ -e /usr/libexec/podman/catatonit ] || [ -e /usr/bin/catatonit ]; then
    unlike "$err" 'goes without an init process' 'with an init process'
else
    like "$err" 'goes without an init process, which the engine refuses: .*catatonit' \
        'an init process that it does not have is left out, and told'
fi
ok 'up again' dockmpi up --name "$C" --workers 2 --image small
unlike "$out$err" 'removed|replaced' 'finds nothing to change'
ok 'run' dockmpi run --name "$C" -- hostname
is "$(sort <<<"$out")" "dockmpi-$C-worker-0
dockmpi-$C-worker-1" 'on both workers'
exits 7 'a failing rank' dockmpi run --name "$C" -- sh -c 'exit 7'
ok 'run -d comes back' timeout $E2E_LIMIT "$DOCKMPI" run -d --name "$C" -- sh -c 'echo started; exec sleep 1000'
ok 'cancel' dockmpi cancel --name "$C"
ok 'and all ranks are gone' dockmpi exec --name "$C" --workers -- sh -c '! grep -l "[s]leep.1000" /proc/[0-9]*/cmdline'
ok 'its output was kept' dockmpi logs --name "$C"
like "$out" '^started$' 'and comes back'
mkdir data && head -c 300000 /dev/urandom >data/random
ok 'cp to all' dockmpi cp --name "$C" data :/work
ok 'cp from one' dockmpi cp --name "$C" worker-1:/work/data/random back
ok 'brings back the same bytes' cmp data/random back
is "$("$DOCKMPI" exec -i --name "$C" -w worker-0 -- sh -c 'cat; exit 5' <<<'half-close works'; echo $?)" \
    $'half-close works\n5' 'exec with standard input, and its code'
ok 'image ls' dockmpi image ls
like "$out" '^launcher .*dockmpi/launcher' 'knows the image'
ok 'down' dockmpi down --name "$C"
is "$(docker ps -aq)" '' 'leaves no container'
