#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The generation of Open MPI before ours: as Debian 12 has it, and in a folder of its own under PyTorch.
# timeout: 900
# debug: no (what runs in the client is what t0020 runs; torch takes its time)
# valgrind: no (likewise)
. "$(dirname "$0")/lib.sh"
ok 'its image is as its recipe says' dockmpi image build ompi4
need_image cpu
need_image ompi4_torch
c=$(cluster four)
run() { dockmpi run --name "$c" "$@"; }

ok 'up with Open MPI 4.1' dockmpi up --name "$c" --workers 2 --image ompi4
ok 'a program on every worker' run -- hostname
is "$(sort out | xargs)" "dockmpi-$c-worker-0 dockmpi-$c-worker-1" 'each ran where it was to'
ok 'its version' run -- ompi_info --version
is "$(grep -c '^Open MPI v4\.1\.' out)" 2 'it is 4.1 on both'
exits 7 'an exit code comes back' run -n 1 -- sh -c 'exit 7'
ok 'allreduce_mpi4py' run allreduce_mpi4py
like "$out" '^PASS .* 2 ranks on 2 hosts' 'all sums are right'
ok 'allreduce_mpi4py over UCX' run --tune ucx allreduce_mpi4py
like "$out" '^PASS ' 'all sums are right'
ok 'bench' dockmpi bench --name "$c" --sizes 64 --seconds 0.01 latency allreduce
like "$out" '^# Open MPI v4\.1.*, 2 ranks; ' 'measures with it'
is "$(grep -cE '^(latency|allreduce) +64 .* us +ok$' out)" 2 'and finds all data right'
# Ranks that need a moment when they are told to end, one longer than the other.
has_said() { [ "$(dockmpi logs --name "$c" saves 2>/dev/null | grep -cx up)" -eq 2 ]; }
# shellcheck disable=SC2016
ok 'run -d' run -d --job-name saves -- sh -c 'trap "sleep $((1 + 2 * OMPI_COMM_WORLD_RANK)); echo saved; exit 0" TERM; echo up; while :; do sleep 0.2; done'
wait_until $E2E_LIMIT has_said || fail 'both ranks run'
t python3 "$E2E_ROOT/tests/e2e/stranger.py" dial "" "dockmpi-$c-worker-0" "$(containers "$c" label=io.dockmpi.jobname=saves)"
is "$(cut -d' ' -f1,3 <<<"$out" | sort -u | xargs)" 'mpirun shut orted shut' 'a stranger gets no connection to mpirun and its daemons'
ok 'cancel' dockmpi cancel --name "$c" saves
exits 143 'ends it' dockmpi wait --name "$c" saves
is "$(dockmpi logs --name "$c" saves 2>/dev/null | grep -cx saved)" 2 'and both ranks had their time'
ok 'down' dockmpi down --name "$c"

ok 'up with PyTorch on Open MPI 4.1' dockmpi up --name "$c" --workers 2 --image ompi4_torch
for tune in tcp ucx; do
    ok "DDP, backend mpi, --tune $tune" run --tune $tune --backend mpi multinode_ddp_mpi -- 3 10 --fresh
    like "$out" '^rank 1 of 2 .*: cpu, mpi$' 'the backend is mpi'
    like "$out" '^done: 2 ranks hold the same weights' 'the ranks agree'
    unlike "$err" 'unable to open|WARN|Assertion' 'no library is of the other generation'
done
# shellcheck disable=SC2016
ok 'where Open MPI is' run -n 1 -- sh -c 'command -v ompi_info; ompi_info --version'
is "$(sed -n '1p;2s/\.[0-9]*$//p' out)" $'/opt/openmpi4/bin/ompi_info\nOpen MPI v4.1' 'ranks have that of /opt, of generation 4.1'
ok 'down' dockmpi down --name "$c"
