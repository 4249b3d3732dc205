"""What of the machine each of several workers gets, found out without torch."""

import os
import re
import shutil
import subprocess
from contextlib import suppress

from budgetnet.bench.pinning import cores


def shares(workers: int) -> list[dict[str, str]]:
    """What of the machine each worker gets, as settings of its environment: threads (the cores that this process may
    use over the workers, at least 1, at most what is set already), and one GPU in turn where there are any.
    """
    threads = max(cores() // workers, 1)
    with suppress(KeyError, ValueError):
        threads = min(threads, max(int(os.environ["OMP_NUM_THREADS"]), 1))
    found = gpus()
    return [
        {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        | ({"CUDA_VISIBLE_DEVICES": found[number % len(found)]} if found else {})
        for number in range(workers)
    ]


def gpus() -> list[str]:
    """The GPUs that CUDA may use, as CUDA_VISIBLE_DEVICES names them: those that it names already, else all that
    NVIDIA's driver tells of. Asked without torch, which would take seconds and a part of the first one's memory.
    """
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        names = [name.strip() for name in chosen.split(",")]
        ends = [place for place, name in enumerate(names) if name in ("", "-1")]  # CUDA reads no further
        return names[: ends[0]] if ends else names
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        told = subprocess.run([program, "-L"], capture_output=True, text=True, check=True, timeout=20)  # noqa: S603
    except (OSError, subprocess.SubprocessError):  # no driver for it
        return []
    return listed(told.stdout)


def listed(text: str) -> list[str]:
    """The GPUs of what `nvidia-smi -L` prints, by their numbers; one that is cut into parts (MIG) by its parts' names,
    of which a process can use one.
    """
    found: list[list[str]] = []
    for line in text.splitlines():
        if whole := re.match(r"GPU (\d+):", line):
            found.append([whole[1]])
        elif (part := re.match(r"\s+MIG .*\(UUID: (MIG-[^)]+)\)", line)) and found:
            found[-1].append(part[1])
    return [name for names in found for name in (names[1:] or names)]
