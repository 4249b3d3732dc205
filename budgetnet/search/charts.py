"""The charts of the interactive page, in Vega-Lite as Altair declares it. Every view and parameter has a name of its
own, so that equal searches give equal pages.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from budgetnet.columns import word
from budgetnet.drawing import INK, MUTED, PALETTE, REQUIRED, WANTED
from budgetnet.search.findings import Findings
from budgetnet.search.importance import Importance
from budgetnet.search.picture import group_order
from budgetnet.search.progress_curves import time_unit
from budgetnet.search.timeline import lanes, phases
from budgetnet.search.trial_table import status_word, varied

if TYPE_CHECKING:  # loaded where a page is made
    import altair as alt

Rows = list[dict[str, Any]]

WIDTH: Final = 830
NONE: Final = "none"
"""The value of a parameter that a candidate does not have."""

SHAPES: Final = {
    "trained to the end": "circle",
    "stopped at a rung": "diamond",
    "under way": "square",
    "not finished": "triangle-up",
    "failed": "cross",
}
BLUE: Final = "#1f5fa8"


def _spec(chart: Any, data: Mapping[str, Rows]) -> dict[str, Any]:
    """The chart's declaration with its rows: these are data of ours, and need no check against a schema."""
    config = {
        "font": "system-ui, sans-serif",
        "view": {"stroke": None},
        "axis": {"labelColor": MUTED, "titleColor": MUTED, "gridColor": "#e8e8e8", "domainColor": "#999999"},
        "legend": {"labelColor": INK, "titleColor": MUTED, "labelLimit": 260},
    }
    made: dict[str, Any] = chart.to_dict()
    made.pop("$schema", None)  # an address, and no page of ours names one
    return {**made, "datasets": dict(data), "config": config}


def first_group(findings: Findings) -> str:
    """The parameter that colours: the head where candidates have several, else the first that varies."""
    names = [column.key for column in varied(findings)]
    return "head" if "head" in names or not names else names[0]


def group_names(findings: Findings) -> list[str]:
    """All parameters that may colour, that of `first_group` first."""
    first = first_group(findings)
    return [first, *(column.key for column in varied(findings) if column.key != first)]


def front_rows(findings: Findings) -> Rows:
    """A row for every trial with a mean IoU."""
    names = group_names(findings)
    rows: Rows = []
    for trial in findings.trials:
        value = findings.so_far(trial)
        if value is None:
            continue
        planned = findings.measured(trial)
        made: dict[str, Any] = {
            "trial": f"trial {trial.number}",
            "candidate": trial.candidate.label,
            "mean_iou": value,
            "images_per_second": trial.images_per_second,
            "mop": planned.cost.ops / 1e6,
            "mparams": planned.cost.params / 1e6,
            "epochs": f"{trial.epochs} of {findings.rungs[-1]}",
            "status": status_word(findings, trial),
            "why": findings.reason(trial),
            "origin": trial.origin,
            "front": findings.is_on_front(trial),
        }
        given = trial.candidate.parameters
        made |= {name: word(given[name]) if name in given else NONE for name in (*given, *names)}
        if trial.result is not None and findings.spread(trial).seeds > 1:
            spread = findings.spread(trial)
            made |= {"seeds": spread.seeds, "least": spread.least, "most": spread.most}
            made |= {"share": f"{100 * findings.front_share[trial.number]:.0f} %"}
        rows.append(made)
    for name in names:
        order = {value: place for place, value in enumerate(group_order([each[name] for each in rows]))}
        for each in rows:
            each[f"{name} order"] = order[each[name]]
    return rows


def front_chart(findings: Findings) -> dict[str, Any]:
    """IoU over images per second, each candidate to hover over, to zoom into, and to colour by any parameter."""
    import altair as alt

    rows = front_rows(findings)
    names = group_names(findings)
    heads = [name.replace("_", " ") for name in names]
    colour_by = alt.param(
        name="colour_by", value=names[0], bind=alt.binding_select(options=names, labels=heads, name="colour by ")
    )
    layers = [*_lines(findings, rows), *_seed_bars(findings, rows), *_dots(findings, rows)]
    chart = alt.layer(*layers).properties(width=WIDTH - 170, height=430, name="front")
    if len(names) > 1:
        chart = chart.add_params(colour_by)
    else:
        chart = chart.add_params(alt.param(name="colour_by", value=names[0]))
    return _spec(chart, {"trials": rows, "lines": _line_rows(findings, rows)})


