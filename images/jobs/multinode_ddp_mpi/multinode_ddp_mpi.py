# SPDX-License-Identifier: MIT
"""Train a small network with PyTorch's DistributedDataParallel, one process a rank of mpirun.

    dockmpi run multinode_ddp_mpi -- total_epochs save_every [options]

Rank and size come from the environment that mpirun sets, the meeting point from MASTER_ADDR and
MASTER_PORT. Data and weights are made from fixed seeds, so the same number of ranks gives the same
losses. The first rank on each machine writes the snapshot there. At the start all ranks tell what they
have, and the newest that is whole is given to all: also when machines have been replaced meanwhile, or
broke down while they wrote. `dockmpi run --restart-on-failure` so goes on after a failure.
"""

import argparse
import collections
import gc
import hashlib
import io
import math
import os
import socket
import sys
import traceback

SAMPLES, FEATURES, HIDDEN = 2048, 20, 64
SEED = 20241

# PyTorch's threads may hold a tensor for a moment after its collective. The last who holds one needs the interpreter:
# a rank that is just ending would hang or be aborted. So the newest are kept until those threads are gone.
RECENT = collections.deque(maxlen=8)


class JobError(Exception):
    """Something the user can act on: told in one line, without a traceback."""


def parse_args(argv=None):
    parser = argparse.ArgumentParser(prog="multinode_ddp_mpi", description=__doc__.split("\n")[0])
    parser.add_argument("total_epochs", type=positive, help="train until this many epochs are done")
    parser.add_argument("save_every", type=positive, help="write a snapshot every so many epochs")
    parser.add_argument("--batch_size", type=positive, default=32, help="of each rank (default: 32)")
    parser.add_argument("--backend", choices=("gloo", "mpi", "nccl"),
                        help="default: gloo; with --device gpu: nccl when all GPUs are of one vendor")
    parser.add_argument("--fresh", action="store_true", help="ignore a snapshot and start anew")
    parser.add_argument("--snapshot", default="snapshot.pt", metavar="PATH",
                        help="file on every machine (default: ./snapshot.pt)")
    parser.add_argument("--lr", type=float, default=0.02, help="learning rate (default: 0.02)")
    parser.add_argument("--device", choices=("cpu", "gpu"),
                        default=os.environ.get("DOCKMPI_DEVICE", "cpu"),
                        help="default: $DOCKMPI_DEVICE, else cpu")
    args = parser.parse_args(argv)
    if args.device == "cpu" and args.backend == "nccl":
        parser.error("nccl needs GPUs: use --backend gloo or mpi, or the job multinode_ddp_mpi_gpu")
    return args


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def place(environ=None):
    """Rank, number of ranks and rank on this machine, from mpirun or a launcher that names them so."""
    environ = os.environ if environ is None else environ
    if "OMPI_COMM_WORLD_RANK" in environ:
        names = ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK")
    else:
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    rank, size, local = (int(environ.get(name, default)) for name, default in zip(names, "010"))
    return rank, size, local


def say(text):
    # One write a line: lines of several ranks then do not run into each other.
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(text):
    sys.stderr.write(f"multinode_ddp_mpi: {text}\n")
    sys.stderr.flush()


def give_up(dist, text):
    """Ends all ranks for a reason that all know; rank 0 tells it. Every rank has to call this."""
    if dist.get_rank() == 0:
        complain(text)
    dist.barrier()  # the first rank that exits has the others killed: not before it was told
    raise JobError("")


def gather(torch, dist, device, *numbers):
    """What each rank has passed, as lists of integers in the order of ranks. Every rank has to call this."""
    mine = torch.tensor(numbers, dtype=torch.int64, device=device)
    rows = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    RECENT.append((rows, mine))
    dist.all_gather(rows, mine)
    return [row.tolist() for row in rows]


def all_or_none(torch, dist, device, work):
    """Does what only some ranks do. If it fails at one, all give up, and the first that failed tells why."""
    reason = ""
    try:
        work()
    except JobError as error:
        reason = str(error)
    failed = [row[0] for row in gather(torch, dist, device, int(bool(reason)))]
    if any(failed):
        if dist.get_rank() == failed.index(1):
            complain(reason)
        dist.barrier()  # as above
        raise JobError("")


