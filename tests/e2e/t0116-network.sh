#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Two hosts that a firewall separates but for one range of ports, the launcher beside a worker and two workers on one
# host; then versions that differ. With PyTorch and MPI, because all of this is about what they do.
# timeout: 900
# debug: no (every path runs there in the tests on one engine)
# valgrind: no (every path runs there in the tests on one engine)
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/lab.sh
. "$E2E_ROOT/tests/e2e/lab.sh"

need_image launcher
need_image cpu
lab_up 2
C=$(cluster network)
for host in h0 h1; do
    docker save dockmpi/cpu dockmpi/launcher | lab exec $host docker load >/dev/null || exit 1
done
{
    printf 'name: %s\ndefaults: { subnet: %s.0/24, tls: %s, image: cpu }\nnodes:\n' "$C" "$LAB_SUBNET" "$LAB_DIR/tls"
    printf '  - { name: h0, docker: "tcp://%s:2376" }\n' "$(address h0)"
    printf '  - { name: h1, docker: "tcp://%s:2376", workers: 2 }\n' "$(address h1)"
} >cpu.yaml
ok 'up' dockmpi up -f cpu.yaml

# ---- a firewall that opens one range ------------------------------------------------------------------
for host in h0 h1; do
    lab exec $host iptables -A INPUT -p tcp --syn ! -i lo ! -s "$LAB_SUBNET.1" ! --dport 30000:30099 -j DROP ||
        fail "a firewall on $host"
done
t dockmpi run -f cpu.yaml -- true
is "$((rc != 0))" 1 'behind the firewall no job starts'
like "$err" 'worker-[0-2] on node h[01] was lost: .*`dockmpi doctor --name '"$C"'` tells' 'and is told who tells more'
ok 'up --ports' dockmpi up -f cpu.yaml --ports 30000-30099
like "$out" 'worker-2: replaced: its options changed: --ports: not given before' 'has every worker listen within the range'
ok 'an MPI job' dockmpi run -f cpu.yaml allreduce_mpi4py
ok 'another at once, over UCX' dockmpi run -f cpu.yaml --tune ucx allreduce_mpi4py
if docker run --rm --entrypoint test dockmpi/cpu -r /usr/lib/dockmpi/ports.so; then
    cat >meet.py <<'EOF'
import os
import torch, torch.distributed as dist
dist.init_process_group("gloo", rank=int(os.environ["OMPI_COMM_WORLD_RANK"]), world_size=3)
sum = torch.ones(1)
dist.all_reduce(sum)
print("sum", int(sum))
EOF
    ok 'PyTorch over gloo, which knows no range' dockmpi run -f cpu.yaml ./meet.py
    is "$out" "$(printf 'sum 3\nsum 3\nsum 3')" 'adds up'
fi
exits 125 'a job with too many ranks for the range' dockmpi run -f cpu.yaml --slots 40 -- true
like "$err" 'ports 30000-30099: 100 are too few for node h0 with 1 worker and 40 ranks: at least 107 are needed' 'is told what it needs'
for host in h0 h1; do lab exec $host iptables -F INPUT; done
ok 'down' dockmpi down -f cpu.yaml

# ---- versions that differ -----------------------------------------------------------------------------
lab exec h1 sh -c 'docker tag dockmpi/cpu:latest good && DOCKER_BUILDKIT=0 docker build -q -t dockmpi/cpu:latest -' >/dev/null <<'EOF'
FROM good
RUN d=$(python3 -c 'import importlib.util, os; print(os.path.dirname(importlib.util.find_spec("torch").origin))') \
    && echo '__version__ = "2.5.1"' >>"$d/version.py"
RUN printf '#!/bin/sh\necho "# Library version: 1.13.1"\n' >/usr/local/bin/ucx_info \
    && printf '#!/bin/sh\necho "mpirun (Open MPI) 4.1.4"\n' >/usr/local/bin/mpirun \
    && chmod 755 /usr/local/bin/ucx_info /usr/local/bin/mpirun
EOF
exits 1 'doctor, where a host has another image of the same name' dockmpi doctor -f cpu.yaml
like "$out" '^warn +image +h1 +dockmpi/cpu:latest is not the same image as on h0' 'says so'
like "$out" '^fail +mpi +h1 +mpirun \(Open MPI\) 4\.1\.4 here, mpirun \(Open MPI\) 5\..* on h0' 'tells the version of Open MPI'
like "$out" '^warn +ucx +h1 +UCX 1\.13\.1 here, 1\.[0-9.]+ on h0' 'of UCX'
like "$out" '^warn +torch +h1 +PyTorch 2\.5\.1 here, 2\.6\..* on h0' 'and of PyTorch'
is "$(on_hosts h0 h1)" '' 'nothing is left'
