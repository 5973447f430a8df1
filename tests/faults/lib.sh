# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# For tests/faults: the dockmpi under test in a world of its own, and what it may not leave behind.
# The script that sources this has set -u and stands in the repository's root.
: "${DOCKMPI:=$PWD/build/dockmpi}"
faults=${FAULTS_NAME:-faults$$}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/dockmpi-faults.XXXXXX")
mkdir -p "$tmp"/{home,config,cache,run,tmp} && chmod 700 "$tmp/run"
export DOCKMPI_IMAGES=$PWD/images NO_COLOR=1 LC_ALL=C.UTF-8

die() {
    echo "$(basename "$0"): $1" >&2
    exit 1
}

# The client, as one process: in a session of its own, so that all that it starts can be told from others
# by the mark in the environment.
client=(env "HOME=$tmp/home" "XDG_CONFIG_HOME=$tmp/config" "XDG_CACHE_HOME=$tmp/cache" "XDG_RUNTIME_DIR=$tmp/run"
    "TMPDIR=$tmp/tmp" "FAULTS_MARK=$faults" setsid "$DOCKMPI")
dockmpi() { "${client[@]}" "$@"; }

# The clock in milliseconds.
now() {
    local t=${EPOCHREALTIME/./}
    echo $((t / 1000))
}

# wait_until SECONDS COMMAND...: until it succeeds; fails after the limit.
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

# Processes of clients, and of what they started here, that have not ended: pid and name.
clients_left() {
    local pid
    grep -lszx "FAULTS_MARK=$faults" /proc/[0-9]*/environ | while IFS=/ read -r _ _ pid _; do
        echo "process $pid: $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | cut -c1-80)"
    done
}
no_clients() { [ -z "$(clients_left)" ]; }

# Files that clients left on this machine, but for the notes that they may keep.
files_left() { find "$tmp/run" "$tmp/tmp" -mindepth 1 2>/dev/null | sed 's/^/file /'; }

# A container's id in the name of its processes' control group tells them wherever they run on this machine.
processes_of() {
    local id
    for id; do grep -ls "/$id" /proc/[0-9]*/cgroup; done | sed 's|/proc/\(.*\)/cgroup|process \1 of a container|'
}
