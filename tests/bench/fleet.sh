# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The sections of tests/bench/run that need hosts: four of a laboratory over ssh, or 64 simulated ones.
# The hosts of the laboratory share the processors of this machine, which one engine has for itself in
# what they are compared to.
# shellcheck disable=SC2154 # the variables of run

fleet_hosts=(h0 h1 h2 h3)
fleet_pids=()
fleet_pairs=() # where `floor` makes containers, and of which image: a launcher on the first host, a worker on each

fleet_lab() { LAB_NAME=$name LAB_DIR=$tmp/lab LAB_SUBNET=$fleet_subnet LAB_ENGINES=${LAB_ENGINES:-26} compose/lab "$@"; }
fleet_address() { echo "$fleet_subnet.$((10 + ${1#h}))"; }
fleet_ssh=(-o BatchMode=yes -o ControlPath=none)

# Four hosts with a tunnel to each engine, as long as the benchmark runs.
need_fleet() {
    local try host
    [ -n "${fleet_is_up:-}" ] && return
    for try in 1 2 3 4 5; do
        fleet_subnet=10.$((100 + RANDOM % 100)).$((RANDOM % 200 + try))
        fleet_lab up ${#fleet_hosts[@]} >"$tmp/lab.log" 2>&1 && break
        grep -qi overlap "$tmp/lab.log" || die "the laboratory: $(tail -n 1 "$tmp/lab.log")"
    done
    fleet_is_up=1
    fleet_ssh+=(-i "$tmp/lab/id_lab" -o "UserKnownHostsFile=$tmp/lab/known_hosts")
    for host in "${fleet_hosts[@]}"; do
        ssh "${fleet_ssh[@]}" -N -L "$tmp/$host.sock:/var/run/docker.sock" "ubuntu@$(fleet_address "$host")" 2>"$tmp/$host.log" &
        fleet_pids+=($!)
        until on_host "$host" version >/dev/null 2>&1; do
            kill -0 $! || die "no tunnel to $host: $(tail -n 1 "$tmp/$host.log")"
            sleep 0.1
        done
    done
    for host in "${fleet_hosts[0]}" "${fleet_hosts[@]}"; do fleet_pairs+=("$tmp/$host.sock" dockmpi/launcher); done
    cp -r images "$tmp/images"
    mkdir "$tmp/images/small"
    printf 'image: dockmpi/launcher:latest\n' >"$tmp/images/small/image.yaml"
    echo 'FROM scratch' >"$tmp/images/small/Dockerfile" # it does not live in a registry
    sed -e "s/^name: .*/name: $name/" -e 's/image: cpu/image: small/' "$tmp/lab/cluster.yaml" >"$tmp/fleet.yaml"
}

fleet_end() {
    local pid
    for pid in "${fleet_pids[@]}"; do kill "$pid" 2>/dev/null; done
    [ -z "${fleet_is_up:-}" ] || fleet_lab down >/dev/null 2>&1
}

on_host() { DOCKER_HOST=unix://$tmp/$1.sock docker "${@:2}"; }
fleet_tool=(env "DOCKMPI_IMAGES=$tmp/images" "$tool")
fleet_do() { "${fleet_tool[@]}" "$1" -f "$tmp/fleet.yaml" "${@:2}" >"$tmp/fleet.log" 2>&1 || die "$1: $(tail -n 1 "$tmp/fleet.log")"; }

# up, cold, with the image there, against the same engine calls in parallel over tunnels that are open;
# the handshake that up needs for its own connections is measured as what `ssh HOST true` takes.
bench_fleet-up() {
    local own=() floor=() hand=() i value
    need_fleet
    fleet_do image push small
    for ((i = 0; i <= repeat; i++)); do
        fleet_do down
        sample own "${fleet_tool[@]}" up -f "$tmp/fleet.yaml"
        fleet_do down
        value=$("$bench/floor" "floor-$name" "${fleet_pairs[@]}") || die 'floor failed'
        floor+=("${value%% *}")
        sample hand ssh "${fleet_ssh[@]}" "ubuntu@$(fleet_address h1)" true
        [ "$i" -gt 0 ] || { own=() && floor=() && hand=(); }
    done
    awk -v a="$(median "${own[@]}")" -v b="$(median "${floor[@]}")" -v h="$(median "${hand[@]}")" \
        -v as="$(spread "${own[@]}")" -v bs="$(spread "${floor[@]}")" 'BEGIN {
        printf "%-34s %9.1f ms (%s)  against %9.1f ms (%s) and a handshake of %.1f ms  ratio %.2f  goal 1.25\n",
            "up on four ssh hosts, cold", a, as, b, bs, h, (a - h) / b }'
}

# A connection to each host and a channel through it, all at once, as a client needs them; no shell is started.
fleet_shake() {
    local host pids=()
    for host in "${fleet_hosts[@]}"; do
        ssh "${fleet_ssh[@]}" -W 127.0.0.1:22 "ubuntu@$(fleet_address "$host")" >/dev/null 2>&1 </dev/null & pids+=($!)
    done
    wait "${pids[@]}"
}

# ps and down against the same engine calls in parallel over tunnels that are open, and the handshakes that the
# client needs for its own connections.
bench_faults() {
    local ps=() down=() list=() remove=() shake=() i begin listed removed
    need_fleet
    fleet_do image push small
    for ((i = 0; i <= repeat; i++)); do
        fleet_do up
        sample ps "${fleet_tool[@]}" ps -f "$tmp/fleet.yaml"
        sample down "${fleet_tool[@]}" down -f "$tmp/fleet.yaml"
        read -r _ listed removed < <("$bench/floor" "floor-$name" "${fleet_pairs[@]}") || die 'floor failed'
        list+=("$listed") && remove+=("$removed")
        begin=${EPOCHREALTIME/./}
        fleet_shake
        shake+=("$(awk -v us=$((${EPOCHREALTIME/./} - begin)) 'BEGIN { print us / 1000 }')")
        # shellcheck disable=SC2034 # lists are used by name
        [ "$i" -gt 0 ] || { ps=() && down=() && list=() && remove=() && shake=(); }
    done
    fleet_ratio 'ps on four ssh hosts' ps list
    fleet_ratio 'down on four ssh hosts' down remove
}

# Our own times, those of the bare calls, and `shake`.
fleet_ratio() {
    local -n ours=$2 bare=$3
    awk -v what="$1" -v a="$(median "${ours[@]}")" -v as="$(spread "${ours[@]}")" -v b="$(median "${bare[@]}")" \
        -v bs="$(spread "${bare[@]}")" -v h="$(median "${shake[@]}")" 'BEGIN {
        printf "%-34s %9.1f ms (%s)  against %9.1f ms (%s) and handshakes of %.1f ms  ratio %.2f  goal 1.25\n",
            what, a, as, b, bs, h, a / (b + h) }'
}