def fix_meeting_point(size):
    if size == 1:
        os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
        os.environ.setdefault("MASTER_PORT", "0")
    missing = [name for name in ("MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise JobError(f"{' and '.join(missing)} not set: start this job with `dockmpi run`, "
                       "or pass the address of rank 0 and a free port there with mpirun -x")


def pick_device(torch, args, local_rank):
    if args.device == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        kind = "CUDA" if torch.version.cuda else "ROCm" if torch.version.hip else None
        why = (f"this PyTorch is built for {kind}, but it sees no device"
               if kind else "this image's PyTorch is built without CUDA and ROCm")
        raise JobError(f"no GPU visible on {socket.gethostname()} ({why}): "
                       "use an image profile with GPU support, or the job multinode_ddp_mpi")
    device = torch.device("cuda", local_rank % torch.cuda.device_count())
    torch.cuda.set_device(device)
    return device


def join(torch, dist, args, rank, size):
    """Brings all ranks together. Returns the backend's name."""
    backend = args.backend or ("gloo" if args.device == "cpu" else None)
    if backend == "mpi":
        if not dist.is_mpi_available():
            raise JobError("this image's PyTorch is built without the mpi backend: use gloo or nccl")
        dist.init_process_group("mpi")
        return backend
    fix_meeting_point(size)
    store, _, _ = next(dist.rendezvous("env://", rank=rank, world_size=size))
    if backend is None:
        backend = agree_on_backend(torch, dist, store, rank, size)
        if backend == "mpi":
            dist.init_process_group("mpi")
            return backend
    dist.init_process_group(backend, store=store, rank=rank, world_size=size)
    return backend


def agree_on_backend(torch, dist, store, rank, size):
    """nccl where all ranks have GPUs of one vendor, else mpi: NCCL and RCCL do not work together."""
    vendor = "AMD" if torch.version.hip else "NVIDIA"
    store = dist.PrefixStore("vendor", store)
    store.set(str(rank), vendor)
    vendors = {store.get(str(other)).decode() for other in range(size)}
    backend = choose_backend(vendors, dist.is_nccl_available(), dist.is_mpi_available())
    if rank == 0:
        say(f"backend {backend}: the GPUs are of {' and '.join(sorted(vendors))}")
    return backend


def choose_backend(vendors, has_nccl, has_mpi):
    if len(vendors) == 1 and has_nccl:
        return "nccl"
    if has_mpi:
        return "mpi"
    if len(vendors) > 1:
        raise JobError("GPUs of several vendors need the mpi backend, "
                       "and this image's PyTorch is built without it")
    raise JobError("this image's PyTorch has neither nccl nor mpi")


def make_data(torch, device):
    """A fixed problem with a known answer: noisy outputs of a seeded small network."""
    generator = torch.Generator().manual_seed(SEED)
    inputs = torch.randn(SAMPLES, FEATURES, generator=generator)
    first = torch.randn(FEATURES, 8, generator=generator) / math.sqrt(FEATURES)
    second = torch.randn(8, 1, generator=generator) / math.sqrt(8)
    noise = 0.05 * torch.randn(SAMPLES, 1, generator=generator)
    targets = torch.tanh(inputs @ first) @ second + noise
    return inputs.to(device), targets.to(device)


def make_model(torch, device):
    torch.manual_seed(SEED)
    layers = torch.nn.Sequential(torch.nn.Linear(FEATURES, HIDDEN), torch.nn.Tanh(),
                                 torch.nn.Linear(HIDDEN, 1))
    return layers.to(device)


def share_of_epoch(torch, epoch, rank, size):
    """The indices that this rank trains on in this epoch: as many as every other rank has."""
    generator = torch.Generator().manual_seed(SEED + epoch)
    order = torch.randperm(SAMPLES, generator=generator)
    return order[: SAMPLES // size * size][rank::size]


def save_snapshot(torch, path, rank, epoch, history, model, optimizer):
    """Whole or not at all: a reader never sees half a file, also when the machine fails."""
    content = io.BytesIO()
    torch.save({"epoch": epoch, "history": history, "model": model.state_dict(),
                "optimizer": optimizer.state_dict()}, content)
    draft = f"{path}.tmp{rank}"  # machines may share the folder
    try:
        with open(draft, "wb") as out:
            out.write(content.getbuffer())
            out.flush()
            os.fsync(out.fileno())
        os.replace(draft, path)
    except OSError as error:
        raise JobError(f"cannot write the snapshot {path}: {error.strerror}") from error


def read_snapshot(torch, path):
    """The bytes of a snapshot that was checked and its content; b"" and None if there is none."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return b"", None
    except OSError as error:
        raise JobError(f"cannot read the snapshot {path}: {error.strerror}") from error
    return data, unpack_snapshot(torch, data, path)


def unpack_snapshot(torch, data, path, device="cpu"):
    try:
        state = torch.load(io.BytesIO(data), map_location=device, weights_only=True)
        if not isinstance(state["epoch"], int) or state["epoch"] < 1:
            raise ValueError("it names no epoch")
        if not isinstance(state.setdefault("history", 0), int):
            raise ValueError("it does not say what it belongs to")
        model = make_model(torch, "cpu")
        model.load_state_dict(state["model"])
        if "param_groups" not in state["optimizer"]:
            raise ValueError("it has no optimizer state")
    except Exception as error:  # torch.load lets through whatever its unpickler stumbles on
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise JobError(f"{path} is damaged or not a snapshot of this program ({reason}): "
                       "remove it, or run with --fresh") from error
    return state


def broadcast_bytes(torch, dist, device, data, source):
    """The bytes of rank `source`, on every rank."""
    length = torch.tensor([len(data)], dtype=torch.int64, device=device)
    RECENT.append(length)
    dist.broadcast(length, src=source)
    if dist.get_rank() == source:
        content = torch.frombuffer(bytearray(data), dtype=torch.uint8).to(device)
    else:
        content = torch.empty(length.item(), dtype=torch.uint8, device=device)
    RECENT.append(content)
    dist.broadcast(content, src=source)
    return content.cpu().numpy().tobytes()


def new_history(environ=None):
    """A number for a training that starts anew: the same in every attempt of one `dockmpi run`."""
    environ = os.environ if environ is None else environ
    run = environ.get("DOCKMPI_RUN", "").encode() or os.urandom(16)
    return int.from_bytes(hashlib.sha256(run).digest()[:7], "big") + 1


def choose_offer(offers, only=None):
    """The rank whose snapshot all go on from, None if nobody has one.

    An offer is (epoch, history), epoch 0 for none. A snapshot of another training than the first
    offer's is a leftover; of the same training a newer one is always further.
    """
    having = [(epoch, history) for epoch, history in offers if epoch and only in (None, history)]
    if not having:
        return None
    history = having[0][1]
    newest = max(epoch for epoch, other in having if other == history)
    return offers.index([newest, history])


def look_for_snapshot(torch, args, local_rank):
    """What this rank has to offer: bytes, epoch, history, and why it cannot be used."""
    if local_rank:
        return b"", 0, 0, ""
    try:
        data, state = read_snapshot(torch, args.snapshot)
    except JobError as error:
        return b"", 0, 0, str(error)
    return (data, state["epoch"], state["history"], "") if state else (b"", 0, 0, "")


def resume(torch, dist, args, local_rank, device, model, optimizer):
    """Puts the same snapshot into every rank. Returns the number of epochs already done, and the history."""
    mine = new_history()
    mine = gather(torch, dist, device, mine)[0][0]
    again = int(os.environ.get("DOCKMPI_ATTEMPT") or 1) > 1
    if args.fresh and not again:
        return 0, mine
    data, epoch, history, fault = look_for_snapshot(torch, args, local_rank)
    rows = gather(torch, dist, device, epoch, history, int(bool(fault)))
    source = choose_offer([row[:2] for row in rows], mine if args.fresh else None)
    if source is None:
        def check():
            if fault and not args.fresh:
                raise JobError(fault)
        all_or_none(torch, dist, device, check)
        return 0, mine
    if fault:
        complain(f"rank {dist.get_rank()}: {fault.rsplit(': ', 1)[0]}: passed over, rank {source} has a good one")
    data = broadcast_bytes(torch, dist, device, data, source)
    state = unpack_snapshot(torch, data, args.snapshot, device)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return state["epoch"], state["history"]


def train_epoch(torch, dist, ddp, optimizer, data, indices, batch_size):
    """One pass over this rank's share. Returns the mean loss over all ranks."""
    inputs, targets = data
    total, steps = 0.0, 0
    for batch in indices.split(batch_size):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(ddp(inputs[batch]), targets[batch])
        loss.backward()
        optimizer.step()
        total += loss.item()
        steps += 1
    mean = torch.tensor([total / steps], dtype=torch.float32, device=inputs.device)
    RECENT.append(mean)
    dist.all_reduce(mean)
    return mean.item() / dist.get_world_size()


def check_loss(dist, loss, lowest):
    """Every rank sees the same mean loss, so all of them stop together."""
    if not math.isfinite(loss) or loss > 10 * lowest:
        give_up(dist, f"the training diverged (loss {loss:g}): use a smaller --lr")


def check_agreement(torch, dist, model):
    """After training all ranks must hold the same weights, to the last bit."""
    weights = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    lowest, highest = weights.clone(), weights.clone()
    RECENT.append((lowest, highest))
    dist.all_reduce(lowest, op=dist.ReduceOp.MIN)
    dist.all_reduce(highest, op=dist.ReduceOp.MAX)
    if not torch.equal(lowest, highest):
        give_up(dist, "the ranks ended with different weights")


def train(torch, dist, args, place_of, device):
    rank, size, local_rank = place_of
    model = make_model(torch, device)
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9)
    done, history = resume(torch, dist, args, local_rank, device, model, optimizer)
    if rank == 0 and done:
        say(f"resumed from {args.snapshot} after epoch {done}")
    if done >= args.total_epochs:
        if rank == 0:
            say(f"nothing to train: {done} of {args.total_epochs} epochs are done (--fresh starts anew)")
        return
    ids = [device.index] if device.type == "cuda" else None
    ddp = torch.nn.parallel.DistributedDataParallel(model, device_ids=ids)
    data = make_data(torch, device)
    lowest = math.inf
    for epoch in range(done + 1, args.total_epochs + 1):
        indices = share_of_epoch(torch, epoch, rank, size).to(device)
        loss = train_epoch(torch, dist, ddp, optimizer, data, indices, args.batch_size)
        check_loss(dist, loss, lowest)
        lowest = min(lowest, loss)
        if rank == 0:
            say(f"epoch {epoch}/{args.total_epochs} | ranks {size} | batch {args.batch_size} "
                f"| loss {loss:.6f}")
        if epoch % args.save_every == 0:
            def save():
                if not local_rank:
                    save_snapshot(torch, args.snapshot, rank, epoch, history, model, optimizer)
            all_or_none(torch, dist, device, save)
            if rank == 0:
                say(f"epoch {epoch}/{args.total_epochs} | snapshot saved at {args.snapshot}")
    check_agreement(torch, dist, model)
    if rank == 0:
        say(f"done: {size} ranks hold the same weights, loss {loss:.6f}")


def leave(dist):
    """Without what may hold the group of processes, this waits for PyTorch's threads."""
    gc.collect()
    dist.destroy_process_group()


def run(args):
    rank, size, local_rank = place()
    import torch
    import torch.distributed as dist

    device = pick_device(torch, args, local_rank)
    if args.device == "cpu" and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
    backend = join(torch, dist, args, rank, size)
    rank, size = dist.get_rank(), dist.get_world_size()
    say(f"rank {rank} of {size} on {socket.gethostname()}: {device}, {backend}")
    if size > SAMPLES:
        give_up(dist, f"{size} ranks are more than the {SAMPLES} samples")
    train(torch, dist, args, (rank, size, local_rank), device)
    leave(dist)


def main():
    args = parse_args()
    try:
        run(args)
    except JobError as error:
        if str(error):
            complain(error)
    except Exception:  # told in full, and then the same quick end
        traceback.print_exc()
        sys.stderr.flush()
    else:
        return
    # Not sys.exit: an orderly end of MPI would wait for the other ranks, which wait for this one.
    os._exit(1)


if __name__ == "__main__":
    main()
