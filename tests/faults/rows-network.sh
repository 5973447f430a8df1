# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What happens to the network.
# shellcheck disable=SC2034,SC2154 # what row.sh gives, and takes

fault cut hosts '@(125|255)' 25 'worker-1.*h1' "a worker's host loses its network"
cut() {
    up && job
    now_it_happens
    lab cut h1
    listen
    lab join h1
    up && works
}

fault cut-one-way hosts '@(125|255)' 25 'worker-1.*h1' "a worker's host does not hear the launcher's any more"
cut_one_way() {
    up && job
    now_it_happens
    lab block h0 h1
    listen
    lab unblock h0 h1
    up && works
}

fault cut-head hosts 125 30 "node h0: the connection to the job's output is lost and is being looked for" "the launcher's host loses its network"
cut_head() {
    up && job
    now_it_happens
    lab cut h0
    listen
    lab join h0
    up && works
}

# The daemons' connections have been idle for so long by then that the kernel asks whether they live.
fault cut-short hosts 0 40 '' "a worker's host loses its network for eight seconds"
cut_short() {
    up
    job 'sleep 35; echo done'
    now_it_happens
    sleep 15
    lab cut h1
    sleep 8
    lab join h1
    listen
    printed 3 'done'
}

fault cut-up hosts 125 25 'node h1: no ssh server answers' "a host has lost its network when up starts"
cut_up() {
    lab cut h1
    happens up
    lab join h1
}

fault cut-client hosts 0 40 '' "the client loses the launcher's host for ten seconds"
cut_client() {
    up
    job "$(ten_a_second 150)"
    now_it_happens
    on h0 iptables -I INPUT -s "$LAB_SUBNET.1" -j DROP
    sleep 10
    on h0 iptables -D INPUT -s "$LAB_SUBNET.1" -j DROP
    listen
    printed 450 '^line [0-9]*$'
}

fault link-slow hosts 0 30 '' "a host has 2 Mbit/s and 50 ms: up, run"
link_slow() {
    lab slow h1 2 50
    now_it_happens
    up
    start run -- true
    listen
    lab fast h1
}

fault packets-lost hosts 0 40 '' "a host loses every fifth packet: up, run"
packets_lost() {
    lab lose h1 20
    now_it_happens
    up
    start run -- true
    listen
    lab fast h1
}
