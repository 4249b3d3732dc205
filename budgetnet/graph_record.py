"""A graph as plain data for JSON, and back: every node with its operator's name and fields."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from budgetnet.graph import Graph, GraphBuilder
from budgetnet.ops import OPERATORS, Input, Operator, Shape

_BY_NAME: Mapping[str, type[Operator]] = {operator.__name__: operator for operator in OPERATORS}


def record(graph: Graph) -> list[dict[str, Any]]:
    """The nodes of a graph of plain ints, in their order."""
    return [
        {
            "name": node.name,
            "part": node.part,
            "op": type(node.op).__name__,
            "with": asdict(node.op),  # type: ignore[call-overload]
            "inputs": list(node.inputs),
            "shape": [node.shape.channels, node.shape.height, node.shape.width],
        }
        for node in graph.nodes
    ]


def graph_of(nodes: Sequence[Mapping[str, Any]]) -> Graph:
    """The graph that `record()` described; shapes are found anew. Raises KeyError or TypeError for something else."""
    g = GraphBuilder()
    for node in nodes:
        with g.part(node["part"]):
            g.add(node["name"], _operator(node["op"], node["with"]), *node["inputs"])
    return g.finish()


def _operator(name: str, given: Mapping[str, Any]) -> Operator:
    chosen = _BY_NAME[name]
    if chosen is Input:
        return Input(shape=Shape(**given["shape"]))
    known = {field.name for field in fields(chosen)}  # type: ignore[arg-type]
    return chosen(**{key: given[key] for key in known})
