"""The gradients of a batch, computed in parts: side by side on the cores of a machine, and on several processes.

Each part goes through its own copy of the network, which shares the weights and has its own running statistics; a
batch's gradient is the mean of its parts'. So results depend on the number of parts alone, as long as there are no more
threads than parts: one process with two threads, two processes (torchrun) and one thread after another give the same
numbers. On a processor this is faster than one part on several threads, which wait for each other in every operator.
"""

import copy
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import zip_longest
from types import TracebackType
from typing import Self, final

import torch
from torch import Tensor, nn

from budgetnet.build import Dropout, GraphModule
from budgetnet.training import ranks
from budgetnet.training.objective import Objective


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one part is within an epoch: the states of its generators, and its running statistics."""

    drawn: Sequence[Tensor]
    statistics: Sequence[Tensor]


@final
class Team:
    """Computes batches in `parts`; those of this process, where there are several. A context: it holds threads."""

    def __init__(self, model: GraphModule, objective: Objective, parts: int) -> None:
        self._model, self._objective = model, objective
        self._numbers = range(ranks.rank(), parts, ranks.world())
        self._parts = parts
        self._copies = [model, *(_sharing(model) for _ in self._numbers[1:])]
        self._weights = [each for each in model.parameters() if each.requires_grad]
        device = next(model.parameters()).device
        self._generators: list[torch.Generator] = []
        if parts > 1:  # one part draws from torch's own generator, as any other training does
            self._generators = [torch.Generator(device) for _ in self._copies]
            for each, generator in zip(self._copies, self._generators, strict=True):
                _draw_from(each, generator)
        side_by_side = len(self._copies) > 1 and device.type == "cpu" and torch.get_num_threads() > 1
        self._threads = torch.get_num_threads()
        self._workers = min(len(self._copies), self._threads) if side_by_side else 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._pool: ThreadPoolExecutor | None = None
        if self._workers:
            share = (self._threads // self._workers,)
            pool = ThreadPoolExecutor(self._workers, "part", initializer=torch.set_num_threads, initargs=share)
            self._pool = self._stack.enter_context(pool)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        torch.set_num_threads(self._threads)
        self._stack.close()

    def begin(self, seed: int) -> None:
        """An epoch begins: everything is ready to train, and what is drawn follows from the seed and the part."""
        for each in self._copies:
            _train(each)
        if self._pool is not None:
            torch.set_num_threads(1)  # the cores belong to the parts: threads that wait for others would take them
        for number, generator in zip(self._numbers, self._generators, strict=False):
            generator.manual_seed((seed * 1_000_003 + number) % 2**63)

    def step(self, images: Tensor, labels: Tensor) -> float:
        """Sets the gradients of a whole batch, of which this process computes its parts. Returns the batch's loss."""
        pictures, truths = images.tensor_split(self._parts), labels.tensor_split(self._parts)
        mine = [(pictures[number], truths[number]) for number in self._numbers]
        if self._pool is not None:
            done = list(self._pool.map(self._part, self._copies, *zip(*mine, strict=True)))
        else:
            done = [self._part(each, *part) for each, part in zip(self._copies, mine, strict=True)]
        loss = torch.stack([loss for loss, _ in done]).sum()
        gradients = _sum([gradients for _, gradients in done])
        ranks.add_up([loss, *gradients])
        if self._parts > 1:
            torch._foreach_div_(gradients, self._parts)
        for weight, gradient in zip(self._weights, gradients, strict=True):
            weight.grad = _laid_out_as(weight, gradient)
        return (loss / self._parts).item()

    def gather(self) -> None:
        """The steps are done. Brings the running statistics of all parts together: their mean, in every copy.

        They are moving averages, so their mean is what one statistic fed with the means would be.
        """
        torch.set_num_threads(self._threads)
        if self._parts == 1:
            return
        buffers = [_statistics(each) for each in self._copies]
        total = _sum([[each.clone() for each in one] for one in buffers])
        ranks.add_up(total)
        torch._foreach_div_(total, self._parts)
        for one in buffers:
            torch._foreach_copy_(one, total)

    def places(self) -> list[Place]:
        """How far every part has come within an epoch: its generators and its running statistics."""
        mine = [
            Place(drawn=_drawn(generator), statistics=[each.cpu().clone() for each in _statistics(model)])
            for model, generator in zip_longest(self._copies, self._generators)
        ]
        gathered = ranks.gather(mine)  # rank r holds the parts r, r + world, ...
        return [gathered[part % ranks.world()][part // ranks.world()] for part in range(self._parts)]

    def go_on(self, places: Sequence[Place]) -> None:
        """Brings the parts of this process to where `places` told."""
        for number, model, generator in zip_longest(self._numbers, self._copies, self._generators):
            place = places[number]
            for statistic, value in zip(_statistics(model), place.statistics, strict=True):
                statistic.copy_(value)
            _draw_on(generator, place.drawn)

    def _part(self, model: GraphModule, images: Tensor, labels: Tensor) -> tuple[Tensor, list[Tensor]]:
        loss = self._objective(model, images, labels)
        gradients = torch.autograd.grad(loss, self._weights, allow_unused=True, materialize_grads=True)
        return loss.detach().float(), list(gradients)


def _laid_out_as(weight: Tensor, gradient: Tensor) -> Tensor:
    """Optimisers are fastest where both lie alike in memory."""
    return gradient if gradient.stride() == weight.stride() else torch.empty_like(weight).copy_(gradient)


def _statistics(model: nn.Module) -> list[Tensor]:
    return [each for each in model.buffers() if each.is_floating_point()]


def _drawn(generator: torch.Generator | None) -> list[Tensor]:
    if generator is not None:
        return [generator.get_state()]
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state()] if torch.cuda.is_available() else [])]


def _draw_on(generator: torch.Generator | None, drawn: Sequence[Tensor]) -> None:
    if generator is not None:
        generator.set_state(drawn[0])
        return
    torch.set_rng_state(drawn[0])
    if len(drawn) > 1 and torch.cuda.is_available():
        torch.cuda.set_rng_state(drawn[1])


def _sharing(model: GraphModule) -> GraphModule:
    """A copy with statistics of its own and the very same weights."""
    shared = {id(each): each for each in model.parameters()}
    made: GraphModule = copy.deepcopy(model, shared)
    return made


def _draw_from(model: nn.Module, generator: torch.Generator) -> None:
    for module in model.modules():
        if isinstance(module, Dropout):
            module.generator = generator


def _train(model: GraphModule) -> None:
    """Training mode, but for batch norms whose weights do not move: they stay as they came."""
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and not module.weight.requires_grad:
            module.eval()


def _sum(lists: list[list[Tensor]]) -> list[Tensor]:
    total = lists[0]
    for other in lists[1:]:
        torch._foreach_add_(total, other)
    return total
