# SPDX-License-Identifier: MIT
"""The built-in jobs: their pure parts here, the rest under mpirun in the image (skipped without it)."""

import argparse
import importlib.util
import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

sys.dont_write_bytecode = True
JOBS = pathlib.Path(__file__).resolve().parents[2] / "images" / "jobs"
IMAGE = "dockmpi/cpu:latest"


def load(name):
    spec = importlib.util.spec_from_file_location(name, JOBS / name / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ddp = load("multinode_ddp_mpi")
allreduce = load("allreduce_mpi4py")


def quietly(function, *args):
    """The exit code of an argparse failure."""
    with mock.patch("sys.stderr"), mock.patch("sys.stdout"):
        try:
            function(*args)
        except SystemExit as end:
            return end.code
    return 0


class Arguments(unittest.TestCase):
    def test_defaults(self):
        args = ddp.parse_args(["10", "3"])
        self.assertEqual((args.total_epochs, args.save_every, args.batch_size), (10, 3, 32))
        self.assertEqual((args.backend, args.fresh, args.snapshot, args.device),
                         (None, False, "snapshot.pt", "cpu"))

    def test_options_of_the_original_program(self):
        args = ddp.parse_args("10 3 --batch_size 8 --backend mpi --fresh --snapshot x.pt".split())
        self.assertEqual((args.batch_size, args.backend, args.fresh, args.snapshot),
                         (8, "mpi", True, "x.pt"))

    def test_bad_values_are_usage_errors(self):
        for words in ("", "1", "0 1", "1 -1", "x 1", "1 1 --batch_size 0", "1 1 --backend tcp",
                      "1 1 --backend nccl", "1 1 --unknown"):
            with self.subTest(words):
                self.assertEqual(quietly(ddp.parse_args, words.split()), 2)

    def test_nccl_is_for_gpus(self):
        with mock.patch.dict(os.environ, {"DOCKMPI_DEVICE": "gpu"}):
            args = ddp.parse_args("1 1 --backend nccl".split())
        self.assertEqual((args.device, args.backend), ("gpu", "nccl"))

    def test_allreduce_limits(self):
        self.assertEqual(allreduce.parse_args(["7"]).max_elements, 7)
        for word in ("0", "-1", "x", "999999999999"):
            with self.subTest(word):
                self.assertEqual(quietly(allreduce.parse_args, [word]), 2)


class Placement(unittest.TestCase):
    def test_mpirun(self):
        env = {"OMPI_COMM_WORLD_RANK": "5", "OMPI_COMM_WORLD_SIZE": "8",
               "OMPI_COMM_WORLD_LOCAL_RANK": "1", "RANK": "0", "WORLD_SIZE": "1"}
        self.assertEqual(ddp.place(env), (5, 8, 1))

    def test_others_and_alone(self):
        self.assertEqual(ddp.place({"RANK": "2", "WORLD_SIZE": "4", "LOCAL_RANK": "0"}), (2, 4, 0))
        self.assertEqual(ddp.place({}), (0, 1, 0))

    def test_meeting_point(self):
        with mock.patch.dict(os.environ, {}, clear=True):
            with self.assertRaisesRegex(ddp.JobError, "MASTER_ADDR and MASTER_PORT not set"):
                ddp.fix_meeting_point(2)
            ddp.fix_meeting_point(1)
            self.assertEqual(os.environ["MASTER_ADDR"], "127.0.0.1")


class Backend(unittest.TestCase):
    def test_choice(self):
        self.assertEqual(ddp.choose_backend({"NVIDIA"}, True, True), "nccl")
        self.assertEqual(ddp.choose_backend({"NVIDIA", "AMD"}, True, True), "mpi")
        self.assertEqual(ddp.choose_backend({"AMD"}, False, True), "mpi")

    def test_no_choice(self):
        with self.assertRaisesRegex(ddp.JobError, "several vendors"):
            ddp.choose_backend({"NVIDIA", "AMD"}, True, False)
        with self.assertRaisesRegex(ddp.JobError, "neither nccl nor mpi"):
            ddp.choose_backend({"AMD"}, False, False)

    def test_no_gpu_says_what_to_do(self):
        torch = mock.Mock()
        torch.cuda.is_available.return_value = False
        args = argparse.Namespace(device="gpu")
        for cuda, hip, why in (("12.4", None, "CUDA, but it sees no device"),
                               (None, "6.1", "ROCm, but it sees no device"),
                               (None, None, "without CUDA and ROCm")):
            torch.version.cuda, torch.version.hip = cuda, hip
            with self.subTest(why), self.assertRaisesRegex(ddp.JobError, f"no GPU visible.*{why}"):
                ddp.pick_device(torch, args, 0)

    def test_ranks_of_a_machine_get_different_gpus(self):
        torch = mock.Mock()
        torch.cuda.device_count.return_value = 2
        torch.device = lambda *words: words
        args = argparse.Namespace(device="gpu")
        self.assertEqual([ddp.pick_device(torch, args, rank) for rank in range(3)],
                         [("cuda", 0), ("cuda", 1), ("cuda", 0)])


class Loss(unittest.TestCase):
    def test_divergence_is_a_failure_on_every_rank(self):
        for rank in (0, 1):
            dist = mock.Mock()
            dist.get_rank.return_value = rank
            for loss in (float("nan"), float("inf"), 5.1):
                with self.subTest(rank=rank, loss=loss), mock.patch("sys.stderr") as stderr:
                    with self.assertRaises(ddp.JobError):
                        ddp.check_loss(dist, loss, 0.5)
                    self.assertEqual(stderr.write.called, rank == 0)
            dist.barrier.assert_called()
            ddp.check_loss(dist, 0.6, 0.5)


class Allreduce(unittest.TestCase):
    def test_sizes(self):
        self.assertEqual(list(allreduce.sizes(1)), [1])
        self.assertEqual(list(allreduce.sizes(16)), [1, 4, 16])
        self.assertEqual(list(allreduce.sizes(20)), [1, 4, 16, 20])

    def test_hosts_line(self):
        self.assertEqual(allreduce.hosts_line(["b", "a", "b"]), "b: 0,2; a: 1")


def have_image():
    if not shutil.which("docker"):
        return False
    return subprocess.run(["docker", "image", "inspect", IMAGE], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, check=False).returncode == 0


def free_port():
    """None of those that the kernel gives to mpirun meanwhile."""
    while True:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", random.randint(10000, 19999)))
            except OSError:
                continue
            return probe.getsockname()[1]


class Snapshots(unittest.TestCase):
    def test_which_one_is_used(self):
        for offers, only, want in (
                ([], None, None), ([[0, 0], [0, 0]], None, None), ([[3, 7]], None, 0),
                ([[0, 0], [3, 7]], None, 1), ([[3, 7], [5, 7]], None, 1), ([[3, 7], [5, 8]], None, 0),
                ([[0, 0], [2, 8], [5, 7], [4, 8]], None, 3), ([[3, 7], [5, 8]], 8, 1),
                ([[3, 7], [5, 8]], 9, None)):
            with self.subTest((offers, only)):
                self.assertEqual(ddp.choose_offer(offers, only), want)

    def test_a_run_has_one_history(self):
        self.assertEqual(ddp.new_history({"DOCKMPI_RUN": "a"}), ddp.new_history({"DOCKMPI_RUN": "a"}))
        self.assertNotEqual(ddp.new_history({"DOCKMPI_RUN": "a"}), ddp.new_history({"DOCKMPI_RUN": "b"}))
        self.assertNotEqual(ddp.new_history({}), ddp.new_history({}))
        self.assertGreater(ddp.new_history({}), 0)
        self.assertLess(ddp.new_history({}), 2 ** 62)


# Who has told others that a collective is over sleeps before he lets go of its tensors.
SLOW = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>
int pthread_cond_broadcast(pthread_cond_t *cond)
{
    int (*real)(pthread_cond_t *) =
        (int (*)(pthread_cond_t *))dlvsym(RTLD_NEXT, "pthread_cond_broadcast", "GLIBC_2.3.2");
    int rc = real(cond);
    if (getpid() != (pid_t)syscall(SYS_gettid))
        usleep(300000);
    return rc;
}
"""


@unittest.skipUnless(have_image(), f"{IMAGE} is not there: dockmpi image build cpu")
class UnderMpirun(unittest.TestCase):
    """One container for all tests: rank and size from mpirun, all ranks on this machine."""

    @classmethod
    def setUpClass(cls):
        cls.container = subprocess.run(
            ["docker", "run", "-d", "--rm", "--init", "--network", "host", "-v", f"{JOBS}:/jobs:ro",
             "-e", "USE_LIBUV=0", "-e", "OMP_NUM_THREADS=1", "-e", "PYTHONDONTWRITEBYTECODE=1",
             IMAGE, "sleep", "3600"],
            stdout=subprocess.PIPE, text=True, check=True).stdout.strip()

    @classmethod
    def tearDownClass(cls):
        subprocess.run(["docker", "rm", "-f", cls.container], stdout=subprocess.DEVNULL, check=True)

    def run_in(self, *command):
        return subprocess.run(["docker", "exec", "-w", "/work", self.container, *command],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300,
                              check=False)

    def mpirun(self, job, *args, env=(), ranks=2, slow=False):
        preload = ["env", "LD_PRELOAD=/tmp/slow.so"] if slow else []
        settings = ["MASTER_ADDR=127.0.0.1", f"MASTER_PORT={free_port()}", *env]
        return self.run_in("env", *settings, "mpirun", "--allow-run-as-root", "--oversubscribe",
                           "--bind-to", "none", "-np", str(ranks), *preload, "python3",
                           f"/jobs/{job}/{job}.py", *args)

    def losses(self, run):
        return [float(word) for word in re.findall(r"^epoch .* loss ([\d.]+)$", run.stdout, re.M)]

    def test_gloo_trains_and_mpi_resumes(self):
        first = self.mpirun("multinode_ddp_mpi", "3", "2", "--snapshot", "a.pt")
        self.assertEqual(first.returncode, 0, first.stderr)
        losses = self.losses(first)
        self.assertEqual(len(losses), 3)
        self.assertLess(losses[2], losses[0] / 2)
        self.assertIn("done: 2 ranks hold the same weights", first.stdout)
        self.assertEqual(first.stdout.count("snapshot saved"), 1)

        # Epoch 3 is trained again from the snapshot of epoch 2, over MPI, and comes out the same.
        again = self.mpirun("multinode_ddp_mpi", "3", "9", "--snapshot", "a.pt", "--backend", "mpi")
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertIn("resumed from a.pt after epoch 2", again.stdout)
        self.assertIn("rank 1 of 2", again.stdout)
        self.assertEqual(len(self.losses(again)), 1)
        self.assertAlmostEqual(self.losses(again)[0], losses[2], places=4)

        fresh = self.mpirun("multinode_ddp_mpi", "1", "1", "--snapshot", "a.pt", "--fresh")
        self.assertEqual(fresh.returncode, 0, fresh.stderr)
        self.assertNotIn("resumed", fresh.stdout)
        self.assertEqual(self.losses(fresh), losses[:1])
        done = self.mpirun("multinode_ddp_mpi", "1", "1", "--snapshot", "a.pt")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("nothing to train: 1 of 1 epochs are done", done.stdout)

    def test_threads_that_are_slow_to_let_tensors_go_do_not_abort_the_end(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["cc", "-shared", "-fPIC", "-o", f"{folder}/slow.so", "-xc", "-"], input=SLOW, text=True,
                           check=True)
            subprocess.run(["docker", "cp", f"{folder}/slow.so", f"{self.container}:/tmp/slow.so"], check=True)
        first = self.mpirun("multinode_ddp_mpi", "1", "1", "--snapshot", "s.pt")
        self.assertEqual(first.returncode, 0, first.stderr)
        again = self.mpirun("multinode_ddp_mpi", "1", "1", "--snapshot", "s.pt", slow=True)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertIn("nothing to train", again.stdout)

    def test_a_damaged_snapshot_ends_all_ranks_with_one_line(self):
        self.run_in("sh", "-c", "echo broken > b.pt")
        for backend in ("gloo", "mpi"):
            run = self.mpirun("multinode_ddp_mpi", "2", "1", "--snapshot", "b.pt", "--backend", backend)
            with self.subTest(backend):
                self.assertEqual(run.returncode, 1)
                self.assertEqual(run.stderr.count("multinode_ddp_mpi: b.pt is damaged"), 1, run.stderr)
                self.assertNotIn("Traceback", run.stderr)
                self.assertEqual(self.losses(run), [])
        self.assertEqual(self.run_in("cat", "b.pt").stdout, "broken\n")

    def on_machines(self, *args, env=()):
        """As if each rank were on a machine of its own, with a folder of its own."""
        settings = ["MASTER_ADDR=127.0.0.1", f"MASTER_PORT={free_port()}", *env]
        script = ("mkdir -p m$OMPI_COMM_WORLD_RANK && cd m$OMPI_COMM_WORLD_RANK && "
                  "OMPI_COMM_WORLD_LOCAL_RANK=0 exec python3 /jobs/multinode_ddp_mpi/multinode_ddp_mpi.py \"$@\"")
        return self.run_in("env", *settings, "mpirun", "--allow-run-as-root", "--oversubscribe",
                           "--bind-to", "none", "-np", "2", "sh", "-c", script, "sh", *args)

    def test_a_second_attempt_goes_on_from_the_newest_snapshot_that_is_whole(self):
        run = ["DOCKMPI_RUN=one"]
        first = self.on_machines("3", "1", "--fresh", env=[*run, "DOCKMPI_ATTEMPT=1"])
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertEqual(first.stdout.count("snapshot saved"), 3)
        # The machine of rank 0 has lost its own, and is given the other's.
        self.run_in("sh", "-c", "echo broken > m0/snapshot.pt")
        second = self.on_machines("4", "1", "--fresh", env=[*run, "DOCKMPI_ATTEMPT=2"])
        self.assertEqual(second.returncode, 0, second.stderr)
        self.assertIn("after epoch 3", second.stdout)
        self.assertEqual(second.stderr.count("rank 0: snapshot.pt is damaged"), 1, second.stderr)
        self.assertIn("passed over, rank 1 has a good one", second.stderr)
        self.assertEqual(len(self.losses(second)), 1)
        self.assertEqual(self.run_in("ls", "m0", "m1").stdout.split(),
                         ["m0:", "snapshot.pt", "m1:", "snapshot.pt"])

    def test_a_snapshot_that_cannot_be_written_ends_all_ranks(self):
        run = self.mpirun("multinode_ddp_mpi", "9", "1", "--snapshot", "/none/c.pt", "--backend", "mpi")
        self.assertEqual(run.returncode, 1)
        self.assertEqual(run.stderr.count("cannot write the snapshot /none/c.pt"), 1, run.stderr)
        self.assertEqual(len(self.losses(run)), 1)

    def test_divergence_fails(self):
        run = self.mpirun("multinode_ddp_mpi", "3", "9", "--fresh", "--lr", "1e6")
        self.assertEqual(run.returncode, 1)
        self.assertEqual(run.stderr.count("the training diverged"), 1, run.stderr)

    def test_without_a_gpu_the_gpu_job_says_so(self):
        run = self.mpirun("multinode_ddp_mpi", "1", "1", env=["DOCKMPI_DEVICE=gpu"])
        self.assertEqual(run.returncode, 1)
        self.assertIn("no GPU visible", run.stderr)
        self.assertNotIn("Traceback", run.stderr)

    def test_allreduce_passes(self):
        run = self.mpirun("allreduce_mpi4py", "5000", ranks=3)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertRegex(run.stdout, r"^PASS 16 allreduces up to 5000 elements and 3 tagged rings, "
                                     r"3 ranks on 1 hosts \(\S+: 0,1,2\)$")

    def test_allreduce_notices_a_wrong_sum(self):
        # The same check under an MPI whose answers are off by one on rank 1.
        broken = ("import sys; sys.path.insert(0, '/jobs/allreduce_mpi4py')\n"
                  "import numpy as np, allreduce_mpi4py as job\n"
                  "from mpi4py import MPI\n"
                  "class Off:\n"
                  "    rank, size = MPI.COMM_WORLD.rank, MPI.COMM_WORLD.size\n"
                  "    def Allreduce(self, mine, got):\n"
                  "        MPI.COMM_WORLD.Allreduce(mine, got)\n"
                  "        got[-1] += self.rank == 1\n"
                  "try:\n"
                  "    job.check_allreduce(np, Off(), 100, np.float64)\n"
                  "except job.Wrong as error:\n"
                  "    print(Off.rank, error)\n")
        run = self.run_in("mpirun", "--allow-run-as-root", "--oversubscribe", "-np", "2",
                          "python3", "-c", broken)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertRegex(run.stdout, r"^1 allreduce of 100 float64: element 99 is .*\(1 of 100")


if __name__ == "__main__":
    unittest.main()
