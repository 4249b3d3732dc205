"""The operation table, what each layer sees, what the network needs in memory, where its operations go: what
`budgetnet ops --summary` prints.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from budgetnet import ops_report, units
from budgetnet.formats.table import least_width
from budgetnet.networks import Candidate
from budgetnet.report import Column, Report, Table, Text
from budgetnet.summary import MOST, Seen, Summary, summarise
from budgetnet.units import PRECISIONS, Precision

KIND = Column(key="kind", heading="kind", right=False)
SCREEN = 120
"""Characters that a table on the screen has at most."""

NARROW = {
    "macs": Column(key="macs", heading="M MACs", show=units.mega),
    "params": Column(key="params", heading="params"),
}
MEGA_OPS = Column(key="ops", heading="MOP", show=units.mega)
SHARE = Column(key="share", heading="% of operations", show=units.percent)
SIGHT = (
    Column(key="receptive_field", heading="receptive field"),
    Column(key="stride", heading="stride", show=lambda value: f"{value:.4g}"),
)
KIND_COLUMNS = (
    KIND,
    Column(key="layers", heading="layers"),
    Column(key="macs", heading="MACs"),
    MEGA_OPS,
    SHARE,
    Column(key="params", heading="parameters"),
    Column(key="params_share", heading="% of parameters", show=units.percent),
)
LEADING_COLUMNS = (
    Column(key="name", heading="layer", right=False),
    KIND,
    MEGA_OPS,
    SHARE,
    Column(key="sum_of_shares", heading="% together", show=units.percent),
)
SIZE_COLUMNS = (
    Column(key="what", heading="what", right=False),
    *(Column(key=f"{precision}_bytes", heading=precision, show=units.megabytes) for precision in PRECISIONS),
)


def report(candidate: Candidate, *, classes: int, height: int, width: int) -> Report:
    """The report of `ops_report` with the summary's figures in every part. Raises BudgetnetError on a bad size."""
    plain = ops_report.report(candidate, classes=classes, height=height, width=width)
    summary = summarise(candidate.graph(classes=classes, height=height, width=width))
    added = [_added(each) for each in summary.layers]
    texts = [block for block in plain.blocks if isinstance(block, Text)]
    (shown,) = (block for block in plain.blocks if isinstance(block, Table))
    (exact,) = plain.tables
    others = sizes, kinds, leading = _sizes(summary), _kinds(summary), _leading(summary)
    return Report(
        key=plain.key,
        title=plain.title,
        blocks=[*texts, Text(text=_sight(summary)), _shown(shown, summary), *others],
        tables=[_exact(exact, added), *others],
        record={
            **plain.record,
            "layers": [{**layer, **more} for layer, more in zip(plain.record["layers"], added, strict=True)],
            "memory": {
                row["key"]: {precision: row[f"{precision}_bytes"] for precision in PRECISIONS} for row in sizes.rows
            },
            "kinds": [dict(row) for row in kinds.rows],
            "leading": [dict(row) for row in leading.rows],
        },
    )


def _added(each: Seen) -> dict[str, Any]:
    stride = each.field.stride
    return {
        "kind": each.kind,
        "share": each.share,
        "receptive_field": each.field.pixels,
        "stride": stride.numerator if stride.denominator == 1 else float(stride),
    }


def _shown(table: Table, summary: Summary) -> Table:
    """The table for people, with what each layer sees. MACs, half the operations, make room where the widest images
    would lead it over the edge of the screen.
    """
    name, output, *figures = (NARROW.get(column.key, column) for column in table.columns)
    sight = {each.layer.name: _added(each) for each in summary.layers}
    shown = replace(
        table,
        columns=[name, output, *SIGHT, *figures],
        rows=[{**sight.get(row["name"], {}), **row} for row in table.rows],
    )
    if least_width(shown) <= SCREEN:
        return shown
    return replace(shown, columns=[column for column in shown.columns if column.key != "macs"])


def _exact(table: Table, added: list[dict[str, Any]]) -> Table:
    """The table for machines, with all that is known of each layer."""
    return Table(
        key=table.key,
        title=table.title,
        columns=[*table.columns, KIND, SHARE, *SIGHT],
        rows=[{**row, **more} for row, more in zip(table.rows, added, strict=True)],
    )


def _sight(summary: Summary) -> str:
    return (
        "Receptive field: the side, in pixels, of the square of the image that an output sees, borders left out of "
        f"account; {summary.layers[-1].field.pixels} in the end. Stride: pixels from one output to the next."
    )


def _sizes(summary: Summary) -> Table:
    needed = summary.memory
    measures: tuple[tuple[str, str, Callable[[Precision], int]], ...] = (
        ("input_bytes", "input", summary.image_bytes),
        ("forward_bytes", "forward pass: every map once, with the input", needed.activation_bytes),
        ("peak_bytes", "peak: maps that are live at once", needed.peak_bytes),
        ("parameter_bytes", "parameters (biases beside int8 in 32 bits)", needed.weight_bytes),
    )
    return Table(
        key="memory",
        title="Memory for one image in MB (10^6 bytes), batch norm folded",
        columns=SIZE_COLUMNS,
        rows=[
            {"key": key, "what": what, **{f"{precision}_bytes": measure(precision) for precision in PRECISIONS}}
            for key, what, measure in measures
        ],
    )


def _kinds(summary: Summary) -> Table:
    rows = [
        {
            "kind": group.kind,
            "layers": group.layers,
            "macs": group.cost.macs,
            "ops": group.cost.ops,
            "share": group.share,
            "params": group.cost.params,
            "params_share": group.params_share,
        }
        for group in summary.kinds
    ]
    return Table(key="kinds", title="Kinds of layers, most operations first", columns=KIND_COLUMNS, rows=rows)


def _leading(summary: Summary) -> Table:
    rows: list[dict[str, Any]] = []
    made = 0
    for each in summary.leading:
        cost = each.layer.cost
        made += cost.ops
        figures = {"ops": cost.ops, "share": each.share, "sum_of_shares": made / summary.total.ops}
        rows.append({"name": each.layer.name, "kind": each.kind, **figures})
    title = f"{len(rows)} of {summary.computing} layers make {units.percent(float(MOST), 0)} % of the operations"
    return Table(key="leading", title=title, columns=LEADING_COLUMNS, rows=rows)
