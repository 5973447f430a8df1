#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# debug: no (the client's part runs in the other scripts, too)
# valgrind: no (the same)
# Several clients change one cluster at once; clients that are killed while they do; locks of other machines.
. "$(dirname "$0")/lib.sh"
need_image cpu
c=$(cluster clients)
up() { dockmpi up --name "$c" --image cpu --workers "$@"; }
locks() { docker volume ls -q --filter "label=io.dockmpi.cluster=$c"; }
# both A B: runs two commands at once; their exit codes are in $a and $b. Who waits for the other has patience: the
# machine may be busy.
both() {
    eval "$1" >a.out 2>a.err </dev/null &
    local first=$!
    eval "$2" >b.out 2>b.err </dev/null
    b=$?
    wait "$first"
    a=$?
}

for round in 1 2; do
    both 'up 1 --wait 5m' 'up 2 --wait 5m'
    is "$a $b" '0 0' "two ups at once: both succeed ($round)" || cat a.err b.err
    n=$(containers "$c" | grep -c worker)
    t dockmpi run --name "$c" --rm -- hostname
    is "$rc $(wc -l <<<"$out")" "0 $n" "and the cluster works ($round)"

    both 'up 2 --wait 5m' 'dockmpi down --name "$c" --wait 5m'
    is "$b" 0 "down beside an up succeeds ($round)" || cat b.err
    n=$(containers "$c" | wc -l)
    [ "$n" = 0 ] || [ "$n" = 3 ] && pass "it leaves all or nothing ($round)" || fail "it leaves all or nothing ($round)" "$(containers "$c")"
    up 2 >/dev/null 2>&1

    both 'sleep 0.0$round; dockmpi run --name "$c" -- hostname' 'dockmpi down --name "$c" --wait 5m'
    is "$b" 0 "down beside a run succeeds ($round)" || cat b.err
    is "$(containers "$c")" '' "and leaves nothing ($round)" || cat a.err
done
is "$(locks)" '' 'no lock is left'

# Killed at some moment: what is left of it is in nobody's way.
for after in 0.03 0.2; do
    "$DOCKMPI" up --name "$c" --image cpu --workers 2 >/dev/null 2>&1 </dev/null &
    sleep "$after"
    kill -KILL $! 2>/dev/null
    wait $! 2>/dev/null
    # It would fail if it waited for the other.
    ok "up after one that was killed ($after s)" up 2
    ok 'the cluster works' dockmpi run --name "$c" --rm -- sleep 0.3
    [ "$after" = 0.2 ] || dockmpi down --name "$c" >/dev/null 2>&1
done
is "$(locks)" '' 'no lock is left'
dockmpi down --name "$c" >/dev/null 2>&1

# A client on another machine, alive as far as anybody can tell, and one whose time is over.
lock() {
    docker volume create --label "io.dockmpi.cluster=$c" --label io.dockmpi.role=lock --label io.dockmpi.lock=x \
        --label "io.dockmpi.holder=dockmpi up of $(printf 'her\033[31m')@there, process 7" \
        --label 'io.dockmpi.client=another-kernel pid:[1] 7 7' --label "io.dockmpi.until=$1" "dockmpi-$c-lock-1" >/dev/null
}
lock $(($(date +%s) + 600))
exits 125 'down while another machine holds the lock' dockmpi down --name "$c" --wait 1s
like "$err" "^dockmpi: cluster $c is being changed by dockmpi up of her.*@there, process 7: try again" 'says who'
like "$err" "docker volume rm dockmpi-$c-lock-1" 'and what to do if that one is gone'
unlike "$err" "$(printf '\033')" 'and lets no escape sequence through'
docker volume rm "dockmpi-$c-lock-1" >/dev/null
lock $(($(date +%s) - 5))
ok 'up when its time is over' up 1
is "$(locks)" '' 'takes it away'
lock $(($(date +%s) + 600))
exits 125 'run while the cluster is being changed' dockmpi run --name "$c" -- true
like "$err" 'is being changed by.*run it again' 'says so'
is "$(containers "$c" | grep -c -- -job-)" 0 'and leaves no job'
docker volume rm "dockmpi-$c-lock-1" >/dev/null
ok 'down' dockmpi down --name "$c"
is "$(containers "$c")$(locks)" '' 'nothing is left'
