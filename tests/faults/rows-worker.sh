# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What happens to workers while a job runs.
# shellcheck disable=SC2034,SC2154 # what row.sh gives, and takes

fault worker-killed hosts '@(125|255)' 10 'worker-1.*h1' "a worker's container is killed"
worker_killed() {
    up && job
    now_it_happens
    on h1 docker kill "$(container worker-1)" >/dev/null
    listen
    up && works
}

fault worker-paused hosts '@(125|255)' 25 'worker-1.*h1.*paused' "a worker's container is paused"
worker_paused() {
    up && job
    now_it_happens
    on h1 docker pause "$(container worker-1)" >/dev/null
    listen
    up && works
}

fault rank-memory hosts 137 15 'rank 1.*worker-1.*(memory|killed)' "a rank needs more memory than its worker may have"
rank_memory() {
    up
    on h1 docker update --memory 64m --memory-swap 64m "$(container worker-1)" >/dev/null
    now_it_happens
    start run -- sh -c 'case $OMPI_COMM_WORLD_RANK in 1) exec tail /dev/zero ;; *) sleep 600 ;; esac'
    listen
    works
}

fault sshd-killed hosts '@(125|255)' 10 'worker-1.*h1' "a worker's sshd is killed"
sshd_killed() {
    up && job
    now_it_happens
    on h1 docker exec "$(container worker-1)" sh -c 'for p in /proc/[0-9]*; do
        case $(tr "\0" " " <$p/cmdline) in */sshd\ -D*|sshd:*listener*) kill -9 ${p#/proc/} ;; esac
    done'
    listen
    up && works
}

fault daemon-killed hosts '@(125|255)' 10 'worker-1.*h1' "mpirun's daemon on a worker is killed"
daemon_killed() {
    up && job
    now_it_happens
    on h1 docker exec "$(container worker-1)" sh -c 'for p in /proc/[0-9]*; do
        case $(cat $p/comm 2>/dev/null) in prted) kill -9 ${p#/proc/} ;; esac
    done'
    listen
    works
}

fault rank-killed hosts 137 10 'rank 1 on worker-1 of node h1 was killed by signal 9' "a rank is killed"
rank_killed() {
    up && job
    now_it_happens
    on h1 docker exec "$(container worker-1)" sh -c 'for p in /proc/[0-9]*; do
        case $(tr "\0" " " <$p/cmdline) in "sh -c echo here"*) kill -9 ${p#/proc/} ;; esac
    done'
    listen
    works
}
