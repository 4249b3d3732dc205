"""What the machine says when memory runs out, and what sounds like it."""

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
