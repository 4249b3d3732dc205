"""What the machine says when memory runs out, and what sounds like it; memory that is kept."""

import platform
import subprocess
import sys

import pytest
import torch

from budgetnet.training.machine import ran_out_of_memory


def test_what_torch_says_of_too_much_on_this_machine_is_understood():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert ran_out_of_memory(caught.value)


@pytest.mark.parametrize("error", [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:80] data. DefaultCPUAllocator: not enough memory: you tried to"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
])  # fmt: skip
def test_other_ways_to_say_it(error):
    assert ran_out_of_memory(error)


@pytest.mark.parametrize("error", [
    RuntimeError("Unsupported memory format option Preserve"),
    RuntimeError("CUDA error: an illegal memory access was encountered"),
    ValueError("out of memory"),
    OSError(28, "No space left on device"),
])  # fmt: skip
def test_bugs_and_full_disks_are_no_lack_of_memory(error):
    assert not ran_out_of_memory(error)


STEPS = """
import resource, sys, torch
from concurrent.futures import ThreadPoolExecutor
from budgetnet.training.machine import keep_memory

if sys.argv[1] == "kept":
    keep_memory()

def work(number):
    return sum(torch.ones(size).sum().item() for size in (2_000_000, 3_000_000, 5_000_000))

faults = []
torch.set_num_threads(1)
with ThreadPoolExecutor(2) as pool:
    for step in range(8):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        list(pool.map(work, range(4)))
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(sorted(faults[-5:])[2])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="about glibc's allocator")
@pytest.mark.slow
def test_threads_that_take_and_free_the_same_memory_again_cause_no_page_faults():
    def faults(how):
        command = [sys.executable, "-c", STEPS, how]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert faults("given back") > 1000 > 100 > faults("kept")
