#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The built-in jobs: PyTorch DDP over gloo and over MPI, snapshots, and the MPI smoke test.
# timeout: 600
# debug: no (what runs in the client is what t0020 runs; torch takes its time)
# valgrind: no (likewise)
. "$(dirname "$0")/lib.sh"
need_image cpu
c=$(cluster ddp)
run() { dockmpi run --name "$c" "$@"; }
# The loss falls from the first epoch to the last.
falls() {
    python3 - "$1" <<'PY'
import re, sys
loss = [float(x) for x in re.findall(r"loss[ =:]+([0-9.eE+-]+)", open(sys.argv[1]).read())]
assert len(loss) >= 3, loss
assert loss[-1] < loss[0], loss
PY
}
ok 'up' dockmpi up --name "$c" --workers 2 --image cpu

ok 'allreduce_mpi4py' run allreduce_mpi4py
ok 'gloo, 3 epochs' run multinode_ddp_mpi -- 3 1
cp out gloo
like "$out" 'gloo' 'the backend is gloo'
ok 'the loss falls' falls gloo
ok 'resume to 4 epochs' run multinode_ddp_mpi -- 4 1
like "$out$err" '[Rr]esum' 'a snapshot is resumed'
ok '--fresh, backend mpi' run --backend mpi multinode_ddp_mpi -- 3 10 --fresh
cp out mpi
like "$out" 'mpi' 'the backend is mpi'
unlike "$out" '[Rr]esuming' '--fresh ignores the snapshot'
ok 'the loss falls' falls mpi
ok '--tune ucc, backend mpi' run --tune ucc --mca coll_ucc_verbose 5 --backend mpi multinode_ddp_mpi -- 3 10 --fresh
like "$out$err" 'worker-0.* initialized ucc context' 'UCC is there'
is "$(grep -ho 'worker-[01].* creating ucc_team for comm .* comm_size 2' out err | cut -c 1-8 | sort -u | xargs)" \
    'worker-0 worker-1' 'a team of UCC has both ranks'
like "$out$err" 'running ucc allreduce' 'UCC sums the gradients'
is "$(grep -h '^epoch' out)" "$(grep -h '^epoch' mpi)" 'the losses are those of plain MPI'
ok 'down' dockmpi down --name "$c"
