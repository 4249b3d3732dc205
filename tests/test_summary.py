"""The summary of a network: the published one's figures, and sums that must hold for any."""

import random
from fractions import Fraction

import pytest
from workbooks import as_text

from budgetnet import formats, ops, ops_report, summary_report
from budgetnet.count import count
from budgetnet.graph import Graph, GraphBuilder
from budgetnet.memory import memory
from budgetnet.networks import Candidate, mobilenet_fcn
from budgetnet.report import Report, Table
from budgetnet.summary import Summary, kind, summarise
from budgetnet.units import BYTES, PRECISIONS

PUBLISHED = Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.5, "classifier_kernel": 7, "classifier_depth": 1024})
TOTAL = 1_139_482_650


@pytest.fixture(scope="module")
def published() -> Summary:
    return summarise(PUBLISHED.graph(classes=7, height=320, width=480))


@pytest.fixture(scope="module")
def report() -> Report:
    return summary_report.report(PUBLISHED, classes=7, height=320, width=480)


# --- the published network


def test_operations_of_the_published_network_by_kind(published: Summary) -> None:
    assert [(group.kind, group.layers, group.cost.ops, group.cost.params) for group in published.kinds] == [
        ("pointwise", 15, 985_190_400, 1_316_352),
        ("depthwise", 14, 60_748_800, 47_408),
        ("transposed", 1, 60_211_200, 200_704),
        ("standard", 1, 33_177_600, 432),
        ("bias", 2, 154_650, 1_031),
        ("batch norm", 27, 0, 10_944),
    ]
    assert published.total.ops == TOTAL


def test_twelve_layers_of_the_published_network_make_80_percent(published: Summary) -> None:
    names = [each.layer.name.removesuffix("/convolution") for each in published.leading]
    most = [f"MobilenetV1/Conv2d_{row}_pointwise" for row in (3, 5, 7, 8, 9, 10, 11, 13)]
    rest = [f"MobilenetV1/Conv2d_{row}_pointwise" for row in (1, 2)]
    assert names == ["conv1_pointwise", *most, "upsampler", *rest]
    made = sum(each.layer.cost.ops for each in published.leading)
    assert made == 157_286_400 + 8 * 78_643_200 + 60_211_200 + 2 * 39_321_600
    assert made - 39_321_600 < 0.8 * TOTAL <= made
    assert published.computing == 33


def test_memory_of_the_published_network_in_megabytes(report: Report) -> None:
    sizes = tables(report)["memory"]
    assert [[column.text(row) for column in sizes.columns[1:]] for row in sizes.rows] == [
        ["1.843", "0.922", "0.461"],  # 3 x 320 x 480
        ["37.943", "18.972", "9.486"],
        ["7.373", "3.686", "1.843"],  # 48 x 160 x 240
        ["6.286", "3.143", "1.591"],  # 1,564,896 weights, 6,503 biases
    ]
    assert report.record["memory"]["parameter_bytes"] == {
        "fp32": 4 * (1_564_896 + 6_503),
        "fp16": 2 * (1_564_896 + 6_503),
        "int8": 1_564_896 + 4 * 6_503,
    }


def test_what_each_layer_of_the_published_network_sees(report: Report) -> None:
    by_name = {layer["name"]: (layer["receptive_field"], layer["stride"]) for layer in report.record["layers"]}
    assert by_name["MobilenetV1/Conv2d_0/convolution"] == (3, 2)
    assert by_name["MobilenetV1/Conv2d_13_pointwise/Relu6"] == (315, 32)
    assert by_name["conv1_separable/depthwise"] == (507, 32)
    assert by_name["crop"] == by_name["upsampler"] == (539, 1)
    text = formats.text(report, "markdown")
    assert "539 in the end" in text
    assert "| receptive field |" in text
    assert "% of operations |" in text


def test_every_layer_that_computes_is_shown_with_what_it_sees(report: Report) -> None:
    shown = next(block for block in report.blocks if isinstance(block, Table))
    computing = [row for row in shown.rows if "share" in row and row["name"] != "total"]
    assert len(computing) == 33
    assert all({"receptive_field", "stride"} <= row.keys() for row in computing)
    assert sum(row["share"] for row in computing) == pytest.approx(1)


# --- any network


def tables(report: Report) -> dict[str, Table]:
    return {table.key: table for table in report.tables}


def some(seed: int) -> tuple[Candidate, dict[str, int]]:
    drawn = random.Random(seed)
    values = {
        "depth_multiplier": drawn.uniform(0.05, 1.5),
        "final_endpoint": drawn.choice(mobilenet_fcn.ENDPOINTS),
        "classifier_kernel": drawn.randint(1, 9),
        "classifier_depth": drawn.randint(1, 2000),
    }
    sizes = {"classes": drawn.randint(2, 99), "height": drawn.randint(32, 700), "width": drawn.randint(32, 700)}
    return Candidate.of("mobilenet-fcn", values), sizes


