#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# doctor on three hosts: every failure is provoked for real. (Versions that differ: t0110, which has the
# images for it. RDMA without pinned memory: the unit test.)
# timeout: 900
# debug: no (every path runs there in the tests on one engine)
# valgrind: no (every path runs there in the tests on one engine)
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/lab.sh
. "$E2E_ROOT/tests/e2e/lab.sh"

small_images
lab_up 3
sed 's/image: cpu/image: small/' "$LAB_DIR/cluster-tls.yaml" >lab.yaml

# doctor CODE TITLE [OPTION...]: a point for its exit status, and one that it cleaned up.
doctor() {
    local code=$1 title=$2
    shift 2
    exits "$code" "$title" dockmpi doctor -f lab.yaml "$@"
}

doctor 1 'images are missing'
like "$out" '^fail +image +h0 +dockmpi/launcher:latest is not there' 'on each host'
like "$out" '-> .dockmpi image -f lab.yaml push small.' 'and what to do'
is "$(grep -c '^fail' <<<"$out")" 3 'each host is told once'
ok 'so they are sent' dockmpi image push small -f lab.yaml

doctor 0 'everything is in order'
like "$out" '^(everything is in order|0 failed, .*)$' 'and it says so' # a busy machine has slow links
unlike "$(grep -vE '^warn +network ' <<<"$out")" '^(fail|warn)' 'with nothing to complain of but, perhaps, a slow link'
like "$out" '^ok +engine +h1 +Docker 20\.10.* API 1\.41' 'it tells the engines'
like "$out" "^ok +interface +h1 +data over ens5, $LAB_SUBNET\.0/24, MTU 1500" 'the interfaces'
like "$out" '^ok +network +all +all workers reach each other on any port: latency .* ms, .* MiB/s' 'the network'
like "$out" '^ok +fabric +h1 +UCX goes over .*tcp/ens5.*, from memory of host.*; no GPU$' 'what UCX and GPUs there are'
like "$out" '^ok +mpi +all +mpirun \(Open MPI\) 5\.' 'and the version of Open MPI'
is "$(on_hosts h0 h1 h2)" '' 'nothing of it is left'
doctor 0 'the same as JSON' --json
is "$(python3 -c 'import json; r = json.load(open("out")); print(r["failed"], sum(f["check"] == "engine" for f in r["findings"]))')" \
    '0 3' 'which is complete'

lab exec h1 sh -c 'docker tag dockmpi/launcher:latest good; printf "FROM good\nENV X=1\n" | docker build -q -t dockmpi/launcher:latest -' >/dev/null
doctor 0 'another image of the same name is no failure'
like "$out" '^warn +image +h1 +dockmpi/launcher:latest is not the same image as on h0' 'but it is told'
unlike "$out" '^warn +image +h[02]' 'of that host alone'
lab exec h1 docker tag good dockmpi/launcher:latest

lab exec h1 ip route add blackhole "$(address h2)/32"
doctor 1 'two hosts that do not reach each other'
like "$out" '^fail +network +h1 +worker-1 cannot reach worker-2: ' 'are told'
like "$out" '^fail +network +h2 +worker-2 cannot reach worker-1: ' 'in both directions'
is "$(grep -c '^fail' <<<"$out")" 2 'and only those two'
like "$out" '-> open all TCP ports between the nodes \(a security group' 'and what to do'
lab exec h1 ip route del blackhole "$(address h2)/32"

lab exec h1 iptables -A INPUT -p tcp -s "$(address h0)" --dport 30000:65535 -j DROP
doctor 1 'a firewall that lets only ssh through'
like "$out" '^fail +network +h0 +worker-0 cannot reach worker-1: port [3-6][0-9]+ does not answer' 'is seen'
lab exec h1 iptables -F INPUT

# A bridge lets bursts pass that the kernel would cut later, whatever their packets' size: none of these.
for host in h0 h2; do lab exec $host ip link set eth0 mtu 9000 gso_max_segs 1 || fail "large packets on $host"; done
doctor 1 'large packets that the network swallows'
like "$out" '^warn +mtu +h1 +MTU 1500 here, 9000 on h0' 'another MTU is told'
like "$out" '^fail +network +h[02] +worker-[02] cannot reach worker-[02]: ' 'and where they are lost'
lab exec h0 ip link set eth0 mtu 1500
lab exec h2 ip link set eth0 mtu 1500

sed "s/^name/ports: 30000-30099\nname/" lab.yaml >lab.saved && cp lab.yaml lab.plain && mv lab.saved lab.yaml
doctor 0 'a cluster that keeps to a range of ports'
like "$out" '^ok +network +all +all workers reach each other on ports 30000-30074: latency ' 'is dialled on these'
lab exec h1 iptables -A INPUT -p tcp --syn -s "$(address h0)" --dport 30000:30074 -j DROP
# shellcheck disable=SC2016 # variables of Perl
lab exec h2 perl -e 'use IO::Socket::INET;
    my @open = map { IO::Socket::INET->new(LocalPort => $_, Listen => 1) } 30000..30072;
    exit if fork;
    open $_, "+<", "/dev/null" for *STDIN, *STDOUT, *STDERR;
    sleep 600'
