#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# doctor on three hosts: every failure is provoked for real. Clocks and full disks, which a laboratory
# host shares with its machine, are in the unit test.
# timeout: 600
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
like "$out" '-> dockmpi image push small' 'and what to do'
is "$(grep -c '^fail' <<<"$out")" 3 'each host is told once'
ok 'so they are sent' dockmpi image push small -f lab.yaml

doctor 0 'everything is in order'
like "$out" '^everything is in order$' 'and it says so'
like "$out" '^ok +engine +h1 +Docker 20\.10.* API 1\.41' 'it tells the engines'
like "$out" "^ok +interface +h1 +data over ens5, $LAB_SUBNET\.0/24, MTU 1500" 'the interfaces'
like "$out" '^ok +network +all +all workers reach each other on any port: latency .* ms, .* MiB/s' 'the network'
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

lab exec h0 ip link set eth0 mtu 9000
lab exec h2 ip link set eth0 mtu 9000
doctor 1 'large packets that the network swallows'
like "$out" '^warn +mtu +h1 +MTU 1500 here, 9000 on h0' 'another MTU is told'
like "$out" '^fail +network +h0 +worker-0 cannot reach worker-2: ' 'and where they are lost'
lab exec h0 ip link set eth0 mtu 1500
lab exec h2 ip link set eth0 mtu 1500

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
like "$out" '^fail +worker +h2 +.*/dev/kfd.*the node has no AMD GPU driver' 'is told'

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