@pytest.mark.parametrize("seed", range(6))
def test_kinds_add_up_to_the_whole_network(seed: int) -> None:
    candidate, sizes = some(seed)
    made = summarise(candidate.graph(**sizes))
    for figure in ("macs", "bias_adds", "ops", "params"):
        assert sum(getattr(group.cost, figure) for group in made.kinds) == getattr(made.total, figure)
    assert sum(group.share for group in made.kinds) == pytest.approx(1)
    assert sum(group.params_share for group in made.kinds) == pytest.approx(1)
    assert sum(each.share for each in made.layers) == pytest.approx(1)
    assert made.total == count(candidate.graph(**sizes)).total


@pytest.mark.parametrize("seed", range(6))
def test_no_fewer_layers_make_80_percent(seed: int) -> None:
    candidate, sizes = some(seed)
    made = summarise(candidate.graph(**{**sizes, "classes": 2}))
    largest = sorted((each.layer.cost.ops for each in made.layers), reverse=True)
    assert sum(each.layer.cost.ops for each in made.leading) >= Fraction(4, 5) * made.total.ops
    assert sum(largest[: len(made.leading) - 1]) < Fraction(4, 5) * made.total.ops


@pytest.mark.parametrize("seed", range(3))
def test_memory_is_that_of_the_graph(seed: int) -> None:
    candidate, sizes = some(seed)
    needed = memory(candidate.graph(**sizes))
    told = summary_report.report(candidate, **sizes).record["memory"]
    for precision in PRECISIONS:
        assert told["input_bytes"][precision] == 3 * sizes["height"] * sizes["width"] * BYTES[precision]
        assert told["forward_bytes"][precision] == needed.activation_bytes(precision)
        assert told["peak_bytes"][precision] == needed.peak_bytes(precision)
        assert told["parameter_bytes"][precision] == needed.weight_bytes(precision)


def test_strides_below_one_pixel_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    g = GraphBuilder()
    up = g.add("up", ops.ConvTranspose2d(channels=2, kernel=2, stride=2), g.image(height=32, width=32))
    g.add("down", ops.MaxPool2d(kernel=2, stride=2), up)
    monkeypatch.setattr(Candidate, "graph", lambda *_, **__: g.finish())
    record = summary_report.report(PUBLISHED, classes=2, height=32, width=32).record
    assert [layer["stride"] for layer in record["layers"]] == [0.5, 1]
    assert [type(layer["stride"]) for layer in record["layers"]] == [float, int]


def test_layer_table_adds_to_that_of_ops_and_takes_nothing_away() -> None:
    candidate = Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.5})
    sizes = {"classes": 7, "height": 320, "width": 480}
    plain, more = (each.report(candidate, **sizes) for each in (ops_report, summary_report))
    (before,) = (block for block in plain.blocks if isinstance(block, Table))
    after = next(block for block in more.blocks if isinstance(block, Table))
    assert {column.key for column in before.columns} < {column.key for column in after.columns}


@pytest.mark.parametrize("size", [32, 320, 8192])
def test_summary_fits_the_screen(size: int) -> None:
    made = summary_report.report(Candidate.of("mobilenet-fcn", {}), classes=7, height=size, width=size)
    text = formats.text(made, "table")
    assert max(map(len, text.splitlines())) <= 120
    assert "…" not in text


@pytest.mark.parametrize("name", formats.names())
def test_every_format_holds_what_each_layer_sees(report: Report, name: str) -> None:
    assert "539" in as_text(report, name)


def test_csv_files_hold_all_tables(report: Report) -> None:
    written = formats.files(report, "csv")
    assert list(written) == ["layers.csv", "memory.csv", "kinds.csv", "leading.csv"]
    assert written["memory.csv"].decode().splitlines()[:2] == [
        "what,fp32_bytes,fp16_bytes,int8_bytes",
        "input,1843200,921600,460800",
    ]


# --- kinds


def last(op: ops.Operator) -> Graph:
    g = GraphBuilder()
    image = g.image(height=8, width=8, channels=4)
    second = [image] if isinstance(op, ops.Add | ops.Concat | ops.Resize | ops.Crop) else []
    g.add("layer", op, image, *second)
    return g.finish()


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        (ops.Conv2d(channels=2, kernel=3), "standard"),
        (ops.Conv2d(channels=2, kernel=1), "pointwise"),
        (ops.Conv2d(channels=4, kernel=3, groups=4), "depthwise"),
        (ops.Conv2d(channels=8, kernel=1, groups=4), "depthwise"),
        (ops.Conv2d(channels=4, kernel=3, groups=2), "grouped"),
        (ops.ConvTranspose2d(channels=4, kernel=2, stride=2, groups=4), "transposed"),
        (ops.BiasAdd(), "bias"),
        (ops.BatchNorm2d(), "batch norm"),
        (ops.Crop(), "Crop"),
    ],
)
def test_kind(op: ops.Operator, expected: str) -> None:
    graph = last(op)
    assert kind(graph.output, (graph.input.shape,)) == expected
    assert summarise(graph).layers[-1].kind == expected


def test_a_network_that_computes_nothing_has_no_shares() -> None:
    made = summarise(last(ops.Dropout(rate=0.5)))
    assert (made.kinds, made.leading, made.computing) == ((), (), 0)
    assert [each.share for each in made.layers] == [0]
