"""The operation table of one network: `budgetnet ops`."""

from collections.abc import Sequence
from typing import Any

from budgetnet import units
from budgetnet.count import Cost, Count, Layer, count
from budgetnet.networks import Candidate
from budgetnet.ops import Input
from budgetnet.report import Block, Column, Report, Table, Text

MACHINE_COLUMNS = (
    Column(key="name", heading="layer", right=False),
    Column(key="op", heading="operator", right=False),
    Column(key="channels", heading="channels"),
    Column(key="height", heading="height"),
    Column(key="width", heading="width"),
    Column(key="macs", heading="MACs"),
    Column(key="bias_adds", heading="bias additions"),
    Column(key="ops", heading="operations"),
    Column(key="params", heading="parameters"),
)
COLUMNS = (
    Column(key="name", heading="layer", right=False),
    Column(key="output", heading="output (C x H x W)"),
    Column(key="macs", heading="MACs"),
    Column(key="ops", heading="MOP", show=units.mega),
    Column(key="share", heading="% of operations", show=units.percent),
    Column(key="params", heading="parameters"),
)


def report(candidate: Candidate, *, classes: int, height: int, width: int) -> Report:
    """What each layer of a network costs for one image. Raises BudgetnetError on a bad size."""
    graph = candidate.graph(classes=classes, height=height, width=width)
    counted = count(graph)
    layers = [layer for layer in counted.layers if not isinstance(layer.node.op, Input)]
    title = f"{candidate.network} for {height} x {width} images, {classes} classes"
    about = ", ".join(f"{name} {value}" for name, value in candidate.parameters.items())
    blocks: list[Block] = [
        Text(text=f"{about}. Operations (one multiplication or one addition each) = 2 x MACs + bias additions."),
        Text(text=_totals(counted.total)),
        _people_table(counted, layers),
    ]
    machines = Table(key="layers", title=title, columns=MACHINE_COLUMNS, rows=[_machine_row(layer) for layer in layers])
    record = {
        "network": candidate.network,
        "parameters": {**candidate.parameters, "classes": classes},
        "input": {"channels": graph.input.shape.channels, "height": height, "width": width},
        "layers": [_record(layer) for layer in layers],
        "total": _figures(counted.total),
    }
    return Report(key="ops", title=title, blocks=blocks, tables=[machines], record=record)


def _people_table(counted: Count, layers: Sequence[Layer]) -> Table:
    """Only the layers that compute, as in the published table; what is folded away is summed up in one row."""
    total = counted.total
    rows: list[dict[str, Any]] = []
    for layer in layers:
        if layer.cost.ops:
            shape = layer.node.shape
            output = f"{shape.channels} x {shape.height} x {shape.width}"
            row = {"name": layer.name, "output": output, "share": layer.cost.ops / total.ops, **_figures(layer.cost)}
            rows.append(row)
    folded = [layer for layer in layers if layer.cost.params and not layer.cost.ops]
    if folded:
        params = sum(layer.cost.params for layer in folded)
        rows.append({"name": f"{len(folded)} x {folded[0].op} (folded when deployed)", "params": params})
    rows.append({"name": "total", "share": 1.0, **_figures(total)})
    return Table(
        key="layers", title="Layers", columns=COLUMNS, rows=rows, marked=lambda row: bool(row["name"] == "total")
    )


def _totals(total: Cost) -> str:
    return (
        f"Total: {total.macs:,} MACs, {total.bias_adds:,} bias additions, {total.ops:,} operations "
        f"({units.operations(total.macs, 0):,} of them in convolutions), {total.params:,} parameters."
    )


def _figures(cost: Cost) -> dict[str, int]:
    return {"macs": cost.macs, "bias_adds": cost.bias_adds, "ops": cost.ops, "params": cost.params}


def _record(layer: Layer) -> dict[str, Any]:
    shape = layer.node.shape
    output = [shape.channels, shape.height, shape.width]
    return {"name": layer.name, "op": layer.op, "output_shape": output, **_figures(layer.cost)}


def _machine_row(layer: Layer) -> dict[str, Any]:
    shape = layer.node.shape
    sides = {"channels": shape.channels, "height": shape.height, "width": shape.width}
    return {"name": layer.name, "op": layer.op, **sides, **_figures(layer.cost)}
