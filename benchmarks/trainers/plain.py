"""The plain loop: how one trains the network with torch alone, in a screenful.

Eager fp32, planes one after the other in memory, glibc's allocator and torch's threads as they come,
`torch.optim.Adam`, transposed convolutions as torch has them, scores at full size into torch's own cross-entropy.
Images lie in memory as bytes and are indexed batch by batch: it does not pay for decoding.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from budgetnet.build import GraphModule, build
from budgetnet.classes import IGNORE
from budgetnet.graph import Graph
from budgetnet.training.samples import Samples, Scaling
from trainers.levers import transposed_plainly


def network(graph: Graph) -> GraphModule:
    """The network, ready to train."""
    model = build(graph, seed=0)
    transposed_plainly(model)
    return model.train()


def apart(samples: Samples) -> Samples:
    """The same images, plane by plane."""
    return Samples(images=samples.images.contiguous(), labels=samples.labels)


def epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    samples: Samples,
    scaling: Scaling,
    batch: int,
    done: Callable[[float], None],
) -> None:
    """One pass in an order drawn from torch's generator; `done` is told the loss of every step."""
    for chosen in torch.randperm(len(samples)).tensor_split(samples.batches(batch)):
        scores = model(scaling(samples.images[chosen]))
        loss = functional.cross_entropy(scores, samples.labels[chosen].long(), ignore_index=IGNORE)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        done(loss.item())
