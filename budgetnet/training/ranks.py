"""Several processes at one training, as torchrun starts them: who this one is, and sums over all of them."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

import torch
from torch import Tensor, distributed

from budgetnet.errors import BudgetnetError

_PATIENCE: Final = timedelta(hours=12)
"""How long a process waits for the others: the first one may have a large data set to prepare."""


@contextmanager
def together() -> Iterator[None]:
    """Inside, the processes that torchrun started know each other; alone nothing happens. Each takes its own GPU, or
    they share the processor.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) <= 1:
        yield
        return
    if not distributed.is_available():
        raise BudgetnetError("torch: must be a build with torch.distributed to train in several processes, but is not")
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    distributed.init_process_group("nccl" if on_gpu else "gloo", timeout=_PATIENCE)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def world() -> int:
    """How many processes there are."""
    return distributed.get_world_size() if _several() else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return distributed.get_rank() if _several() else 0


def places(count: int, parts: int) -> list[int]:
    """The places in a batch of `count` whose parts are computed here: those of rank, rank + world, ..."""
    shares = torch.arange(count).tensor_split(parts)
    return [place for number in range(rank(), parts, world()) for place in shares[number].tolist()]


def leads() -> bool:
    """Whether this process writes files and speaks."""
    return rank() == 0


def add_up(tensors: Sequence[Tensor]) -> None:
    """Each tensor becomes its sum over all processes, in place and in one message per type."""
    if not _several():
        return
    for kind in {tensor.dtype for tensor in tensors}:
        alike = [tensor for tensor in tensors if tensor.dtype == kind]
        flat = torch.cat([tensor.reshape(-1) for tensor in alike])
        distributed.all_reduce(flat)
        parts = torch.split(flat, [tensor.numel() for tensor in alike])
        for tensor, part in zip(alike, parts, strict=True):
            tensor.copy_(part.view(tensor.shape))


def follow(tensors: Sequence[Tensor]) -> None:
    """Each tensor becomes that of the first process, in place."""
    if _several():
        for tensor in tensors:
            distributed.broadcast(tensor, src=0)


def gather(mine: Any) -> list[Any]:
    """What every process has to tell, in their order, told to all."""
    if not _several():
        return [mine]
    told: list[Any] = [None] * world()
    distributed.all_gather_object(told, mine)
    return told


def first(work: Callable[[], None]) -> None:
    """The first process does `work` while the others wait. Raises what that raises; in the others BudgetnetError."""
    failed: Exception | None = None
    if leads():
        try:
            work()
        except Exception as error:  # told below, so that nobody waits for a process that is gone
            failed = error
    told = gather(None if failed is None else str(failed))[0]
    if failed is not None:
        raise failed
    if told is not None:
        raise BudgetnetError(told)


def agree(answer: bool) -> bool:
    """Whether any of the processes says yes: they must go on or stop together."""
    if not _several():
        return answer
    device = "cuda" if torch.cuda.is_available() else "cpu"
    said = torch.tensor([float(answer)], device=device)
    distributed.all_reduce(said)
    return bool(said.item() > 0)


def _several() -> bool:
    return distributed.is_available() and distributed.is_initialized()