lab skew h2 300
lab fill h0 400
sed -i "s/^name/shm_size: 16m\nname/; s/\(name: h2.*\)workers: 1/\1workers: 1, slots: 4, options: { Memory: 200000000 }/" lab.yaml
doctor 1 'many troubles at once'
like "$out" '^fail +network +h0 +worker-0 cannot reach worker-1: port 30[0-9]+ does not answer' 'a blocked pair'
like "$out" '-> open TCP ports 30000-30099 between the nodes \(a security group' 'and what to open'
unlike "$out" '^fail +network +h[12]' 'the other direction is well'
like "$out" '^fail +ports +h2 +2 of the ports 30000-30074 are free, and the ranks want 8' 'ports that are taken'
like "$out" '^warn +clock +h2 +its clock is (29[0-9]|30[0-9])\.[0-9] s ahead of ours' 'a clock that is off'
like "$out" '^fail +disk +h0 +[34][0-9]+MiB left on the engine.s disk' 'a disk that is nearly full'
like "$out" '^fail +memory +h2 +191MiB of memory is all that the container may use' 'a limit on memory'
like "$out" '^warn +shm +h1 +/dev/shm has 16MiB only' 'a small /dev/shm'
is "$(grep -cE '^(warn|fail)' <<<"$out")" "$(grep -cE '^ +-> ' <<<"$out")" 'and for each what to do'
t dockmpi doctor -f lab.yaml --json
json 'the same as JSON, with every link' 'assert len(r["links"]) == 6
bad = [l for l in r["links"] if l["error"]]
assert [(l["from"], l["to"], l["latency_ms"]) for l in bad] == [("worker-0", "worker-1", None)], bad
assert all(l["latency_ms"] > 0 and l["mib_per_s"] > 0 for l in r["links"] if not l["error"] and l["to"] != "worker-2")
assert {f["check"] for f in r["findings"] if f["verdict"] == "fail"} == {"network", "ports", "disk", "memory"}
assert all(f["remedy"] for f in r["findings"] if f["verdict"] != "ok")'
lab exec h0 sh -c 'head -c 999000000 /dev/zero >/var/lib/docker/full' 2>/dev/null
doctor 1 'a disk that is full'
like "$out" '^fail +disk +h0 +.*no space left on device$' 'is told'
like "$out" "-> the node's disk is full: free some space there" 'with what to do'
is "$(grep -c '^fail.* h0 ' <<<"$out")" 1 'once for all containers'
exits 125 'nor can a cluster be brought up' dockmpi up -f lab.yaml
like "$err" "^dockmpi: node h0: .*no space left on device; the node's disk is full: free some space" 'for that reason'
lab exec h1 iptables -F INPUT
lab exec h2 pkill perl
lab skew h2 0
# An engine whose disk was full may not let go of it at once.
lab exec h0 rm /var/lib/docker/full
lab empty h0 || { lab exec h0 umount -l /var/lib/docker && lab engine-start h0; }

cp lab.plain lab.yaml
sed -i 's/\(name: h1.*\)workers: 1/\1workers: 1, options: { Ulimits: [{ Name: memlock, Soft: -1, Hard: -1 }] }/' lab.yaml
lab engine-stop h2
lab exec h2 setarch i686 lab-start engine
wait_until 60 lab exec h2 docker info >/dev/null 2>&1
doctor 1 'a limit that the engine may not raise, and a machine of another kind'
like "$out" '^warn +ulimits +h1 +the engine may not set the limit memlock' 'the limit is told'
like "$out" '^fail +arch +h2 +i686 here, x86_64 on h0' 'and the machine'
lab engine-stop h2
lab engine-start h2
cp lab.plain lab.yaml

lab slow h0 10 5
doctor 0 'a slow link'
like "$out" '^warn +network +h0 +worker-0 to worker-[12]: latency .* [0-9.]+ MiB/s' 'is told'
lab fast h0

sed -i "s/addr: $(address h1)/addr: 192.0.2.1/" lab.yaml
doctor 1 'a data address that is not there'
like "$out" "^fail +worker +h1 +.*its data address 192\.0\.2\.1 belongs to no interface of the node, which has .*ens5" \
    'is told, with what is there'
sed -i "s/addr: 192.0.2.1/addr: $(address h1)/" lab.yaml

mkdir -p images/nvidia images/amd
printf 'image: dockmpi/launcher:latest\ngpu: nvidia\n' >images/nvidia/image.yaml
printf 'image: dockmpi/launcher:latest\ndevices: [/dev/kfd]\n' >images/amd/image.yaml
doctor 1 'no NVIDIA runtime' --image nvidia
like "$out" '^fail +gpu +h2 +.*no runtime' 'is told'
like "$out" 'nvidia-container-toolkit' 'and what to do'
doctor 1 'no AMD GPU' --image amd
like "$out" '^fail +gpu +h2 +.*/dev/kfd' 'is told'
like "$out" '-> the node has no AMD GPU driver' 'and what to do'

lab engine-stop h1
lab stop h2
doctor 1 'an engine that is stopped and a host that is off'
like "$out" '^fail +engine +h1 +no Docker engine answers at tcp' 'are told: the engine'
like "$out" '^fail +engine +h2 +no Docker engine answers at tcp' 'and the host'
like "$out" '^ok +engine +h0 ' 'the third is well'
is "$(grep -c '^fail' <<<"$out")" 2 'each is told once'
lab engine-start h1
lab start h2
doctor 0 'all is well again'
is "$(on_hosts h0 h1 h2)" '' 'nothing of all this is left'
