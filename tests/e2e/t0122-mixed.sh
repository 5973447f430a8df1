#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# One MPI world over images that differ in interpreter, environment and what their Open MPI has; and what cannot be
# one world.
# valgrind: no (Python with MPI on a slow machine)
# debug: no (every path runs there in the unit tests and in the jobs of one image)
# timeout: 300
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

need_image launcher
need_image cpu
c=$(cluster mixed)
label=io.dockmpi.test=${E2E_PREFIX}mixed
repo=e2e/${E2E_PREFIX}mixed
end() {
    local status=$?
    dockmpi down --name "$c" >/dev/null 2>&1
    remove_images "$label"
    (exit $status)
    e2e_end
}
trap end EXIT
cp -r "$E2E_ROOT/images" images
export DOCKMPI_IMAGES=$PWD/images
# profile NAME [LINE OF image.yaml]... <Dockerfile
profile() {
    local name=$1
    shift
    mkdir -p "images/$name"
    { echo "image: $repo:$name"; printf '%s\n' "$@"; } >"images/$name/image.yaml"
    cat >"images/$name/Dockerfile"
}
profile conda 'interpreter: /opt/conda/envs/py_3.12/bin/python' \
    'env: { OF_PROFILE: "one two", USE_LIBUV: "0" }' 'tune: ucx' <<E
FROM dockmpi/cpu:latest
LABEL $label
ENV OF_IMAGE="three four"
RUN mkdir -p /opt/conda/envs/py_3.12/bin && ln -s /usr/bin/python3 /opt/conda/envs/py_3.12/bin/python
E
profile plain 'interpreter: /opt/plain/python' 'mpirun_args: [-x, OF_ARGS=five]' <<E
FROM dockmpi/cpu:latest
LABEL $label
RUN mkdir /opt/plain && ln -s /usr/bin/python3 /opt/plain/python && \\
    rm /usr/lib/*/openmpi/lib/openmpi*/mca_coll_ucc.so && echo 'coll_tuned_priority = 31' >>/etc/openmpi/openmpi-mca-params.conf
E
# Nothing of the programs is used: the generation is known by the daemon's name.
profile older <<E
FROM dockmpi/launcher:latest
LABEL $label
RUN mv "\$(command -v prted)" /usr/bin/orted
E
cat >who.py <<'E'
import os
import sys

from mpi4py import MPI

comm = MPI.COMM_WORLD
names = ("OF_PROFILE", "OF_IMAGE", "OF_ARGS", "OMPI_MCA_pml")
line = [comm.rank, comm.allreduce(comm.rank + 1), sys.executable] + [os.environ.get(n, "-") for n in names]
lines = comm.gather(" | ".join(str(word) for word in line))
if comm.rank == 0:
    print("\n".join(lines))
E
ok 'the images are built' dockmpi image build conda plain older

echo '# three images, ranks in the order of the cluster'
ok 'up' dockmpi up --name "$c" --image conda:1,cpu:1,plain:1
ok 'a job on all' dockmpi run --name "$c" ./who.py
is "$out" "0 | 6 | /opt/conda/envs/py_3.12/bin/python | one two | three four | - | ucx
1 | 6 | /usr/bin/python3 | - | - | - | ucx
2 | 6 | /opt/plain/python | - | - | five | ucx" \
    'each has its interpreter and variables, none those of another; the sum is that of all; one point-to-point layer'
ok 'allreduce, send and receive, checked exactly, over UCX' dockmpi run --name "$c" allreduce_mpi4py -- 4096
like "$out" '^PASS' 'all is right'
ok 'and over TCP' dockmpi run --name "$c" --tune tcp allreduce_mpi4py -- 4096
like "$out" '^PASS' 'all is right'
exits 125 'collectives by UCC, which one image does not have' dockmpi run --name "$c" --tune ucc ./who.py
like "$err" '^dockmpi: image plain: its Open MPI has no MCA parameter coll_ucc_enable, which --tune ucc needs' 'it says which'
one_line "$err" 'in one line'
ok 'without that image' dockmpi run --name "$c" --tune ucc --np 2 --mca coll_ucc_verbose 3 ./who.py
like "$out$err" 'creat.*ucc_team|ucc team' 'UCC teams are created'

# What the worker keeps of its image's ompi_info: tests/e2e/by-hand/two-builds.sh has the real thing.
docker exec "dockmpi-$c-worker-2" sed -i 's/^release=.*/release=5.0.11/' /etc/dockmpi/mca
exits 125 'an Open MPI whose collectives do not understand the others' dockmpi run --name "$c" ./who.py
like "$err" '^dockmpi: image conda has Open MPI 5[0-9.]+ and image plain Open MPI 5.0.11, whose collectives do not' 'it says which'
one_line "$err" 'in one line'
docker exec "dockmpi-$c-worker-2" rm /etc/dockmpi/mca

echo '# parameters that Open MPI would ignore'
exits 2 'a parameter that is not there' dockmpi run --name "$c" --mca btl_tcp_if_inclde eth0 ./who.py
like "$err" "^dockmpi: --mca btl_tcp_if_inclde: .* has no such parameter: did you mean 'btl_tcp_if_include'" 'it says what is'
ok 'those of the launch daemons are not Open MPI own' dockmpi run --name "$c" --np 2 --mca plm_ssh_num_concurrent 7 -- sleep 0.3
ok 'a second name of one' dockmpi run --name "$c" --np 2 --mca ompi_display_comm 0 -- sleep 0.3
exits 2 'one that the daemons do not have' dockmpi run --name "$c" --np 2 --mca plm_ssh_num_concurent 7 -- true
like "$err" "did you mean 'plm_ssh_num_concurrent'" 'it says what is'
ok 'down' dockmpi down --name "$c"

echo '# what cannot be one world'
exits 125 'Open MPI 4 and 5' dockmpi up --name "$c" --image cpu:1,older:1
like "$err" 'worker-1 has Open MPI 4 \(image older\) and the launcher Open MPI 5 \(image launcher\): one world' 'it says why'
one_line "$(grep '^dockmpi: ' <<<"$err")" 'in one line'
is "$(containers "$c")" '' 'nothing is left of it'
