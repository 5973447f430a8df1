#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# up and down: converging, repairing, growing and shrinking, changes, ports, names, neighbours.
# timeout: 300
. "$(dirname "$0")/lib.sh"
need_image cpu
a=$(cluster a) b=$(cluster b)

# The port of a worker, as the launcher's ssh configuration has it.
port_of() {
    dockmpi exec --name "$1" -w launcher -- cat /etc/dockmpi/ssh_config 2>/dev/null |
        awk -v host="worker-$2" '$1 == "Host" { in_block = ($2 == host) } in_block && $1 == "Port" { print $2; exit }'
}
ranks() { dockmpi run --name "$1" --rm -- sh -c 'echo "rank $OMPI_COMM_WORLD_RANK of $OMPI_COMM_WORLD_SIZE"' | sort; }

ok 'up --dry-run needs nothing' dockmpi up --name "$a" --dry-run
is "$(containers "$a")" '' 'up --dry-run makes nothing'

ok 'up' dockmpi up --name "$a" --workers 2 --image cpu
like "$out" '2 of 2 workers ready' 'up says what is there'
is "$(containers "$a")" "dockmpi-$a-launcher
dockmpi-$a-worker-0
dockmpi-$a-worker-1" 'one launcher and two workers'
is "$(containers "$a" status=running | wc -l)" 3 'all of them run'
before=$(ids "$a")
ok 'up again' dockmpi up --name "$a" --workers 2 --image cpu
is "$(ids "$a")" "$before" 'up again: the same containers'
like "$out" 'nothing changed' 'up again: says so'
ok 'up --json' dockmpi up --name "$a" --workers 2 --image cpu --json
json 'up --json is JSON' 'assert r["workers_ready"] == 2 and r["changed"] is False, r'
is "$(ranks "$a")" "rank 0 of 2
rank 1 of 2" 'mpirun reaches both workers'

# Repair.
docker rm -f "dockmpi-$a-worker-1" >/dev/null
ok 'up after a worker was removed by hand' dockmpi up --name "$a" --workers 2 --image cpu
is "$(ids "$a" | grep -v worker-1)" "$(grep -v worker-1 <<<"$before")" 'the others are untouched'
is "$(containers "$a" | wc -l)" 3 'the worker is there again'
is "$(ranks "$a")" "rank 0 of 2
rank 1 of 2" 'and mpirun reaches it'
docker restart -t 1 "dockmpi-$a-worker-0" >/dev/null
ok 'up after a worker was restarted by hand' dockmpi up --name "$a" --workers 2 --image cpu
is "$(ranks "$a" | wc -l)" 2 'and mpirun reaches it'
docker rm -f "dockmpi-$a-launcher" >/dev/null
ok 'up after the launcher was removed by hand' dockmpi up --name "$a" --workers 2 --image cpu
is "$(ranks "$a" | wc -l)" 2 'and mpirun runs in it'

# Growing and shrinking.
before=$(ids "$a")
ok 'up --workers 4' dockmpi up --name "$a" --workers 4 --image cpu
is "$(ids "$a" | grep -vE 'worker-[23]')" "$before" 'growing: the old members stay'
is "$(ranks "$a" | wc -l)" 4 'growing: four ranks'
ok 'up --workers 2' dockmpi up --name "$a" --workers 2 --image cpu
is "$(ids "$a")" "$before" 'shrinking: the old members stay, the others are gone'
is "$(ranks "$a" | wc -l)" 2 'shrinking: two ranks'

# A changed option replaces what it must, and says so.
ok 'up --env' dockmpi up --name "$a" --workers 2 --image cpu --env E2E_MARK=blue
like "$out" "dockmpi-$a-worker-0: replaced" 'a changed option: says what is replaced'
ok 'the option is there' dockmpi run --name "$a" --rm -- sh -c 'test "$E2E_MARK" = blue'
mkdir -p data && echo from-host >data/file && chmod 755 data
ok 'up --volume --shm-size --workdir' dockmpi up --name "$a" --workers 2 --image cpu --volume "$PWD/data:/data:ro" \
    --shm-size 96m --workdir /srv/work
ok 'the volume is mounted in every worker' dockmpi run --name "$a" --rm -- grep -q from-host /data/file
t dockmpi exec --name "$a" --workers -- touch /data/new
[ $rc -ne 0 ] && [ ! -e data/new ] && pass 'and read-only' || fail 'and read-only' || diag
t dockmpi exec --name "$a" -w worker-0 -- df -k /dev/shm
like "$out" '[[:space:]]98304[[:space:]]' '--shm-size'
t dockmpi run --name "$a" --rm --np 1 -- pwd
is "$out" /srv/work '--workdir'
ok 'up without these options' dockmpi up --name "$a" --workers 2 --image cpu

