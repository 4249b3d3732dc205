"""Graph and weights -> an ONNX model: kernel by kernel, with everything folded that a runtime would have to fold.

Nodes keep the names of the graph's, so a runtime's profile names the layers that counts and plans name. Sizes are those
of the graph, the batch is free.
"""

from collections.abc import Mapping
from typing import Final

from onnx import ModelProto, helper

from budgetnet.deploy.folding import Weights
from budgetnet.deploy.rules import RULES
from budgetnet.deploy.writer import Form, Writer
from budgetnet.graph import Graph
from budgetnet.kernels import kernels
from budgetnet.ops import NoRuleError

PLAIN: Final = Form()


def emit(graph: Graph, weights: Weights, form: Form = PLAIN) -> ModelProto:
    """The model. `weights` are named as in the state dict of the graph's built module. Raises NoRuleError for an
    operator without a rule.
    """
    steps = kernels(graph)
    shapes = {node.name: node.shape for node in graph.nodes}
    writer = Writer(weights=weights, shapes=shapes, form=form)
    writer.tensors[graph.input.name] = writer.prepared()
    for kernel in steps:
        rule = RULES.get(type(kernel.main.op))
        if rule is None:
            raise NoRuleError(f"{type(kernel.main.op).__name__} has no ONNX rule (node {kernel.name!r})")
        writer.tensors[kernel.result] = rule(writer, kernel)
    result = steps[-1].result if steps else graph.input.name
    return writer.model(writer.finished(writer.tensors[result]), graph)


def named(model: ModelProto, facts: Mapping[str, str]) -> bytes:
    """The model as its file, the same bytes every time; `facts` about it are kept in it as metadata."""
    helper.set_model_props(model, dict(facts))
    return bytes(model.SerializeToString(deterministic=True))