def _x(findings: Findings) -> "alt.X":
    import altair as alt

    title = findings.outcome.throughput.title
    return alt.X("images_per_second:Q", scale=alt.Scale(zero=False, padding=18), title=title)


def _y() -> "alt.Y":
    import altair as alt

    return alt.Y("mean_iou:Q", scale=alt.Scale(zero=False, padding=18), title="mean IoU (void left out)")


def _line_rows(findings: Findings, rows: Rows) -> Rows:
    """Lines that the scenario and guessing draw: values of one axis each."""
    scenario = findings.scenario
    required = float(scenario.images_per_second)
    found: Rows = [{"images_per_second": required, "name": f"required: {required:g} images/s", "colour": REQUIRED}]
    if scenario.minimum_mean_iou is not None:
        least = scenario.minimum_mean_iou
        found.append({"mean_iou": least, "name": f"wanted mean IoU: {least:g}", "colour": WANTED})
    values = [each["mean_iou"] for each in rows]
    if min(values) - 0.02 <= findings.guess.mean_iou <= max(values):
        found.append(
            {"mean_iou": findings.guess.mean_iou, "name": "guessing the most frequent class", "colour": REQUIRED}
        )
    return found


def _lines(findings: Findings, rows: Rows) -> list[Any]:
    """The scenario's lines with their names, each beside its line."""
    import altair as alt

    base = alt.Chart(alt.NamedData(name="lines"))
    colour = alt.Color("colour:N", scale=None)
    up = base.transform_filter("isValid(datum.images_per_second)")
    across = base.transform_filter("isValid(datum.mean_iou)")
    layers: list[Any] = [
        up.mark_rule(strokeDash=[6, 4], strokeWidth=1.3).encode(x=_x(findings), color=colour),
        up.mark_text(angle=270, align="left", baseline="bottom", dx=8, dy=-5, fontSize=11).encode(
            x=_x(findings), y=alt.value("height"), text="name:N", color=colour
        ),
    ]
    if len(_line_rows(findings, rows)) > 1:
        layers += [
            across.mark_rule(strokeDash=[6, 4], strokeWidth=1.3).encode(y=_y(), color=colour),
            across.mark_text(align="right", baseline="bottom", dx=-4, dy=-4, fontSize=11).encode(
                x=alt.value("width"), y=_y(), text="name:N", color=colour
            ),
        ]
    return layers


def _seed_bars(findings: Findings, rows: Rows) -> list[Any]:
    """The least to the most over seeds."""
    import altair as alt

    if not any("least" in each for each in rows):
        return []
    base = alt.Chart(alt.NamedData(name="trials")).transform_filter("isValid(datum.least)")
    ends = [
        base.mark_tick(color=INK, thickness=1.2, size=9, orient="horizontal").encode(
            x=_x(findings), y=alt.Y(f"{end}:Q")
        )
        for end in ("least", "most")
    ]
    return [base.mark_rule(color=INK, strokeWidth=1.2).encode(x=_x(findings), y=alt.Y("least:Q"), y2="most:Q"), *ends]