fleet_forget() {
    local host
    for host in "${fleet_hosts[@]}"; do
        on_host "$host" image rm -f dockmpi/launcher:latest >/dev/null 2>&1
        [ -z "$(on_host "$host" image ls -q)" ] || die "$host still has images"
    done
    sync
}

fleet_received() {
    local host sum=0
    for host in "${fleet_hosts[@]}"; do
        sum=$((sum + $(fleet_lab exec "$host" sh -c 'cat /sys/class/net/e[tn]*/statistics/rx_bytes')))
    done
    echo "$sum"
}

# An image that no host has, to all four; against `docker save | docker load` to one of them through its
# tunnel; and, because four engines share this machine, against one save into four loads at once.
bench_push() {
    local own=() one=() four=() i before bytes layers wire memory
    need_fleet
    fleet_do down
    layers=$(docker save dockmpi/launcher | tar -tvf - | awk '$3 > 100000 { s += $3 } END { print s }')
    for ((i = 0; i <= repeat; i++)); do
        fleet_forget
        before=$(fleet_received)
        sample own "${fleet_tool[@]}" image -f "$tmp/fleet.yaml" push small
        memory=$peak
        bytes=$(($(fleet_received) - before))
        fleet_forget
        # shellcheck disable=SC2016 # the inner shell's variables
        sample one sh -c 'docker save dockmpi/launcher | docker -H "unix://$1/h0.sock" load' sh "$tmp"
        fleet_forget
        # shellcheck disable=SC2016
        sample four bash -c 'load() { docker -H "unix://$1/$2.sock" load; }; docker save dockmpi/launcher |
            tee >(load "$1" h0) >(load "$1" h1) >(load "$1" h2) | load "$1" h3
            for h in h0 h1 h2; do until docker -H "unix://$1/$h.sock" image inspect dockmpi/launcher; do sleep 0.01; done; done' bash "$tmp"
        # shellcheck disable=SC2034 # lists are used by name
        [ "$i" -gt 0 ] || { own=() && one=() && four=(); }
    done
    print_ratio 'push to four hosts, one load' 1.1 own one
    print_ratio 'the same, four loads at once' 1.1 own four
    wire=$((layers * ${#fleet_hosts[@]}))
    awk -v a="$bytes" -v b="$wire" 'BEGIN { printf "%-34s %9.1f MB on the wire  against %9.1f MB of layers  ratio %.3f  goal 1.02\n",
        "push to four hosts, bytes", a / 1e6, b / 1e6, a / b }'
    printf 'push to four hosts, memory         peak %.1f MiB\n' "$(awk -v p="$memory" 'BEGIN { print p / 1024 }')"
}

# A job in a folder that is there already, with 10,000 files and with two: the difference is the sync.
bench_sync() {
    local many=() few=() i
    need_fleet
    fleet_do image push small
    fleet_do up
    mkdir -p "$tmp/many" "$tmp/few"
    python3 - "$tmp/many" <<'PY'
import os, random, sys
random.seed(1)
for folder in range(100):
    os.mkdir(f"{sys.argv[1]}/{folder}")
    for i in range(100):
        with open(f"{sys.argv[1]}/{folder}/{i}", "wb") as f:
            f.write(random.randbytes(random.randrange(200, 4000)))
PY
    for i in many few; do
        printf '#!/bin/sh\nexit 0\n' >"$tmp/$i/main.sh"
        echo 'program: main.sh' >"$tmp/$i/job.yaml"
        fleet_do run "$tmp/$i"
    done
    for ((i = 0; i <= repeat; i++)); do
        sample many "${fleet_tool[@]}" run -f "$tmp/fleet.yaml" "$tmp/many"
        sample few "${fleet_tool[@]}" run -f "$tmp/fleet.yaml" "$tmp/few"
        [ "$i" -gt 0 ] || { many=() && few=(); }
    done
    fleet_do down
    awk -v a="$(median "${many[@]}")" -v b="$(median "${few[@]}")" -v as="$(spread "${many[@]}")" \
        -v bs="$(spread "${few[@]}")" 'BEGIN { printf "%-34s %9.1f ms (%s)  against %9.1f ms (%s)  adds %.1f ms  goal 300\n",
        "sync of 10,000 unchanged files", a, as, b, bs, a - b }'
}

# notice LIST COMMAND...: a job on all hosts; seconds from the command to the line that names the worker and its node.
notice() {
    local -n into=$1
    local job from
    shift
    fleet_do up
    "${fleet_tool[@]}" run -f "$tmp/fleet.yaml" -- sh -c 'echo runs; exec sleep 300' >"$tmp/notice.out" 2>"$tmp/notice.err" &
    job=$!
    until [ "$(grep -c runs "$tmp/notice.out")" -ge ${#fleet_hosts[@]} ]; do
        kill -0 $job 2>/dev/null || die "run: $(tail -n 1 "$tmp/notice.err")"
        sleep 0.1
    done
    from=$(date +%s.%N)
    "$@" >/dev/null
    until grep -aq 'worker-1 on node h1' "$tmp/notice.err"; do
        kill -0 $job 2>/dev/null || grep -aq 'worker-1 on node h1' "$tmp/notice.err" || die "nobody was told: $(tail -n 1 "$tmp/notice.err")"
        sleep 0.02
    done
    into+=("$(awk -v a="$from" -v b="$(date +%s.%N)" 'BEGIN { printf "%.2f", b - a }')")
    wait $job
}

# From a fault to the message that names it.
bench_notice() {
    local death=() loss=() i
    need_fleet
    fleet_do image push small
    for ((i = 0; i < repeat; i++)); do notice death on_host h1 kill "dockmpi-$name-worker-1"; done
    for ((i = 0; i < 2; i++)); do
        notice loss fleet_lab cut h1
        fleet_lab join h1 >/dev/null
    done
    fleet_do down
    printf '%-34s %9.1f s (%s)  goal under 10\n' "a worker's death, until it is named" "$(median "${death[@]}")" "$(spread "${death[@]}")"
    printf '%-34s %9.1f s (%s)  goal under 30\n' "a worker's network, until it is named" "$(median "${loss[@]}")" "$(spread "${loss[@]}")"
}

# The client's memory with 64 hosts, each with an ssh connection of its own. They are simulated: all of them
# are this machine's engine, which a client that only asks does not notice.
bench_hosts() {
    local i
    [ -n "${ssh_port:-}" ] && docker inspect "floor-$name-sshd" >/dev/null 2>&1 || { rm -rf "$tmp/ssh" && start_sshd; }
    docker exec "floor-$name-sshd" sh -c 'for i in $(seq 0 63); do ln -s /var/run/docker.sock "/$i.sock"; done' || die 'docker exec failed'
    {
        printf 'name: %s\ndefaults: { user: root, identity: %s, known_hosts: %s }\nnodes:\n' "$name" "$tmp/ssh/user" "$tmp/ssh/known"
        for ((i = 0; i < 64; i++)); do
            printf '  - { name: n%d, docker: "ssh://127.0.0.1:%s/%d.sock", addr: 127.0.0.1, image: cpu }\n' $i "$ssh_port" $i
        done
    } >"$tmp/hosts.yaml"
    measure "$tool" ps -v -f "$tmp/hosts.yaml"
    i=$(grep -c 'containers/json.*HTTP 200' "$tmp/err")
    [ "$i" -eq 64 ] || die "$i of 64 hosts answered: $(tail -n 1 "$tmp/err")"
    docker rm -f "floor-$name-sshd" >/dev/null
    awk -v p="$peak" -v us="$us" 'BEGIN {
        printf "%-34s peak %.1f MiB, in %.1f s  goal under 64\n", "memory, 64 simulated ssh hosts", p / 1024, us / 1e6 }'
}
