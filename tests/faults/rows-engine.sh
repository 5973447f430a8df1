# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Engines that answer what no engine should. These are programs of ours (fake-engine), on a unix socket.
# shellcheck disable=SC2034,SC2154 # what row.sh gives, and takes

# an_engine FAULT VERB...: the verb meets such an engine.
an_engine() {
    local fake=$tmp/run/engine.sock server
    "$here/fake-engine" "$fake" "$1" 2>"$tmp/fake.log" &
    server=$!
    wait_until 60 test -S "$fake"
    where=(--name "$cluster")
    now_it_happens
    : >"$tmp/out" && : >"$tmp/err"
    DOCKER_HOST=unix://$fake "${client[@]}" "${@:2}" "${where[@]}" >"$tmp/out" 2>"$tmp/err" </dev/null &
    pid=$!
    listen
    kill "$server"
    wait "$server" 2>/dev/null
    rm -f "$fake"
}

fault engine-garbage local 125 10 'node local.*(not a Docker engine|HTTP|answer)' "an engine answers garbage: ps"
engine_garbage() { an_engine garbage ps; }
fault engine-half local 125 10 'node local.*(connection|answer|closed)' "an engine answers half, then hangs up: ps"
engine_half() { an_engine half ps; }
fault engine-wrong local 125 10 'node local' "an engine answers JSON of another kind: ps"
engine_wrong() { an_engine wrong ps; }
fault engine-silent local 125 15 'node local.*timed out' "an engine never answers: up"
engine_silent() { an_engine silent up; }
fault engine-silent-down local 125 15 'node local.*timed out' "an engine never answers: down"
engine_silent_down() { an_engine silent down; }
fault engine-stalls local 125 15 'node local.*timed out' "an engine stops in the middle of an answer: ps"
engine_stalls() { an_engine stalls ps; }
fault engine-stalls-up local 125 30 'node local.*timed out' "an engine stops in the middle of an answer: up"
engine_stalls_up() { an_engine stalls up; }
fault engine-drip local 125 30 'node local.*timed out' "an engine sends a byte a second: down"
engine_drip() { an_engine drip down; }
fault engine-endless local 125 40 'node local.*(large|long|MiB|end)' "an engine's answer has no end: ps"
engine_endless() { an_engine endless ps; }