def _dots(findings: Findings, rows: Rows) -> list[Any]:
    """The front's steps and rings, and every candidate."""
    import altair as alt

    base = alt.Chart(alt.NamedData(name="trials"))
    best = base.transform_filter("datum.front")
    chosen = alt.selection_point(name="chosen", fields=["group"], bind="legend")
    zoom = alt.selection_interval(name="zoom", bind="scales")
    present = [name for name in SHAPES if any(each["status"] == name for each in rows)]
    shape = alt.Shape(
        "status:N", scale=alt.Scale(domain=present, range=[SHAPES[name] for name in present]), title="status"
    )
    faint = "datum.status === 'trained to the end' ? 0.95 : 0.38"
    dots = (
        base.transform_calculate(group="datum[colour_by]", order="datum[colour_by + ' order']", faint=faint)
        .mark_point(filled=True, size=34 if len(rows) > 150 else 70)
        .encode(
            x=_x(findings),
            y=_y(),
            color=alt.Color(
                "group:N",
                scale=alt.Scale(range=list(PALETTE)),
                sort=alt.EncodingSortField(field="order", op="min"),
                title="click to pick out",
            ),
            shape=shape,
            opacity=alt.condition(chosen, alt.value(1), alt.value(0.06)),
            fillOpacity=alt.FillOpacity("faint:Q", scale=None, legend=None),
            tooltip=_tooltip(findings),
        )
        .add_params(chosen, zoom)
        .properties(name="dots")
    )
    return [
        best.mark_line(interpolate="step-before", color=INK, strokeWidth=1.4).encode(x=_x(findings), y=_y()),
        dots,
        best.mark_point(filled=False, size=190, color=INK, strokeWidth=1.3, tooltip=None).encode(
            x=_x(findings), y=_y()
        ),
    ]


def _tooltip(findings: Findings) -> "list[alt.Tooltip]":
    import altair as alt

    parts = [
        alt.Tooltip("trial:N"),
        alt.Tooltip("status:N"),
        alt.Tooltip("why:N", title="what became of it"),
        alt.Tooltip("mean_iou:Q", title="mean IoU", format=".4f"),
        alt.Tooltip("images_per_second:Q", title="images per second", format=",.1f"),
        alt.Tooltip("mop:Q", title="MOP per image", format=",.1f"),
        alt.Tooltip("mparams:Q", title="M params", format=",.3f"),
        alt.Tooltip("epochs:N"),
        alt.Tooltip("origin:N", title="proposed by"),
    ]
    if findings.repeated:
        parts += [
            alt.Tooltip("seeds:Q"),
            alt.Tooltip("least:Q", title="least over seeds", format=".4f"),
            alt.Tooltip("most:Q", title="most over seeds", format=".4f"),
            alt.Tooltip("share:N", title="of draws on the front"),
        ]
    known: dict[str, None] = {}
    for trial in findings.trials:
        known |= dict.fromkeys(trial.candidate.parameters)
    return parts + [alt.Tooltip(f"{name}:N", title=name.replace("_", " ")) for name in known]


