#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The whole way with four hosts of three engine generations, as somebody with rented machines goes it: an inventory
# is imported and used as it is, images are on one host only, jobs run, and then things go wrong.
# timeout: 900
# debug: no (every path runs there in the tests on one engine)
# valgrind: no (every path runs there in the tests on one engine)
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/lab.sh
. "$E2E_ROOT/tests/e2e/lab.sh"

# The hosts have what looks like a public address for control, and a network of their own for the ranks.
need_image launcher
need_image cpu
LAB_DATA=172.$((20 + RANDOM % 12)).$((RANDOM % 250))
LAB_PREFIX=198.18
export LAB_DATA LAB_PREFIX
lab_up 4
C=$(cluster seen)
hosts=(h0 h1 h2 h3)
data() { echo "$LAB_DATA.$((10 + ${1#h}))"; }
docker save dockmpi/cpu dockmpi/launcher | lab exec h0 docker load >/dev/null || exit 1
export DOCKER_HOST=unix:///nowhere/docker.sock # this machine has no images, then
nothing_left() { is "$(on_hosts "${hosts[@]}")" '' 'nothing is left on any host'; }

# What is in ~/.ssh otherwise: which host keys are known, and the way to host h3, when there is one.
cp "$LAB_DIR/ssh_config" ssh_config
printf '#!/bin/sh\nexec ssh -F %s/ssh_config "$@"\n' "$E2E_TMP" >ssh-program && chmod 755 ssh-program
export DOCKMPI_SSH=$E2E_TMP/ssh-program

# ---- a table from the console, as it was pasted --------------------------------------------------------
{
    printf '이름\t인스턴스 ID\t인스턴스 유형\t퍼블릭 IPv4 주소\t프라이빗 IP 주소\t시작 시간\r\n'
    for host in "${hosts[@]}"; do
        printf '\xe2\x80\x93\ti-0abc123456789def%s\tt3.medium\t%s\t%s\t2024/11/20 10:20 GMT+9\r\n' "${host#h}" \
            "$(address "$host")" "$(data "$host")"
    done
} >console.txt
ok 'import of a table' dockmpi import console.txt --name "$C" --user ubuntu --identity "$LAB_DIR/id_lab" -o table.yaml
is "$(grep -c "docker: \"ssh://$LAB_SUBNET\.1[0-3]\", addr: \"$LAB_DATA\.1[0-3]\", image: cpu" table.yaml)" 4 \
    'gives each host its public address for control and its private one for data'

ok 'up, with the images on one host only' dockmpi up -v -f table.yaml
is "$(grep -cE '^t3-[1-3]: got dockmpi/cpu:latest' err)" 3 'the others got it from there'
like "$out" '4 of 4 workers ready' 'and all four are ready'
like "$err" "worker-2 on node t3-2: ranks use eth1, network $LAB_DATA\.0/24" 'the ranks keep to their own network'

# The loss falls, all ranks end with the same weights, and each was on a host of its own.
trained() {
    like "$out" "done: 4 ranks hold the same weights" "$1: the ranks agree"
    is "$(grep -oE "^rank [0-3] of 4 on dockmpi-$C-worker-[0-3]: cpu, $1\$" <<<"$out" | sort -u | wc -l)" 4 \
        "$1: on four hosts"
}
ok 'multinode_ddp_mpi over gloo' dockmpi run -f table.yaml multinode_ddp_mpi -- 2 1
trained gloo
ok 'multinode_ddp_mpi over MPI' dockmpi run -f table.yaml --backend mpi multinode_ddp_mpi -- 2 1 --fresh
trained mpi
lab lan
ok 'an MPI job, with a second network that leads nowhere' dockmpi run -f table.yaml allreduce_mpi4py
like "$out" '4 ranks on 4 hosts' 'on four hosts'

