"""The machine a training runs on: which device, how many threads, and an allocator that keeps its memory."""

import ctypes
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4
_M_ARENA_MAX = -8

_OUT_OF_MEMORY = ("allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED")


def device() -> torch.device:
    """A GPU when there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def computes_bfloat16(device: torch.device) -> bool:
    """Whether a device has instructions of its own for bfloat16: elsewhere it is emulated, many times slower than fp32.

    On x86 these are AVX512-BF16 and AMX (the processor's flags say so), on 64-bit ARM BF16.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    try:
        known = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return bool(re.search(r"\b(avx512_bf16|amx_bf16|bf16)\b", known))


def keep_memory() -> None:
    """Makes glibc keep freed memory instead of handing it back to the kernel, for the life of the process.

    Every training step frees and takes gigabytes; with glibc's defaults each of them is mapped and zeroed anew, which
    takes as long as the arithmetic. All threads share one arena: those of their own are handed back in every step
    whatever the settings, so this comes before threads are started. Elsewhere than on Linux with glibc this does
    nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return  # another C library, whose allocator has other habits
    mallopt(_M_ARENA_MAX, 1)
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory, the machine's or the GPU's, was not enough.

    Torch has no type for it on a processor, nor for what the driver and the libraries of a GPU say.
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _OUT_OF_MEMORY)


@contextmanager
def deterministic(seed: int) -> Iterator[None]:
    """Inside, torch's generators start from `seed` and operators are chosen that repeat; the caller's state is kept."""
    on_gpu = torch.cuda.is_available()
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # costs a write per tensor
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if on_gpu else []):
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True, warn_only=True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before[0], warn_only=before[1])
