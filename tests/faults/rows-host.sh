# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What happens to hosts and their engines.
# shellcheck disable=SC2034,SC2154 # what row.sh gives, and takes

live_restore() { # HOST true|false
    on "$1" sh -c "echo '{\"live-restore\": $2}' >/etc/docker/daemon.json && kill -HUP \$(cat /var/run/docker.pid)"
    wait_until 10 says_live "$1" "$2"
}
says_live() { [ "$(on "$1" docker info -f '{{.LiveRestoreEnabled}}')" = "$2" ]; }

fault engine-stopped hosts '@(125|255)' 10 'worker-1.*h1' "the engine of a worker's host is stopped"
engine_stopped() {
    up && job
    now_it_happens
    lab engine-stop h1
    listen
    lab engine-start h1
    up && works
}

fault engine-restarted hosts '@(125|255)' 10 'worker-1.*h1' "the engine of a worker's host is restarted, its containers end"
engine_restarted() {
    up && job
    now_it_happens
    lab engine-stop h1 && lab engine-start h1
    listen
    up && works
}

fault engine-live hosts 0 20 '' "the engine of a worker's host is restarted under running containers (live-restore)"
engine_live() {
    live_restore h1 true
    up
    job 'sleep 8; echo done'
    now_it_happens
    lab engine-stop h1 && lab engine-start h1
    listen
    printed 3 'done'
    works
    live_restore h1 false
}

fault engine-live-head hosts 0 20 "node h0: the connection to the job's output is lost and is being looked for" "the engine of the launcher's host is restarted under running containers (live-restore)"
engine_live_head() {
    live_restore h0 true
    up
    job "$(ten_a_second 80)"
    now_it_happens
    lab engine-stop h0 && lab engine-start h0
    listen
    printed 240 '^line [0-9]*$'
    works
    live_restore h0 false
}

fault host-off hosts '@(125|255)' 30 'worker-1.*h1' "a worker's host is powered off"
host_off() {
    up && job
    now_it_happens
    docker kill "dockmpi-$LAB_NAME-h1" >/dev/null
    listen
    lab start h1
    up && works
}

fault host-off-head hosts 125 30 "node h0: the connection to the job's output is lost and is being looked for" "the launcher's host is powered off"
host_off_head() {
    up && job
    now_it_happens
    docker kill "dockmpi-$LAB_NAME-h0" >/dev/null
    listen
    grep -q 'node h0: the engine was lost while the job ran, and it may still run' "$tmp/err" || note 'the end does not name the host'
    lab start h0
    up && works
}

fault host-off-up hosts 125 25 'node h1: no ssh server answers' "a host is off when up starts"
host_off_up() {
    docker kill "dockmpi-$LAB_NAME-h1" >/dev/null
    happens up
    lab start h1
}

fault host-off-down hosts 125 25 'node h1: no ssh server answers' "a host is off when down starts"
host_off_down() {
    up
    docker kill "dockmpi-$LAB_NAME-h1" >/dev/null
    happens down
    lab start h1
}

fault clock-wrong hosts 0 30 'h1.*clock' "a node's clock is a day behind: doctor"
clock_wrong() {
    lab skew h1 -86400
    happens doctor
    up && works
    lab skew h1 0
}

fault image-removed hosts 0 10 '' "the image is removed under a cluster"
image_removed() {
    local host
    up
    for host in "${hosts[@]}"; do on "$host" docker image rm -f dockmpi/launcher >/dev/null 2>&1; done
    happens run -- true
    up --workers 3 && works
    on h1 docker rm -f "$(container worker-1)" >/dev/null
    quietly image push launcher
    up && works
}
