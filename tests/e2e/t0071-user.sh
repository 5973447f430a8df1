#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Ranks that are not root's: up --user, run_as.
# timeout: 240
# valgrind: no (what the client does differently is in the unit tests of runas and mesh)
# debug: no (likewise)
. "$(dirname "$0")/lib.sh"
need_image cpu
a=$(cluster a)
cat >lab.yaml <<EOF
name: $(cluster b)
run_as: nobody
nodes: [ { name: here, docker: "unix:///var/run/docker.sock", image: launcher, workers: 1 } ]
EOF
ok 'a name of the image, in a cluster file, with a time to live' dockmpi up -f lab.yaml --ttl 30s
is "$(dockmpi run -f lab.yaml -- id -u)" 65534 'is that user'
mkdir volume && chown 4711:4712 volume && chmod 0755 volume
ok 'up' dockmpi up --name "$a" --workers 2 --image cpu --user 4711:4712 --volume "$PWD/volume:/data"
# shellcheck disable=SC2016
t dockmpi run --name "$a" -- sh -c 'echo "$(id -u):$(id -g) $HOME $(pwd)"; touch "/data/rank-$OMPI_COMM_WORLD_RANK" made; grep ^CapEff /proc/self/status'
is "$(sort -u <<<"$out")" "4711:4712 /home/dockmpi /work
CapEff:	0000000000000000" 'both ranks are that user, with a home, in a folder of their own, without capabilities'
is "$(stat -c '%n %u:%g' volume/*)" "volume/rank-0 4711:4712
volume/rank-1 4711:4712" 'what they write into a volume is his'
ok 'an MPI program' dockmpi run --name "$a" allreduce_mpi4py
like "$out" PASS 'it is right'
cat >my.py <<'EOF'
import os, sys
print(os.stat(__file__).st_uid, os.getuid(), sys.stdin.read().strip() if os.environ["OMPI_COMM_WORLD_RANK"] == "0" else "")
EOF
echo 'from here' >input
dockmpi run --name "$a" -i my.py <input >"$E2E_TMP/out" 2>"$E2E_TMP/err"
rc=$?
e2e_read
is "$rc $(sort <<<"$out" | tr '\n' ';')" '0 4711 4711 ;4711 4711 from here;' 'code arrives as his, and standard input'

echo '# nothing in the containers is root'
# shellcheck disable=SC2016
t dockmpi run --name "$a" -d -- sh -c 'trap "sleep $((1 + 2 * OMPI_COMM_WORLD_RANK)); echo saved; exit 0" TERM; echo up; while :; do sleep 0.2; done'
job=$out
has_said() { [ "$(dockmpi logs --name "$a" "$job" 2>/dev/null | grep -cx up)" -eq 2 ]; }
wait_until $E2E_LIMIT has_said || fail 'both ranks run'
for name in $(containers "$a"); do
    [ "$(docker inspect -f '{{.State.Running}}' "$name")" = true ] || continue
    is "$(docker top "$name" -eo pid,uid | awk 'NR > 1 { print $2 }' | sort -u)" 4711 "all processes are his ($name)"
    is "$(docker inspect -f '{{.HostConfig.CapAdd}} {{.HostConfig.CapDrop}}' "$name")" '[] [ALL]' "no capability ($name)"
done
for name in launcher worker-0; do
    is "$(docker exec "dockmpi-$a-$name" sh -c 'stat -c "%a %u" /etc/dockmpi /etc/dockmpi/id_ed25519 | tr "\n" " "')" '700 4711 600 4711 ' "the keys are his alone ($name)"
done
inside=/proc/$(docker inspect -f '{{.State.Pid}}' "dockmpi-$a-worker-0")
by() { setpriv --reuid "$1" --regid 4712 --clear-groups head -c 35 "$inside/root/etc/dockmpi/id_ed25519" 2>&1; }
if [ "$(stat -c %u "$inside" 2>/dev/null)" = 4711 ]; then # the engine is on this machine, not beside it
    is "$(by 4711)" '-----BEGIN OPENSSH PRIVATE KEY-----' "the node's own user of that number can read them, as SECURITY.md says"
    like "$(by 4713)" 'Permission denied' 'another one cannot'
fi
ok 'ssh by alias' docker exec "dockmpi-$a-launcher" ssh worker-1 true
ok 'cancel' dockmpi cancel --name "$a" "$job"
is "$(dockmpi logs --name "$a" "$job" 2>/dev/null | grep -cx saved)" 2 'both ranks had their time'
like "$(dockmpi jobs --name "$a")" "^$job .* canceled +143 " 'and jobs calls it canceled'
ok 'exec' dockmpi exec --name "$a" -- test -O /work
echo data >file
ok 'cp' dockmpi cp --name "$a" file :/work/sub/
ok 'and back' dockmpi cp --name "$a" worker-1:/work/sub/file back
is "$(docker exec "dockmpi-$a-worker-0" stat -c %u /work/sub/file)$(cat back)" 4711data 'as his, whole'
ok 'more workers' dockmpi up --name "$a" --workers 3 --image cpu --user 4711:4712 --volume "$PWD/volume:/data"
is "$(dockmpi run --name "$a" -- id -u | tr '\n' ' ')" '4711 4711 4711 ' 'they run with the others'

echo '# names, and what is no user'
before=$(ids "$a")
exits 125 'a name that the image does not have' dockmpi up --name "$a" --workers 3 --image cpu --user nosuch
like "$err" 'nosuch' 'it is named'
is "$(ids "$a")" "$before" 'and nothing was changed'
exits 2 'nonsense' dockmpi up --name "$a" --user '10 00'
ok 'explain' dockmpi explain --name "$a" -- sh -c 'echo "$(id -u):$(id -g) $HOME"'
cp "$E2E_TMP/out" by-hand.sh
ok 'which is a script' sh by-hand.sh
is "$(sort -u <<<"$out")" '4711:4712 /home/dockmpi' 'that has ranks of that user, too'
exits 125 'explain' dockmpi explain -f lab.yaml -- true
like "$err" 'only an image knows who nobody is: give his number' 'wants the number of a name'
sed 's/nobody/4711/' lab.yaml >numbers.yaml
ok 'and takes it' dockmpi explain -f numbers.yaml -- true
like "$out" "echo dockmpi:x:4711:4711::/home/dockmpi:/bin/sh" 'for whom the script makes a login'
is "$(find "$XDG_CONFIG_HOME"/dockmpi "$XDG_CACHE_HOME"/dockmpi \( -type f ! -perm 600 \) -o \( -type d ! -perm 700 \) 2>/dev/null)" '' 'what is noted of it here is for its user only'
[ -n "$(find "$XDG_CONFIG_HOME" "$XDG_CACHE_HOME" -type f)" ] && pass 'there is some' || fail 'there is some'
# Nobody has used it since then.
wait_until 120 sh -c "[ -z \"\$(docker ps -q --filter label=io.dockmpi.cluster=$(cluster b))\" ]" && pass 'it ends by itself, too' || fail 'it ends by itself, too'
ok 'down' dockmpi down -f lab.yaml