# Neighbours: another cluster beside it, on its own ports.
ok 'a second cluster' dockmpi up --name "$b" --workers 2 --image cpu
is "$(containers "$b" | wc -l)" 3 'the second cluster has its own containers'
ports=$(for c in "$a" "$b"; do for i in 0 1; do port_of "$c" "$i"; done; done)
is "$(sort -u <<<"$ports" | grep -c '^[0-9]')" 4 'four workers, four ports'
is "$(ranks "$a" | wc -l) $(ranks "$b" | wc -l)" '2 2' 'both run jobs'
ok 'ps --json' dockmpi ps --name "$b" --json
json 'ps --name sees one cluster' 'assert [c["name"] for c in r["clusters"]] == [sys.argv[1]], r
assert len(r["containers"]) == 3 and all(c["state"] == "running" for c in r["containers"]), r' "$b"
ok 'ps' dockmpi ps
like "$out" "^$a " 'ps lists the first'
like "$out" "^$b " 'ps lists the second'
before=$(ids "$a")
ok 'down of the second' dockmpi down --name "$b"
like "$out" 'removed 3 containers' 'down says what it removed'
like "$out" "^checked local: no container, volume, network, process or key of cluster $b is left$" 'and that nothing is left'
is "$(containers "$b")" '' 'the second is gone'
is "$(ids "$a")" "$before" 'the first is untouched'

# A port that is held: first by somebody who listens, then by somebody who is seen only at the bind.
dockmpi down --name "$a" >/dev/null 2>&1
for how in listening bound; do
    # Under a name of its own: nobody has yet talked to its port, which would keep it busy for a while.
    p=$(cluster "port-$how")
    dockmpi up --name "$p" --workers 1 --image cpu >/dev/null 2>&1
    port=$(port_of "$p" 0)
    like "$port" '^[0-9]+$' "the port of a worker is known ($how)"
    dockmpi down --name "$p" >/dev/null 2>&1
    python3 -c 'import socket, sys, time
while True:
    try:
        s = socket.socket()
        s.bind(("0.0.0.0", int(sys.argv[1])))
        break
    except OSError:
        time.sleep(1)
if sys.argv[2] == "listening": s.listen()
open("held", "w").close()
time.sleep(3600)' "$port" "$how" &
    holder=$!
    wait_until $E2E_LIMIT test -e held || fail 'the port could be held'
    ok "up while its port is held ($how)" dockmpi up --name "$p" --workers 1 --image cpu
    now=$(port_of "$p" 0)
    [ -n "$now" ] && [ "$now" != "$port" ] && pass "another port is taken ($how)" || fail "another port is taken ($how)" "$port, then $now"
    ok "and mpirun reaches it ($how)" dockmpi run --name "$p" --rm -- sleep 0.3
    kill $holder
    wait $holder 2>/dev/null
    rm -f held
    dockmpi down --name "$p" >/dev/null 2>&1
done

# Names and files.
printf 'name: %s\nnodes:\n  - { name: here, docker: "unix:///var/run/docker.sock", image: cpu, workers: 1 }\n' "$a" >one.yaml
[ -z "${DOCKER_HOST:-}" ] || sed -i "s#unix:///var/run/docker.sock#$DOCKER_HOST#" one.yaml
cp one.yaml two.yaml
ok 'up -f' dockmpi up -f one.yaml
is "$(containers "$a" | wc -l)" 2 'up -f: what the file says'
exits 125 'up of another definition with the same name' dockmpi up -f two.yaml --workers 3
one_line "$err" 'a name in use: one line'
like "$err" "$a" 'a name in use: is named'
is "$(containers "$a" | wc -l)" 2 'a name in use: nothing changed'
rm one.yaml two.yaml
ok 'down when the cluster file is gone' dockmpi down --name "$a"
is "$(containers "$a")" '' 'nothing is left'
ok 'up' dockmpi up --name "$a" --workers 1 --image cpu
rm -rf "${XDG_CONFIG_HOME:?}"/* "${XDG_CACHE_HOME:?}"/*
ok 'down --dry-run' dockmpi down --name "$a" --dry-run
is "$(containers "$a" | wc -l)" 2 'down --dry-run removes nothing'
ok 'down when the local state is gone' dockmpi down --name "$a"
is "$(containers "$a")" '' 'nothing is left'
ok 'a second down' dockmpi down --name "$a"
is "$out" "checked local: no container, volume, network or key of cluster $a is left" 'a second down only checks'
like "$err" "^dockmpi: there is no cluster $a(; .*)?\$" 'and says that there is none'

# Endpoints in place of a cluster file, one of them of a host that is off.
here=${DOCKER_HOST:-unix:///var/run/docker.sock}
ok 'up' dockmpi up --name "$a" --workers 1 --image cpu
exits 2 'down --node and -f' dockmpi down --node "$here" -f some.yaml
exits 2 'down --node takes endpoints' dockmpi down --name "$a" --node ftp://host
exits 125 'down with a node that does not answer' dockmpi down --name "$a" --node "$here" --node unix:///nonexistent/engine.sock --json
like "$err" "dockmpi down --name $a --node unix:///nonexistent/engine.sock$" 'says how to finish later'
like "$err" 'node unix:///nonexistent/engine.sock: no Docker engine' 'and why'
json 'tells which node is clean' 'clean = {c["node"]: c["clean"] for c in r["checked"]}
assert clean == {sys.argv[1]: True, "unix:///nonexistent/engine.sock": False}, r
assert len(r["removed"]) == 2 and r["left"] == 0, r
assert [c["processes_seen"] for c in r["checked"]] == [sys.argv[1].startswith("unix:"), False], r' "$here"
is "$(containers "$a")" '' 'the other node is clean'
