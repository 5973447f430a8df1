#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Three hosts, three generations of the engine, over TLS: images, up, run, down, networks, hosts that are off, hang
# or still boot. t0114 goes the whole way over ssh.
# timeout: 600
# debug: no (every path runs there in the tests on one engine)
# valgrind: no (every path runs there in the tests on one engine)
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/lab.sh
. "$E2E_ROOT/tests/e2e/lab.sh"

small_images
lab_up 3
C=$(cluster fleet)

{
    printf 'name: %s\ndefaults: { tls: %s, image: small }\nnodes:\n' "$C" "$LAB_DIR/tls"
    for host in h0 h1 h2; do
        echo "  - { name: $host, docker: \"tcp://$(address $host):2376\", addr: $(address $host) }"
    done
} >three.yaml

# ---- images come by themselves ------------------------------------------------------------------
ok 'up brings three hosts up' dockmpi up -f three.yaml
for host in h0 h1 h2; do
    like "$err" "^$host: got dockmpi/launcher:latest: " "$host was sent the image it lacked"
done
like "$out" '3 of 3 workers ready' 'and says so'
ok 'ps' dockmpi ps -f three.yaml
is "$(grep -c ' running ' <<<"$out")" 4 'ps shows a launcher and three workers that run'
for i in 0 1 2; do
    like "$out" "worker-$i +h$i +$(address h$i) " "worker $i is on host h$i"
done
before=$(received h1)
ok 'up again' dockmpi up -f three.yaml
like "$out" 'nothing changed' 'changes nothing'
ok 'image push again' dockmpi image push small -f three.yaml
like "$out" 'every node has it already' 'sends nothing'
is "$(($(received h1) - before < 200000))" 1 'and hardly a byte goes to a host'

# ---- the network is the one of the data addresses --------------------------------------------------
is "$(for host in h0 h1 h2; do lab exec $host ip -4 -o addr show docker0 | awk '{ print $4 }'; done | sort -u | wc -l)" \
    1 'docker0 has the same address everywhere'
ok 'exec' dockmpi exec -f three.yaml --workers -- cat /etc/dockmpi/env
like "$out" '^worker-0: .*GLOO_SOCKET_IFNAME=eth0$' 'host h0 uses eth0'
like "$out" '^worker-1: .*GLOO_SOCKET_IFNAME=ens5$' 'host h1 uses ens5'
like "$out" '^worker-2: .*GLOO_SOCKET_IFNAME=eth0$' 'host h2 uses eth0'
ok 'up --dry-run' dockmpi up --dry-run -f three.yaml
like "$out" "\"network\": \"the interface that carries $(address h1); up reads its name and exact network on the node\"" \
    'tells what will be calculated'
ok 'run --dry-run' dockmpi run --dry-run -f three.yaml -- hostname
like "$out" "^# worker-1 on node h1: ens5, network $LAB_SUBNET\.0/24, MTU 1500\$" 'tells what was'
is "$(dockmpi run --dry-run --json -f three.yaml -- true | grep -c '"interface": "e')" 3 'for each worker'
ok 'run' dockmpi run -v -f three.yaml -- hostname
is "$(sort <<<"$out")" "$(printf "dockmpi-$C-worker-%s\n" 0 1 2)" 'one rank ran on each host'
like "$err" "btl_tcp_if_include $LAB_SUBNET\.0/24" 'with the network of the data addresses'
ok 'exec on a worker' dockmpi exec -f three.yaml -w worker-2 -- hostname
is "$out" "dockmpi-$C-worker-2" 'reaches that one'

# ---- a host vanishes in the middle of a transfer -----------------------------------------------------
head -c 100000000 /dev/urandom >big
lab lose h1 10 # so that it takes long, but connections come about
before=$(received h1)
dockmpi cp -f three.yaml ./big worker-1:/work/big >out 2>err </dev/null &
copying=$!
arrives() { [ $(($(received h1) - before)) -gt 300000 ]; }
ok 'a copy begins' wait_until $E2E_LIMIT arrives
lab cut h1
start=$SECONDS
wait $copying
rc=$?
e2e_read
is "$rc" 125 'it fails when the host vanishes'
is "$((SECONDS - start < 150))" 1 'in time'
like "$err" 'node h1|worker-1' 'and names the host'
lab join h1
lab fast h1

# ---- a host is off --------------------------------------------------------------------------------
lab stop h2
exits 125 'a job cannot start' dockmpi run -f three.yaml -- hostname
like "$err" 'worker-2 cannot be reached .*--min-workers 2.*: node h2: ' 'and says why, and what to do'
start=$SECONDS
exits 125 'up with a host off fails' dockmpi up -f three.yaml
is "$((SECONDS - start < 60))" 1 'in time'
like "$err" 'node h2: no Docker engine answers at tcp://.*--min-workers' 'says which, and what to do'
lab exec h1 pkill -STOP -x dockerd
start=$SECONDS
ok 'up --min-workers 1, with an engine that hangs, too' dockmpi up -f three.yaml --min-workers 1
is "$((SECONDS - start < 90))" 1 'in time'
like "$out" '1 of 3 workers ready' 'goes on without both'
like "$err" 'warning: node h1: ' 'and warns of the one'
like "$err" 'warning: node h2: ' 'and the other'
ok 'a job runs' dockmpi run -f three.yaml -- hostname
is "$out" "dockmpi-$C-worker-0" 'on the third'
lab exec h1 pkill -CONT -x dockerd
exits 125 'down cannot clean that host' dockmpi down -f three.yaml
is "$(grep -c 'node h2: ' <<<"$err")" 1 'and names it, once'
is "$(on_hosts h0 h1)" '' 'the others are clean'
lab start h2
is "$(on_hosts h2 | wc -l)" 1 'its container is still there when it is back'
ok 'down again' dockmpi down -f three.yaml
like "$err" '3 remote hosts are still on' 'reminds that the machines still run'
is "$(on_hosts h0 h1 h2)" '' 'leaves nothing anywhere'

