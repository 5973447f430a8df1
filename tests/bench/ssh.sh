# shellcheck shell=bash disable=SC2154 # variables and functions of tests/bench/run
# SPDX-License-Identifier: MIT
# The section `ssh`: the Engine API through our own SSH against the ssh program forwarding the same socket.

# An sshd on the loopback beside the engine, in the launcher's image, with throw-away keys.
start_sshd() {
    local try
    mkdir -m 755 "$tmp/ssh"
    for try in host user; do ssh-keygen -q -t ed25519 -N '' -f "$tmp/ssh/$try" || die 'ssh-keygen'; done
    for try in 1 2 3 4 5; do
        ssh_port=$((21000 + (RANDOM + try) % 8000))
        docker run -d --name "floor-$name-sshd" --network host --init -v "$tmp/ssh:/ssh:ro" -v "$socket:/var/run/docker.sock" \
            dockmpi/launcher sh -c 'mkdir -p /run/sshd && cp /ssh/host /ssh/user.pub /root && chmod 600 /root/host &&
                exec /usr/sbin/sshd -D -e -f /dev/null -h /root/host -p '"$ssh_port"' -o ListenAddress=127.0.0.1 -o StrictModes=no \
                    -o AuthorizedKeysFile=/root/user.pub -o PermitRootLogin=yes -o PidFile=none -o MaxStartups=200' >/dev/null || die 'docker run'
        for _ in $(seq 100); do
            docker logs "floor-$name-sshd" 2>&1 | grep -q 'Server listening' && break 2
            sleep 0.1
        done
        docker rm -f "floor-$name-sshd" >/dev/null
    done
    printf '[127.0.0.1]:%s %s\n' "$ssh_port" "$(cut -d' ' -f1,2 "$tmp/ssh/host.pub")" >"$tmp/ssh/known"
}

ours() {
    "$bench/apispeed" "ssh://root@127.0.0.1:$ssh_port" "floor-$name-data" "$1" "$ssh_mb" "$tmp/ssh/user" "$tmp/ssh/known" ||
        die 'through our own SSH'
}

# A fresh connection for each body, like ours. What the user's own configuration says does not count; the ciphers are
# those that ssh chooses itself.
by_program() {
    local status
    rm -f "$tmp/forwarded"
    ssh -F /dev/null -N -T -p "$ssh_port" -i "$tmp/ssh/user" -o UserKnownHostsFile="$tmp/ssh/known" -o IdentitiesOnly=yes \
        -o ExitOnForwardFailure=yes -L "$tmp/forwarded:/var/run/docker.sock" root@127.0.0.1 >/dev/null &
    ssh_pid=$!
    for _ in $(seq 200); do
        [ -S "$tmp/forwarded" ] && break
        sleep 0.05
    done
    "$bench/apispeed" "unix://$tmp/forwarded" "floor-$name-data" "$1" "$ssh_mb"
    status=$?
    kill "$ssh_pid"
    wait "$ssh_pid" 2>/dev/null
    [ $status -eq 0 ] || die 'through ssh -L'
}

# Who goes first changes with each round: what the one leaves to the disk to do is not always the other's loss.
bench_ssh() {
    local direction own theirs i who
    [ -n "$(command -v ssh)" ] || die 'no ssh program'
    start_sshd
    docker run -d --name "floor-$name-data" --network none dockmpi/launcher sleep 100000 >/dev/null || die 'docker run'
    for direction in up down; do
        own=() theirs=()
        for ((i = 0; i <= repeat; i++)); do
            who=(ours by_program)
            [ $((i % 2)) -eq 0 ] || who=(by_program ours)
            for who in "${who[@]}"; do
                $who $direction >"$tmp/ms" || exit 1
                if [ "$who" = ours ]; then own+=("$(cat "$tmp/ms")"); else theirs+=("$(cat "$tmp/ms")"); fi
            done
            [ "$i" -gt 0 ] || { own=() && theirs=(); }
        done
        print_speed "Engine API over SSH, $direction, $ssh_mb MiB" 0.9 own theirs
    done
    docker rm -f "floor-$name-sshd" "floor-$name-data" >/dev/null
}

# NAME GOAL: as print_ratio, but of speeds: more is better.
print_speed() {
    local what=$1 goal=$2
    local -n a=$3 b=$4
    awk -v what="$what" -v goal="$goal" -v mb="$ssh_mb" -v a="$(median "${a[@]}")" -v b="$(median "${b[@]}")" \
        -v as="$(spread "${a[@]}")" -v bs="$(spread "${b[@]}")" 'BEGIN {
        printf "%-34s %6.0f MiB/s (%s ms)  against ssh -L %6.0f MiB/s (%s ms)  ratio %.2f  goal %s\n",
            what, mb * 1000 / a, as, mb * 1000 / b, bs, b / a, goal }'
}