ok 'exec --all' dockmpi exec -f table.yaml --all -- hostname
is "$(sort <<<"$out")" "launcher: dockmpi-$C-launcher
$(printf "worker-%s: dockmpi-$C-worker-%s\n" 0 0 1 1 2 2 3 3)" 'reaches the launcher and every worker'
mkdir tree && head -c 20000000 /dev/urandom >tree/weights && printf 'import os\nprint(os.path.getsize(__file__[:-11] + "weights"))\n' >tree/__main__.py
ok 'cp to all' dockmpi cp -f table.yaml ./tree :/work/copied
ok 'cp from all' dockmpi cp -f table.yaml :/work/copied back/
for i in 0 1 2 3; do ok "the same from worker-$i" cmp tree/weights "back/worker-$i/copied/weights"; done
ok 'code is sent along' dockmpi run -f table.yaml ./tree
is "$(grep -c '^20000000$' <<<"$out")" 4 'to everywhere'
before=$(received h2)
ok 'run again' dockmpi run -f table.yaml ./tree
got=$(($(received h2) - before))
is "$((got < 1000000))" 1 "of an unchanged tree of 20 MB costs a listing: $got bytes came in"

# ---- the port of a worker is taken -------------------------------------------------------------------
t dockmpi up -v -f table.yaml
port=$(sed -nE 's/.*worker-1 on node .*sshd on .* port ([0-9]+).*/\1/p' err)
lab exec h1 docker rm -f "dockmpi-$C-worker-1" >/dev/null
lab exec h1 sh -c "perl -MIO::Socket::INET -e 'my \$s = IO::Socket::INET->new(LocalPort => $port, Listen => 5, ReuseAddr => 1) or die; sleep' >/dev/null 2>&1 & echo \$!" >taker
ok 'another program takes it' wait_until $E2E_LIMIT lab exec h1 sh -c "grep -qi ':$(printf %04x "$port") .* 0A ' /proc/net/tcp"
ok 'up, where another program has the port of a worker' dockmpi up -v -f table.yaml
other=$(sed -nE 's/.*worker-1 on node .*sshd on .* port ([0-9]+).*/\1/p' err)
is "$((other > 0 && other != port))" 1 "takes another one: $other for $port"
ok 'a job runs' dockmpi run -f table.yaml -- hostname
is "$(wc -l <<<"$out")" 4 'everywhere'
lab exec h1 kill "$(tr -d '\r' <taker)"

# ---- a host is powered off ---------------------------------------------------------------------------
lab stop h3
start=$SECONDS
exits 125 'up with a host off fails' dockmpi up -f table.yaml
is "$((SECONDS - start < 60))" 1 'in time'
like "$err" "node t3-3: .*$(address h3).*--min-workers" 'says which, and what to do'
one_line "$err" 'in one line'
ok 'up --min-workers 3 goes on without it' dockmpi up -f table.yaml --min-workers 3
like "$out" '3 of 4 workers ready' 'and says so'
ok 'a job runs' dockmpi run -f table.yaml -- hostname
is "$(wc -l <<<"$out")" 3 'on the three others'
lab start h3
ok 'down, when it is back' dockmpi down -f table.yaml
like "$err" '4 remote hosts are still on' 'reminds that the machines still run'
nothing_left

# ---- over TLS ------------------------------------------------------------------------------------------
sed -e "s|^defaults: .*|defaults: { tls: $LAB_DIR/tls }|" -e 's|"ssh://\([^"]*\)"|"tcp://\1:2376"|' table.yaml >tls.yaml
ok 'up over TLS' dockmpi up -f tls.yaml
like "$out" '4 of 4 workers ready' 'all four are ready'
unlike "$err" ' got ' 'the images are there by now'
ok 'multinode_ddp_mpi over MPI' dockmpi run -f tls.yaml --backend mpi --np 2 multinode_ddp_mpi -- 1 1
like "$out" 'done: 2 ranks hold the same weights' 'trains'
ok 'exec --all' dockmpi exec -f tls.yaml --all -- hostname
is "$(wc -l <<<"$out")" 5 'reaches all'
ok 'cp to all' dockmpi cp -f tls.yaml tree/weights :/work/weights
ok 'cp from one' dockmpi cp -f tls.yaml worker-3:/work/weights back/tls
ok 'the same' cmp tree/weights back/tls
ok 'down' dockmpi down -f tls.yaml
nothing_left

