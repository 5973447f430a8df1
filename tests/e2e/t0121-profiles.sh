#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What image profiles ask of a node: bodies compared with what docker's own command line sends, refusals before
# anything is changed, groups of devices, limits, library paths. No GPU is needed.
# valgrind: no (minutes for what the debug build checks)
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

need_image launcher
c=$(cluster p)
device=/dev/${E2E_PREFIX}dev
label=io.dockmpi.test=${E2E_PREFIX}profiles
end() {
    local status=$?
    rm -f "$device"
    dockmpi down --name "$c" >/dev/null 2>&1
    remove_images "$label"
    (exit $status)
    e2e_end
}
trap end EXIT
profile() {
    mkdir -p "images/$1" && cat >"images/$1/image.yaml"
}
cp -r "$E2E_ROOT/images" images
export DOCKMPI_IMAGES=$PWD/images
profile amd <<<'{ image: "dockmpi/launcher:latest", gpu: amd, memlock: unlimited }'
profile nvidia <<<'{ image: "dockmpi/launcher:latest", gpu: nvidia }'

echo '# what docker sends for the same wish'
python3 "$E2E_ROOT/tests/e2e/capture.py" "$PWD/docker.sock" /var/run/docker.sock "$PWD/bodies" &
proxy=$!
wait_until 20 test -S docker.sock
cat >compare.py <<'E'
import json
with open("docker.json") as f: theirs = json.loads(f.readline())["HostConfig"]
with open("plan.json") as f: plan = json.load(f)
ours = [m["create"]["HostConfig"] for m in plan["members"] if m["role"] == "worker"][0]
for key in ("NetworkMode", "DeviceRequests", "Devices", "GroupAdd", "IpcMode", "CapAdd", "CapDrop", "SecurityOpt", "Ulimits",
            "ShmSize"):
    a, b = ours.get(key), theirs.get(key)
    if key == "CapAdd":  # newer clients send the long names of capabilities
        a, b = sorted(a), sorted(name.removeprefix("CAP_") for name in b or [])
    assert (a or None) == (b or None), f"{key}: dockmpi {a}, docker {b}"
E
# What every worker has; the rest is what a profile adds.
least=(--cap-drop ALL --security-opt no-new-privileges)
for cap in AUDIT_WRITE SYS_CHROOT CHOWN DAC_OVERRIDE FOWNER KILL SETGID SETUID; do least+=(--cap-add "$cap"); done
# same PROFILE DOCKER-OPTIONS...: the parts of the body that a profile decides are those that docker sends.
same() {
    local name=$1
    shift
    : >bodies
    t env DOCKER_HOST="unix://$PWD/docker.sock" docker create --network host "${least[@]}" "$@" dockmpi/launcher
    docker rm "$out" >/dev/null
    cp bodies docker.json
    t dockmpi up --dry-run --name "$c" --image "$name" --workers 1
    cp out plan.json
    ok "$name: as docker create $*" python3 compare.py
}
same nvidia --gpus all --shm-size 1g
same amd --device /dev/kfd --device /dev/dri --ulimit memlock=-1 --shm-size 1g
same g4dn --gpus all --shm-size 8G --ulimit memlock=-1 --cap-add SYS_PTRACE
same g4ad --device /dev/kfd --device /dev/dri --shm-size 8G --ulimit memlock=-1 --cap-add SYS_PTRACE
same g4dn_distributed_ml --gpus all --ipc host --cap-add SYS_PTRACE --security-opt seccomp=unconfined
same g4ad_distributed_ml --device /dev/kfd --device /dev/dri --group-add video --ipc host --cap-add SYS_PTRACE \
    --security-opt seccomp=unconfined
if [ "$(docker version --format '{{.Client.Version}}' | cut -d. -f1)" -ge 25 ]; then # older ones do not know CDI
    : >bodies
    t env DOCKER_HOST="unix://$PWD/docker.sock" docker create --device nvidia.com/gpu=all dockmpi/launcher
    [ $rc -ne 0 ] || docker rm "$out" >/dev/null
    is "$(python3 -c 'import json; print(json.loads(open("bodies").readline())["HostConfig"]["DeviceRequests"])')" \
        "[{'Driver': 'cdi', 'Count': 0, 'DeviceIDs': ['nvidia.com/gpu=all'], 'Capabilities': None, 'Options': None}]" \
        'and by CDI (tests/unit/test_fit.c has ours)'
fi
kill "$proxy"

echo '# what is not there'
if [ ! -e /dev/kfd ]; then
    exits 125 'an image for AMD GPUs on a node without' dockmpi up --name "$c" --image amd --workers 1
    like "$err" 'node local: image amd: .*/dev/kfd.*has no AMD GPU driver.*or choose another image' 'it says what to do'
    is "$(containers "$c")" '' 'nothing was made'
