# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What clients do to each other, and what is done to them.
# shellcheck disable=SC2034,SC2154 # what row.sh gives, and takes

fault client-killed local 0 20 '' "the client of a job is killed (SIGKILL): wait"
client_killed() {
    ranks=2
    up
    job 'sleep 4; echo done'
    kill -KILL "$pid"
    wait "$pid" 2>/dev/null
    happens wait
    quietly logs
    [ "$(grep -c 'done' "$tmp/quiet")" = 2 ] || note 'the log is not complete'
}

# both VERB... AND VERB...: two clients at once; what each ended with goes to $codes.
both() {
    local first=() one two
    while [ "$1" != AND ]; do first+=("$1") && shift; done
    shift
    with "${first[@]}" >"$tmp/out.1" 2>"$tmp/err.1" </dev/null &
    one=$!
    with "$@" >"$tmp/out.2" 2>"$tmp/err.2" </dev/null &
    two=$!
    wait $one
    codes=$?
    wait $two
    codes="$codes $?"
    after=$(($(now) - since)) code=${codes##* }
    cat "$tmp"/err.[12] >"$tmp/err" && : >"$tmp/out"
}

fault two-up local 0 30 '' "two clients: up and up"
two_up() {
    now_it_happens
    both up --workers 2 --image launcher AND up --workers 2 --image launcher
    [ "$codes" = '0 0' ] || note "they ended with $codes"
    grep -vE ': ready$|waiting for dockmpi up of' "$tmp/err" >"$tmp/err.1"
    cp "$tmp/err.1" "$tmp/err"
    [ "$(engine_containers | wc -l)" = 3 ] || note "$(engine_containers | wc -l) containers"
    works
}

fault two-run local 0 30 '' "two clients: run and run"
two_run() {
    up
    now_it_happens
    both run -- sleep 1 AND run -- sleep 1
    [ "$codes" = '0 0' ] || note "they ended with $codes"
}

fault two-down local 0 30 '' "two clients: down and down"
two_down() {
    up
    now_it_happens
    both down AND down
    [ "$codes" = '0 0' ] || note "they ended with $codes"
    grep -vE ': removed$|waiting for dockmpi down of|there is no cluster' "$tmp/err" >"$tmp/err.1"
    cp "$tmp/err.1" "$tmp/err"
}

# A socket that is bound and does not listen is in no table of listeners, and still has the port.
fault port-stolen local 0 30 '' "another program takes sshd's port between choice and use"
port_stolen() {
    local port holder
    up
    port=$(docker exec "$(container worker-0)" sed -n 's/^Port //p' /etc/dockmpi/sshd_config)
    quietly down
    python3 -c 'import socket, sys, time
while True:
    try:
        s = socket.socket()
        s.bind(("127.0.0.1", int(sys.argv[1])))
        break
    except OSError: # who last talked to it may keep it busy for a while
        time.sleep(1)
print(flush=True)
time.sleep(600)' "$port" >"$tmp/holds" &
    holder=$!
    wait_until 120 test -s "$tmp/holds"
    now_it_happens
    up
    start run -- true
    listen
    [ "$(docker exec "$(container worker-0)" sed -n 's/^Port //p' /etc/dockmpi/sshd_config)" != "$port" ] || note 'the port was not taken'
    kill "$holder"
    wait "$holder" 2>/dev/null
}