# ---- an output of terraform, a host behind another ------------------------------------------------------
python3 - "$LAB_SUBNET" "$LAB_DATA" >output.json <<'END'
import json, sys
public, private = sys.argv[1:]
kinds = ["t3.micro", "t3.medium", "t3.medium", "t3.medium"]
names = ["launcher", "t3-medium-0", "t3-medium-1", "t3-medium-2"]
hosts = [{"instance_id": f"i-0a1b2c3d4e5f6000{i}", "instance_type": kinds[i], "name": names[i], "ssh_user": "ubuntu",
          "public_ip": f"{public}.{10 + i}", "private_ip": f"{private}.{10 + i}"} for i in range(4)]
print(json.dumps({"hosts": {"sensitive": False, "value": hosts},
                  "security_group": {"sensitive": False, "type": "string", "value": "sg-0a1b2c3d4e5f6789a"}}))
END
dockmpi import - --name "$C" --identity "$LAB_DIR/id_lab" <output.json >terraform.yaml 2>err
lab behind h3 h0
printf 'Host %s\n  ProxyJump h0\n' "$(address h3)" | cat - "$LAB_DIR/ssh_config" >ssh_config
ok 'up of a terraform output, with a host that only another one reaches' dockmpi up -f terraform.yaml
like "$out" '3 of 3 workers ready' 'all are ready'
ok 'run' dockmpi run -f terraform.yaml -- hostname
is "$(sort <<<"$out")" "$(printf "dockmpi-$C-worker-%s\n" 0 1 2)" 'the launcher has a host of its own'
ok 'down' dockmpi down -f terraform.yaml
nothing_left
cp "$LAB_DIR/ssh_config" ssh_config
exits 125 'without the way through the other host' dockmpi ps -f terraform.yaml
like "$err" "$(address h3)" 'the host is named'
lab behind h3

# ---- another host key ------------------------------------------------------------------------------------
lab rekey h1
exits 125 'a changed host key' dockmpi up -f table.yaml
like "$err" "node t3-1: .*HOST KEY OF .*$(address h1).* HAS CHANGED.*ssh-keygen -R" 'is refused loudly'
nothing_left

# ---- only the layer that is new -------------------------------------------------------------------------
cp -r "$E2E_ROOT/images" images && mkdir images/top && export DOCKMPI_IMAGES=$E2E_TMP/images
printf 'summary: one layer more\nimage: dockmpi-lab/top:latest\n' >images/top/image.yaml
new_layer() {
    lab exec h0 sh -c 'mkdir -p /top && head -c 30000000 /dev/urandom >/top/blob && printf "FROM dockmpi/launcher\nCOPY blob /blob\n" >/top/Dockerfile && docker build -q -t dockmpi-lab/top /top' >/dev/null 2>&1
}
new_layer
sed 's/image: cpu/image: top/' tls.yaml >top.yaml
before=$(received h1)
ok 'image push' dockmpi image push top -f top.yaml
sent=$(($(received h1) - before))
is "$(grep -cE 'got dockmpi-lab/top:latest: .*, [1-9] of [2-9] layers were there already' err)" 3 'sends to three hosts'
is "$((sent > 30000000 && sent < 40000000))" 1 "what is new: $sent bytes on the wire for a layer of 30000000"

# ---- doctor ----------------------------------------------------------------------------------------------
lab fill h2 50
lab skew h1 300
lab block h0 h3 30000:65535
exits 1 'doctor, with a full disk, another clock and a blocked pair' dockmpi doctor -f tls.yaml
like "$out" '^fail +disk +t3-2 +[0-9]+MiB left' 'tells the disk'
like "$out" '-> free space there: docker system df' 'and what to do'
like "$out" '^warn +clock +t3-1 +its clock is (29[0-9]|30[0-9])\.[0-9] s ahead of ours' 'tells the clock'
like "$out" '^fail +network +t3-0 +worker-0 cannot reach worker-3: ' 'tells the pair'
is "$(grep -c '^fail' <<<"$out")" 2 'and nothing else'
exits 1 'doctor, with an image for NVIDIA GPUs' dockmpi doctor -f tls.yaml --image g4dn
like "$out" '^fail +gpu +t3-1 +.*no runtime' 'tells that there is none'
lab fill h2 0
new_layer
exits 125 'image push to a full disk' dockmpi image push top -f top.yaml
like "$err" 'node t3-2: .*no space left on device.*free' 'says what is wrong and what to do'
nothing_left
