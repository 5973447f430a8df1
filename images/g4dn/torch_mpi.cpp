// SPDX-License-Identifier: MIT
// Makes PyTorch's own ProcessGroupMPI, which Debian's CUDA build leaves out, known to Python. It is compiled
// with that class from the sources of the same release, and torch.distributed takes it from here.
#include <pybind11/stl.h>
#include <torch/csrc/distributed/c10d/ProcessGroupMPI.hpp>
#include <torch/csrc/utils/pybind.h>

PYBIND11_MODULE(torch_mpi, module)
{
    using c10d::ProcessGroupMPI;

    pybind11::module_::import("torch._C._distributed_c10d"); // has Backend
    pybind11::class_<ProcessGroupMPI, c10d::Backend, c10::intrusive_ptr<ProcessGroupMPI>>(
        module, "ProcessGroupMPI")
        .def_static(
            "create",
            [](std::vector<int> ranks) {
                return ProcessGroupMPI::createProcessGroupMPI(std::move(ranks));
            },
            pybind11::call_guard<pybind11::gil_scoped_release>());
}