# ---- hosts that are still booting -----------------------------------------------------------------
lab engine-stop h1
(wait_until $E2E_LIMIT grep -q 'waiting for 1 of 3 hosts' "$E2E_TMP/err" && lab engine-start h1) &
ok 'up --wait' dockmpi up -v -f three.yaml --wait 2m
like "$err" 'waiting for 1 of 3 hosts: node h1: ' 'says for which host it waits'
like "$out" '3 of 3 workers ready' 'and goes on when it is there'
like "$err" "worker-1 on node h1: ranks use ens5, network $LAB_SUBNET\.0/24" 'up -v tells the network that was chosen'
wait
ok 'down' dockmpi down -f three.yaml

# ---- other places ---------------------------------------------------------------------------------
# A second network on every host, of the same subnet, that does not reach the others.
for host in h0 h1 h2; do
    lab exec $host sh -c "ip link add lan1 type bridge && ip addr add 192.168.50.$((10 + ${host#h}))/24 dev lan1 && ip link set lan1 up" ||
        fail "a second network on $host"
done
{
    printf 'name: %s\ndefaults: { subnet: %s.0/24, tls: %s, image: small }\nlauncher: { node: h0 }\nnodes:\n' \
        "$C" "$LAB_SUBNET" "$LAB_DIR/tls"
    printf '  - { name: h0, docker: "tcp://%s:2376", workers: 0 }\n' "$(address h0)"
    printf '  - { name: h1, docker: "tcp://%s:2376", workers: 3, slots: 2 }\n' "$(address h1)"
    printf '  - { name: h2, docker: "tcp://%s:2376" }\n' "$(address h2)"
} >places.yaml
ok 'launcher on its own host, several workers on one, addresses by subnet' dockmpi up -f places.yaml
ok 'run' dockmpi run -f places.yaml -- hostname
is "$(sort <<<"$out")" "$(printf "dockmpi-$C-worker-%s\n" 0 0 1 1 2 2 3)" 'as many ranks as slots'
sed "s/subnet: $LAB_SUBNET/subnet: 10.9.9/" places.yaml >elsewhere.yaml
ok 'down' dockmpi down -f places.yaml
exits 125 'a subnet that no host has' dockmpi up -f elsewhere.yaml
like "$err" 'no address of the node lies in the subnet 10\.9\.9\.0/24; it has .*192\.168\.50\.' \
    'the error lists what there is'
is "$(on_hosts h0 h1 h2)" '' 'nothing is left'

# Two networks on one interface, of which Open MPI sees the first only.
for host in h0 h1; do lab exec $host sh -c "ip addr add 172.16.5.$((10 + ${host#h}))/24 dev \$(ls /sys/class/net | grep -m1 -E '^e(th|ns)')"; done
grep -v 'name: h2' three.yaml | sed -E 's/addr: [0-9.]*\.(1[01]) /addr: 172.16.5.\1 /' >rivals.yaml
ok 'a data address that is the second of its interface' dockmpi up -f rivals.yaml
like "$err" "warning: node h1: ens5 carries 172\.16\.5\.11 and $(address h1); Open MPI knows only the first" 'is warned of'
ok 'down' dockmpi down -f rivals.yaml

# ---- over ssh, with the launcher at the newest engine and at the oldest -----------------------------
over_ssh() { # CLUSTER LAUNCHER
    printf 'name: %s\ndefaults: { user: ubuntu, identity: %s, known_hosts: %s, image: small }\nlauncher: { node: %s }\nnodes:\n' \
        "$1" "$LAB_DIR/id_lab" "$LAB_DIR/known_hosts" "$2"
    for host in h0 h2; do echo "  - { name: $host, docker: \"ssh://$(address $host)\", addr: $(address $host) }"; done
}
over_ssh "$C-ttl" h2 >ttl.yaml
ok 'up --ttl' dockmpi up -f ttl.yaml --ttl 12s # nobody comes back to it
# Whoever changes a cluster holds a lock at the launcher's engine; who comes meanwhile waits, or is told.
for home in h0 h2; do
    over_ssh "$C" "$home" >ssh.yaml
    dockmpi up -f ssh.yaml --wait 5m >first 2>&1 </dev/null &
    first=$!
    ok "two ups at once, the launcher on $home" dockmpi up -f ssh.yaml --wait 5m
    wait $first
    is $? 0 'both succeed' || cat first
    lab exec $home docker volume create --label "io.dockmpi.cluster=$C" --label io.dockmpi.role=lock --label io.dockmpi.lock=x \
        --label 'io.dockmpi.holder=dockmpi up of her@there, process 7' --label 'io.dockmpi.client=another-kernel pid:[1] 7 7' \
        --label "io.dockmpi.until=$(($(date +%s) + 600))" "dockmpi-$C-lock-1" >/dev/null
    exits 125 'down while another machine holds the lock' dockmpi down -f ssh.yaml --wait 1s
    like "$err" 'is being changed by dockmpi up of her@there' 'says who'
    lab exec $home docker volume rm "dockmpi-$C-lock-1" >/dev/null
    ok 'down' dockmpi down -f ssh.yaml
    is "$(lab exec $home docker volume ls -q --filter label=io.dockmpi.role=lock)" '' 'no lock is left'
done
none_left() { [ -z "$(on_hosts h0 h2)" ]; }
wait_until $E2E_LIMIT none_left
is "$(on_hosts h0 h2)" '' 'the cluster that nobody used has ended by itself, on both hosts'