def hypervolume_chart(findings: Findings) -> dict[str, Any]:
    """The hypervolume against trials, epochs and time, side by side."""
    import altair as alt

    unit, size = time_unit(findings.curve[-1].seconds)
    rows: Rows = [
        {
            "trials": each.trials,
            "epochs": each.epochs,
            "time": each.seconds / size,
            "hypervolume": each.hypervolume,
            "done": "" if each.trial is None else f"trial {each.trial}",
        }
        for each in findings.curve
    ]
    parts = (("trials", "trials begun"), ("epochs", "epochs trained"), ("time", f"{unit} of training"))
    base = alt.Chart(alt.NamedData(name="curve"))
    charts = []
    for place, (field, title) in enumerate(parts):
        height = alt.Y("hypervolume:Q", stack=None, title=None if place else "hypervolume (IoU x images/s)")
        tips = [
            alt.Tooltip("done:N"),
            alt.Tooltip("hypervolume:Q", format=",.3f"),
            alt.Tooltip(f"{field}:Q", format=",.1f"),
        ]
        drawn = base.mark_area(
            interpolate="step-after", color=BLUE, fillOpacity=0.10, line={"color": BLUE, "strokeWidth": 1.8}
        ).encode(x=alt.X(f"{field}:Q", title=title), y=height)
        dots = base.transform_filter("datum.done !== ''").mark_point(filled=True, color=BLUE, size=26)
        both = alt.layer(drawn, dots.encode(x=f"{field}:Q", y=height, tooltip=tips))
        charts.append(both.properties(width=(WIDTH - 170) // 3, height=170, name=f"by_{field}"))
    return _spec(alt.hconcat(*charts, spacing=28), {"curve": rows})


def timeline_chart(findings: Findings) -> dict[str, Any]:
    """Who trained what when."""
    import altair as alt

    shown = findings.bars
    names = lanes(shown)
    unit, size = time_unit(max(bar.ended_second for bar in shown))
    rows: Rows = [
        {
            "worker": names[bar.worker],
            "began": bar.began_second / size,
            "ended": bar.ended_second / size,
            "phase": bar.phase,
            "trial": f"{bar.kind if bar.kind != 'search' else 'trial'} {bar.trial}",
            "candidate": bar.label,
            "epochs": f"{bar.first_epoch} to {bar.last_epoch}",
            "status": bar.status,
        }
        for bar in shown
    ]
    colours = phases(findings.rungs, shown)
    chart = (
        alt.Chart(alt.NamedData(name="bars"))
        .mark_bar(stroke="white", strokeWidth=0.5 if len(rows) <= 200 else 0)
        .encode(
            x=alt.X("began:Q", title=f"{unit} of training, times when nothing trained left out"),
            x2="ended:Q",
            y=alt.Y("worker:N", sort=list(names.values()), title=None),
            color=alt.Color(
                "phase:N",
                scale=alt.Scale(domain=[name for name, _ in colours], range=[colour for _, colour in colours]),
                sort=[name for name, _ in colours],
                title=None,
            ),
            tooltip=[
                alt.Tooltip("trial:N"),
                alt.Tooltip("candidate:N"),
                alt.Tooltip("epochs:N"),
                alt.Tooltip("status:N"),
                alt.Tooltip("began:Q", title=f"began ({unit})", format=",.1f"),
                alt.Tooltip("ended:Q", title=f"ended ({unit})", format=",.1f"),
            ],
        )
        .add_params(alt.selection_interval(name="zoom_time", bind="scales", encodings=["x"]))
        .properties(width=WIDTH - 170, height=alt.Step(30), name="timeline")
    )
    return _spec(chart, {"bars": rows})


def importance_chart(found: Importance) -> dict[str, Any]:
    """Bars with a tick where chance alone comes to."""
    import altair as alt

    rows: Rows = [
        {
            "parameter": each.name.replace("_", " "),
            "importance": each.importance,
            "chance": each.by_chance,
            "trials": each.trials,
            "told": each.importance > each.by_chance,
        }
        for each in found.parameters
    ]
    base = alt.Chart(alt.NamedData(name="parameters")).encode(
        y=alt.Y("parameter:N", sort=[each["parameter"] for each in rows], title=None)
    )
    title = f"share of the importance for being among the best {found.top} of {found.trials} at epoch {found.rung}"
    bars = base.mark_bar(height={"band": 0.65}).encode(
        x=alt.X("importance:Q", axis=alt.Axis(format="%"), title=title),
        color=alt.condition("datum.told", alt.value(BLUE), alt.value("#b9c4d0")),
        tooltip=[
            alt.Tooltip("parameter:N"),
            alt.Tooltip("importance:Q", format=".1%"),
            alt.Tooltip("chance:Q", title="chance reaches, 1 in 20", format=".1%"),
            alt.Tooltip("trials:Q", title="trials that have it"),
        ],
    )
    ticks = base.mark_tick(color=INK, thickness=2, height={"band": 0.8}).encode(x="chance:Q")
    return _spec(
        alt.layer(bars, ticks).properties(width=WIDTH - 220, height=alt.Step(26), name="importance"),
        {"parameters": rows},
    )


def sections(findings: Findings, important: Importance | None) -> Sequence[tuple[str, str, dict[str, Any]]]:
    """(key, heading, chart) of all that there is to show, the front first."""
    found = [("front", "IoU against throughput", front_chart(findings))]
    if findings.curve:
        found.append(("hypervolume", "Hypervolume of the front as the search went on", hypervolume_chart(findings)))
    if findings.bars:
        found.append(("timeline", "Timeline of rungs", timeline_chart(findings)))
    if important is not None:
        found.append(("importance", "Which parameters mattered", importance_chart(important)))
    return found
