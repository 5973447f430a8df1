# SPDX-License-Identifier: MIT
"""Is MPI right on this cluster? Sums and tagged messages whose answers are known, checked exactly.

    dockmpi run allreduce_mpi4py [-- max_elements]

Allreduce over growing sizes (integers, and doubles that add without rounding), then a ring in which
every rank sends two tagged messages and its neighbour receives them in the other order. Rank 0 ends
with a line that starts with PASS and names the host of every rank. Any wrong element aborts all ranks.
"""

import argparse
import sys


class Wrong(Exception):
    """A result that differs from the known answer."""


def parse_args(argv=None):
    parser = argparse.ArgumentParser(prog="allreduce_mpi4py", description=__doc__.split("\n")[0])
    parser.add_argument("max_elements", type=int, nargs="?", default=1 << 18,
                        help="largest allreduce, in elements of 8 bytes (default: 262144)")
    args = parser.parse_args(argv)
    if not 1 <= args.max_elements <= 1 << 27:
        parser.error("max_elements must be from 1 to 134217728")
    return args


def sizes(largest):
    """1, 4, 16, ... and the largest itself: short, eager and rendezvous messages."""
    size = 1
    while size < largest:
        yield size
        size *= 4
    yield largest


def contribution(np, rank, count, dtype):
    """What a rank adds: small whole numbers, so that doubles add exactly too."""
    return ((np.arange(count, dtype=np.int64) * 7 + rank * 13) % 1009).astype(dtype)


def check_equal(np, got, want, what):
    bad = np.flatnonzero(got != want)
    if bad.size:
        at = int(bad[0])
        raise Wrong(f"{what}: element {at} is {got[at]}, should be {want[at]} "
                    f"({bad.size} of {len(want)} elements are wrong)")


def check_allreduce(np, comm, count, dtype):
    mine = contribution(np, comm.rank, count, dtype)
    got = np.empty_like(mine)
    comm.Allreduce(mine, got)
    want = sum(contribution(np, rank, count, dtype) for rank in range(comm.size))
    check_equal(np, got, want, f"allreduce of {count} {np.dtype(dtype).name}")


def check_ring(np, comm, count):
    """Tags decide which message a receive takes, whatever the order of arrival."""
    right, left = (comm.rank + 1) % comm.size, (comm.rank - 1) % comm.size
    first, second = 100 + comm.rank, 5000 + comm.rank
    sent = [np.full(count, comm.rank * 2 + which, dtype=np.int64) for which in (0, 1)]
    requests = [comm.Isend(sent[0], dest=right, tag=first), comm.Isend(sent[1], dest=right, tag=second)]
    got = np.empty(count, dtype=np.int64)
    for which, base in ((1, 5000), (0, 100)):
        comm.Recv(got, source=left, tag=base + left)
        check_equal(np, got, np.full(count, left * 2 + which), f"message {base + left} from rank {left}")
    for request in requests:
        request.Wait()


def hosts_line(names):
    """worker-0: 0,2; worker-1: 1,3 - the ranks of every host, in order of first rank."""
    ranks = {}
    for rank, name in enumerate(names):
        ranks.setdefault(name, []).append(str(rank))
    return "; ".join(f"{name}: {','.join(of)}" for name, of in ranks.items())


def check_all(np, comm, largest):
    count = 0
    for size in sizes(largest):
        for dtype in (np.int64, np.float64):
            check_allreduce(np, comm, size, dtype)
            count += 1
    for size in (1, 512, 65536):
        check_ring(np, comm, size)
    return count


def main():
    args = parse_args()
    import numpy as np
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    try:
        count = check_all(np, comm, args.max_elements)
    except Wrong as error:
        print(f"allreduce_mpi4py: rank {comm.rank} on {MPI.Get_processor_name()}: {error}",
              file=sys.stderr, flush=True)
        comm.Abort(1)
    names = comm.gather(MPI.Get_processor_name(), root=0)
    if comm.rank == 0:
        print(f"PASS {count} allreduces up to {args.max_elements} elements and 3 tagged rings, "
              f"{comm.size} ranks on {len(set(names))} hosts ({hosts_line(names)})", flush=True)


if __name__ == "__main__":
    main()
