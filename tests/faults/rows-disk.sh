# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What happens when a disk is full.
# shellcheck disable=SC2034,SC2154 # what row.sh gives, and takes

fault disk-full-push hosts 125 40 'h1.*(space|disk)' "a host's disk is full: image push"
disk_full_push() {
    on h1 docker image rm -f dockmpi/launcher >/dev/null
    lab fill h1 40
    happens image push launcher
    lab empty h1
    lab load h1 dockmpi/launcher
}

fault disk-full-build hosts 125 60 '^dockmpi: .*(space|disk)' "the disk is full: image build"
disk_full_build() {
    mkdir -p "$tmp/images/big"
    printf 'summary: big\nimage: dockmpi-faults/big:latest\n' >"$tmp/images/big/image.yaml"
    printf 'FROM dockmpi/launcher\nRUN dd if=/dev/zero of=/big bs=1M count=200\n' >"$tmp/images/big/Dockerfile"
    lab fill h1 40
    now_it_happens
    : >"$tmp/out" && : >"$tmp/err"
    DOCKMPI_IMAGES=$tmp/images DOCKER_HOST=tcp://$(address h1):2376 DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=$LAB_DIR/tls \
        "${client[@]}" image build big >"$tmp/out" 2>"$tmp/err" </dev/null &
    pid=$!
    listen
    lab empty h1
}

fault disk-full-cp hosts 125 30 'h1.*(space|disk)' "a host's disk is full: cp"
disk_full_cp() {
    up
    lab fill h1 40
    up
    head -c 100M /dev/zero >"$tmp/zeros"
    happens cp "$tmp/zeros" :/var/tmp/
    rm -f "$tmp/zeros"
    lab empty h1
}

fault disk-full-up hosts 125 30 'h1.*(space|disk)' "a host's disk is full: up"
disk_full_up() {
    lab fill h1 1
    on h1 sh -c 'dd if=/dev/zero of=/var/lib/docker/ballast bs=4k 2>/dev/null'
    happens up
    on h1 rm -f /var/lib/docker/ballast
    lab empty h1
}

fault disk-full-log hosts 125 60 "disk of the launcher's node is full" "the disk of the launcher's host fills up while a job prints"
disk_full_log() {
    lab fill h0 10
    up
    now_it_happens
    start run -n 1 -- seq 1 2000000
    listen
    quietly down
    lab empty h0
}
