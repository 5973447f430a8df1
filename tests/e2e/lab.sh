# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# For the end-to-end scripts that need several hosts: a laboratory (compose/lab) of their own, which
# goes away with the script. Sourced after lib.sh.

LAB_NAME=${E2E_PREFIX}lab
LAB_DIR=$E2E_TMP/lab
LAB_ENGINES=${LAB_ENGINES:-26 20 28}
export LAB_NAME LAB_DIR LAB_ENGINES
unset DOCKER_HOST DOCKER_CONTEXT DOCKER_TLS_VERIFY DOCKER_CERT_PATH

# On this machine's engine, also where the script gives dockmpi another one.
lab() { env -u DOCKER_HOST "$E2E_ROOT/compose/lab" "$@"; }

# lab_up N: hosts h0, h1, ... with a network that nobody else on this machine uses. The script ends
# when they cannot be made.
lab_up() {
    local try
    for try in 1 2 3 4 5; do
        LAB_SUBNET=${LAB_PREFIX:-10.$((100 + RANDOM % 100))}.$((RANDOM % 200 + try))
        export LAB_SUBNET
        lab up "$1" >"$E2E_TMP/lab.log" 2>&1 && return 0
        grep -qi 'overlap' "$E2E_TMP/lab.log" || break
    done
    sed 's/^/# /' "$E2E_TMP/lab.log"
    fail 'the laboratory comes up'
    exit 1
}

# The address of a host.
address() { echo "$LAB_SUBNET.$((10 + ${1#h}))"; }

# received H: bytes that came in over the laboratory's networks so far.
received() { lab exec "$1" sh -c 'cat /sys/class/net/e[tn]*/statistics/rx_bytes' | awk '{ s += $1 } END { print s }'; }

# on_hosts H...: the containers of ours on those hosts.
on_hosts() {
    local host
    for host; do lab exec "$host" docker ps -aq --filter label=io.dockmpi.cluster; done
}

# One profile of the small image (ssh and Open MPI): it reaches a host in seconds.
small_images() {
    need_image launcher
    mkdir -p "$E2E_TMP/images/small"
    cp -r "$E2E_ROOT/images/launcher" "$E2E_ROOT/images/jobs" "$E2E_TMP/images/"
    printf 'summary: small\nimage: dockmpi/launcher:latest\n' >"$E2E_TMP/images/small/image.yaml"
    export DOCKMPI_IMAGES=$E2E_TMP/images
}

trap 'lab down >/dev/null 2>&1; e2e_end' EXIT
