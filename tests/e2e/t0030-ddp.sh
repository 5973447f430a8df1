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

cat >own.py <<'PY'
import torch, torch.distributed as dist
dist.init_process_group("gloo")
x = torch.tensor([dist.get_rank() + 1.0])
dist.all_reduce(x)
print(f"rank {dist.get_rank()} of {dist.get_world_size()}: {x.item()}")
dist.destroy_process_group()
PY
ok 'an ordinary script of PyTorch' run ./own.py
is "$(sort <<<"$out")" $'rank 0 of 2: 3.0\nrank 1 of 2: 3.0' 'finds its rank and the others'
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

# A rank is killed: the job goes on by itself from the snapshot, although nobody is attached.
ok 'run -d --restart-on-failure' run -d --job-name again --restart-on-failure 2 multinode_ddp_mpi -- 150 1 --fresh
saved() { dockmpi logs --name "$c" again 2>/dev/null | grep -q 'epoch 3/150 . snapshot saved'; }
ok 'it saves' wait_until $E2E_LIMIT saved
ok 'a rank is killed' docker exec "dockmpi-$c-worker-1" sh -c 'kill -9 $(ps -e -o pid=,args= | awk "/multinode_ddp_mpi.p[y]/ { print \$1; exit }")'
exits 0 'the job succeeds' dockmpi wait --name "$c" again
ok 'its log' dockmpi logs --name "$c" again
like "$err" 'attempt 1 of 3 ended with exit code [0-9]+: the next one begins in 1 s' 'tells of both attempts'
like "$out" 'resumed from snapshot.pt after epoch [0-9]+' 'the second resumed'
like "$out" 'done: 2 ranks hold the same weights' 'and came to the end'
is "$(grep -c '^epoch 1/150 .*loss' out)" 1 'no epoch was lost'
ok 'down' dockmpi down --name "$c"