fi
profile gone <<<'{ image: "dockmpi/launcher:latest", devices: [/dev/nosuch] }'
exits 125 'a device that is not there' dockmpi up --name "$c" --image gone --workers 1
like "$err" '/dev/nosuch.*asks for a device that the node does not have' 'it says so'

profile gone <<<'{ image: "dockmpi/launcher:latest", groups: [nosuch] }'
exits 125 'a group that is not there' dockmpi up --name "$c" --image gone --workers 1
like "$err" 'group nosuch.*: *no matching entries.*; add the group to the image, or write its number' 'it says what to do'

echo '# images that lack something'
profile bare <<<'{ image: "dockmpi/base:trixie" }'
exits 125 'an image without sshd' dockmpi up --name "$c" --image bare --workers 1
like "$err" 'image dockmpi/base:trixie has no sshd: install openssh-server in it, or name' 'it says what to do'
profile bare <<<'{ image: "dockmpi/base:trixie", sshd: /usr/sbin/sshd }'
exits 125 'an image without Open MPI' dockmpi up --name "$c" --image bare --workers 1
like "$err" 'image dockmpi/base:trixie has no mpirun in its PATH: install Open MPI in it, or name' 'it says so'
is "$(containers "$c")" '' 'nothing is left of either'

if [ "$E2E_MODE" = normal ]; then # nothing of it is the client's
    echo '# an image whose files are not those of root, as under userns-remap (tests/e2e/by-hand/userns.sh has the real thing)'
    profile foreign <<<"{ image: 'e2e/${E2E_PREFIX}foreign' }"
    printf 'FROM dockmpi/launcher:latest\nLABEL %s\nRUN chown 165536:165536 /etc\n' "$label" >images/foreign/Dockerfile
    ok 'is built' dockmpi image build foreign
    is "$(docker run --rm --network none --entrypoint stat "e2e/${E2E_PREFIX}foreign" -c %u /etc)" 165536 'and is such a one'
    ok 'up' dockmpi up --name "$c" --image foreign --workers 1
    ok 'its sshd lets mpirun in' dockmpi run --name "$c" -- true
    ok 'down' dockmpi down --name "$c"
fi

echo '# what is there'
if mknod -m 660 "$device" c 1 3 && chgrp 4321 "$device"; then
    profile dev <<E
image: dockmpi/launcher:latest
devices: ["$device:/dev/mine"]
groups: [video]
memlock: unlimited
library_path: [/opt/one/lib, /opt/two/lib]
env: { FROM_PROFILE: "a b" }
E
    ok 'an image that wants a device' dockmpi up --name "$c" --image dev --workers 2
    is "$(docker inspect "dockmpi-$c-worker-0" --format '{{json .HostConfig.GroupAdd}}')" '["video","4321"]' \
        'the group that the device has on that node was added by its number'
    like "$(dockmpi exec --name "$c" -w worker-0 -- id -G)" '(^| )4321( |$)' 'its processes are in it'
    # shellcheck disable=SC2016 # for the ranks
    ok 'a job' dockmpi run --name "$c" -- sh -c 'id -G; echo "[$LD_LIBRARY_PATH] [$FROM_PROFILE]"; : <>/dev/mine'
    is "$(grep -cE '(^| )4321( |$)' <<<"$out")" 2 'the ranks, too, though they came through ssh'
    is "$(grep -c '/opt/one/lib:/opt/two/lib.*\] \[a b\]' <<<"$out")" 2 'ranks see library path and environment'
    before=$(ids "$c")
    if [ ! -e /dev/kfd ]; then
        exits 125 'a change that the node cannot serve' dockmpi up --name "$c" --image dev:1,amd:1
        like "$err" 'nothing was changed' 'it says that nothing was changed'
        is "$(ids "$c")" "$before" 'and nothing was'
    fi
    ok 'up again' dockmpi up --name "$c" --image dev --workers 2
    like "$out" 'nothing changed' 'a cluster with hardware is kept, too'
    ok 'a user who is not root' dockmpi up --name "$c" --image dev --workers 1 --user 4711:4712
    # shellcheck disable=SC2016 # for the rank
    ok 'his job' dockmpi run --name "$c" -- sh -c 'id -G; : <>/dev/mine'
    is "$out" '4712 44 4321' 'has these groups, too, and so the device'
    ok 'down' dockmpi down --name "$c"
    is "$(containers "$c")" '' 'nothing is left'
else
    echo '# no device can be made on this machine'
fi
