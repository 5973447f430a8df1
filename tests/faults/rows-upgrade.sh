# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Engines that are replaced by those of a later generation. Host h1 keeps the last one until the laboratory goes.
# shellcheck disable=SC2034,SC2154 # what row.sh gives, and takes

# upgrade HOST GENERATION: dockerd, containerd and its shim; runc of a later Debian needs its C library.
upgrade() {
    local host=$1 from
    from=$(docker create "dockmpi-lab/host:$2" 2>/dev/null) || { note "no image of generation $2: compose/lab images makes it"; return; }
    lab engine-stop "$host"
    for file in /usr/sbin/dockerd /usr/bin/containerd /usr/bin/containerd-shim-runc-v2; do
        docker cp "$from:$file" - | on "$host" tar -xf - -C "${file%/*}" --unlink-first
    done
    docker rm "$from" >/dev/null
    lab engine-start "$host"
    [[ $(on "$host" docker version -f '{{.Server.Version}}') == "$2".* ]] || note "the engine is not of generation $2"
}

fault engine-upgraded hosts '@(125|255)' 60 'worker-1.*h1' "the engine of a worker's host is upgraded (20 to 26), its containers end"
engine_upgraded() {
    up && job
    now_it_happens
    upgrade h1 26
    listen
    up && works
}

fault engine-upgraded-live hosts 0 60 '' "the engine of a worker's host is upgraded (26 to 28) under running containers (live-restore)"
engine_upgraded_live() {
    live_restore h1 true
    up
    job 'sleep 15; echo done'
    now_it_happens
    upgrade h1 28
    listen
    printed 3 'done'
    up && works
    live_restore h1 false
}
