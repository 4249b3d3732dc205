"""Holds our analytic count against fvcore's count of the built module, layer by layer. The one place that knows both.

fvcore counts one per multiply-accumulate and no biases, so multiply-accumulates are compared, and parameters with
`numel`.
"""

from dataclasses import dataclass
from typing import Any, final

import torch
from torch import nn

from budgetnet import units
from budgetnet.build import GraphModule, build
from budgetnet.count import Count, count
from budgetnet.errors import BudgetnetError
from budgetnet.graph import Graph, module_path
from budgetnet.networks import Candidate

LARGEST_BYTES = 8 * units.GIGA
"""Beyond it a network is not built only to be counted: the machine might not survive it."""

CONVOLUTION = "conv"
"""fvcore's name for the operators that multiply and accumulate."""

_SILENT = (
    "add add_ batch_norm cat dropout hardtanh_ max_pool2d max_pool2d_with_indices mul new_zeros pad prelu relu_ "
    "scatter upsample_bilinear2d upsample_nearest2d"
)
WITHOUT_MACS = frozenset(f"aten::{name}" for name in _SILENT.split())
"""Traced operators that rightly count nothing here. Any other one that fvcore does not know is an error."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One figure by both counters: `quantity` is `macs` or `params`."""

    layer: str
    quantity: str
    ours: int
    theirs: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Both counters on one network: totals, and each layer where they differ."""

    macs: Comparison
    params: Comparison
    layers: int
    differences: tuple[Comparison, ...]

    @property
    def agrees(self) -> bool:
        """Whether every layer and both totals are equal."""
        return not self.differences

    def summary(self) -> str:
        """Both totals and the verdict, one line each."""
        lines = [
            f"{total.quantity}: {total.ours:,} counted by budgetnet, {total.theirs:,} by {source} on the built module"
            for total, source in ((self.macs, "fvcore"), (self.params, "numel"))
        ]
        differing = "\n".join(
            f"differs: {d.layer}: {d.quantity} {d.ours:,} by budgetnet, {d.theirs:,} by fvcore"
            for d in self.differences
        )
        return "\n".join([*lines, differing or f"Both agree in each of {self.layers} layers."])


class CountMismatchError(BudgetnetError):
    """The analytic count and fvcore's differ: one of them is wrong, and no figure is to be trusted."""


def verify(graph: Graph, counted: Count, module: GraphModule) -> Verification:
    """Counts `module` with fvcore on one image of the graph's size and compares every layer. Leaves the module as it
    was.

    Raises CountMismatchError where fvcore meets an operator that it cannot count.
    """
    theirs = fvcore_macs(module, graph)
    comparisons = []
    for layer in counted.layers:
        if layer.node is graph.input:
            continue
        path = module_path(layer.name)
        parameters = sum(parameter.numel() for parameter in module.node_module(layer.name).parameters())
        comparisons.append(
            Comparison(layer=layer.name, quantity="macs", ours=layer.cost.macs, theirs=theirs.get(path, 0))
        )
        comparisons.append(Comparison(layer=layer.name, quantity="params", ours=layer.cost.params, theirs=parameters))
    macs = Comparison(layer="total", quantity="macs", ours=counted.total.macs, theirs=theirs.get("", 0))
    numel = sum(parameter.numel() for parameter in module.parameters())
    params = Comparison(layer="total", quantity="params", ours=counted.total.params, theirs=numel)
    differences = tuple(each for each in [*comparisons, macs, params] if each.ours != each.theirs)
    return Verification(macs=macs, params=params, layers=len(counted.layers) - 1, differences=differences)


def verify_candidate(candidate: Candidate, *, classes: int, height: int, width: int) -> Verification:
    """Builds a candidate and holds both counters against each other.

    Raises BudgetnetError where that would take more than `LARGEST_BYTES`.
    """
    graph = candidate.graph(classes=classes, height=height, width=width)
    counted = count(graph)
    maps = max(node.shape.channels * node.shape.height * node.shape.width for node in graph.nodes)
    needed = 4 * (counted.total.params + 3 * maps)  # fp32 weights, and a map with what it is made from and padded to
    if needed > LARGEST_BYTES:
        rule = f"verifying must take {LARGEST_BYTES / units.GIGA:g} GB of memory or less"
        raise BudgetnetError(f"{rule}, but got about {needed / units.GIGA:,.0f} GB for {candidate.label}")
    return verify(graph, counted, build(graph, seed=0))


def require_agreement(verification: Verification) -> None:
    """Raises CountMismatchError naming every layer where the two counters differ."""
    if not verification.agrees:
        raise CountMismatchError(f"the analytic count differs from fvcore's:\n{verification.summary()}")


def fvcore_macs(module: nn.Module, graph: Graph) -> dict[str, int]:
    """fvcore's multiply-accumulates of convolutions by module path; the whole network's under the empty path."""
    from fvcore.nn import FlopCountAnalysis

    shape = graph.input.shape
    parameter = next(module.parameters())
    image = torch.zeros(1, shape.channels, shape.height, shape.width, device=parameter.device, dtype=parameter.dtype)
    training = module.training
    module.eval()
    analysis = FlopCountAnalysis(module, image)
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
    by_module: dict[str, Any] = analysis.by_module_and_operator()
    unknown = set(analysis.unsupported_ops()) - WITHOUT_MACS
    module.train(training)
    if unknown:
        raise CountMismatchError(f"fvcore cannot count {', '.join(sorted(unknown))}: its total would be too low")
    return {path: int(operators.get(CONVOLUTION, 0)) for path, operators in by_module.items()}
