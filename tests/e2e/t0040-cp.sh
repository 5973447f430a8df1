#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# cp: both directions byte-identical, names and modes of all kinds, and a container that lies.
# timeout: 240
. "$(dirname "$0")/lib.sh"
need_image cpu
c=$(cluster cp)
copy() { dockmpi cp --name "$c" "$@"; }
# What a folder holds: types, modes, links and content.
listing() { (cd "$1" && find . -printf '%y %m %p %l\n' | sort && find . -type f -print0 | sort -z | xargs -0 sha256sum); }
ok 'up' dockmpi up --name "$c" --workers 2 --image cpu

mkdir -p dir/sub/empty dir/'a b' && cd dir || exit 1
printf 'text\n' >file && : >none && printf 'x' >'a b/ü "quoted" $HOME'
head -c 3000001 /dev/urandom >big
ln -s file link && ln -s /nowhere dangling && printf '#!/bin/sh\n' >tool && chmod 755 tool && chmod 600 file
long=$(printf 'n%.0s' $(seq 120))
mkdir -p "$long/$long" && echo deep >"$long/$long/$long"
i=0
while [ $i -lt 200 ]; do echo $i >"sub/$i" && i=$((i + 1)); done
cd .. || exit 1
chmod -R go-w dir

ok 'a folder to all' copy ./dir :/work
for where in launcher worker-0 worker-1; do
    ok "and back from $where" copy "$where:/work/dir" "back-$where"
    is "$(listing "back-$where")" "$(listing dir)" "byte-identical from $where"
done
ok 'from all workers' copy :/work/dir all/
is "$(cd all && echo *)" 'worker-0 worker-1' 'a folder for each worker'
is "$(listing all/worker-1/dir)" "$(listing dir)" 'byte-identical'
ok 'the owner is root' dockmpi exec --name "$c" --workers -- sh -c 'test -z "$(find /work/dir ! -user root)"'
ok 'one file under a new name' copy dir/big worker-0:/work/renamed
ok 'and back' copy worker-0:/work/renamed ./renamed
ok 'byte-identical' cmp dir/big renamed
t docker exec "dockmpi-$c-worker-1" test -e /work/renamed
is $rc 1 'only where it was meant to go'
ok 'several files into a folder' copy dir/file dir/tool worker-0:/work/several/
ok 'the content of a folder' copy dir/sub/. worker-0:/work/content
ok 'lies there' dockmpi exec --name "$c" -w worker-0 -- test -f /work/several/tool -a -f /work/content/199

mkdir names && cp dir/big names/one && ln names/one names/two && ln names/one names/three
ok 'a file with several names' copy names worker-0:/work
ok 'stays one file' dockmpi exec --name "$c" -w worker-0 -- sh -c '[ "$(stat -c %h /work/names/two)" = 3 ] && cmp /work/names/one /work/names/three'
ok 'and back' copy worker-0:/work/names ./names-back
is "$(stat -c %h names-back/one) $(sha256sum <names-back/two)" "3 $(sha256sum <dir/big)" 'as one file'

# Errors, one line each.
for words in "missing worker-0:/work" "worker-0:/missing ." "dir/file worker-9:/work" "dir/file worker-0:relative"; do
    # shellcheck disable=SC2086 # two words
    t copy $words
    [ $rc -ne 0 ] && pass "cp $words fails" || fail "cp $words fails"
    is "$(grep -cvE '^(dockmpi: )?see: ' err)" 1 "cp $words: one line"
done

# A container that sends paths and links which lead out of the destination.
docker exec "dockmpi-$c-worker-0" sh -c '
    mkdir -p /work/evil && cd /work/evil && ln -s ../../outside escape && ln -s /tmp absolute && echo ok >inside
    mkfifo pipe'
mkdir -p jail/out
t copy worker-0:/work/evil jail/out
is "$(ls jail)" out 'nothing is written outside of the destination'
[ ! -p jail/out/evil/pipe ] && pass 'no special file is made' || fail 'no special file is made'
rm -rf jail
docker exec "dockmpi-$c-worker-0" sh -c 'rm /work/evil/pipe'
mkdir -p jail/out/evil outside-target && ln -s "$PWD/outside-target" jail/out/evil/sub
docker exec "dockmpi-$c-worker-0" sh -c 'mkdir -p /work/evil/sub && echo planted >/work/evil/sub/planted'
t copy worker-0:/work/evil jail/out
is "$(ls outside-target)" '' 'a link that lies in the destination is not followed'

ok 'down' dockmpi down --name "$c"
