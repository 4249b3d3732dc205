"""What others have measured: every entry says what was measured, where and by whom, and its network can be counted."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from budgetnet import platforms, published
from budgetnet.build import build
from budgetnet.count import count
from budgetnet.errors import FileError
from budgetnet.memory import memory
from budgetnet.published.networks import NETWORKS
from budgetnet.receptive import receptive_fields
from budgetnet.units import PRECISIONS
from budgetnet.verify import verify

ENTRIES = published.latencies()
IDS = [
    f"{each.network} {each.height}x{each.width} {each.platform} {each.precision} {each.runtime} {each.threads or ''}"
    for each in ENTRIES
]


# --- the contract of every entry


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_an_entry_says_what_was_measured_and_where_it_was_read(entry):
    assert entry.precision in PRECISIONS
    assert entry.source.strip()
    assert entry.notes.strip()
    assert entry.runtime.strip()
    assert entry.batch == 1
    assert entry.platform == entry.platform.lower()
    if entry.images_per_second:
        assert entry.milliseconds == pytest.approx(1000 / entry.images_per_second, rel=1e-5)


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_its_network_is_counted_and_measured_in_memory(entry):
    graph = published.graph_of(entry)
    shape = graph.input.shape
    assert (shape.channels, shape.height, shape.width) == (3, entry.height, entry.width)
    assert count(graph).total.macs > 0
    assert memory(graph).peak > 0
    assert receptive_fields(graph)


PRESENT = [entry for entry in ENTRIES if entry.platform in platforms.names()]


@pytest.mark.parametrize("entry", PRESENT, ids=[f"{each.platform} {each.precision}" for each in PRESENT])
def test_no_network_was_quicker_than_the_platforms_peak(entry):
    peak = platforms.load(entry.platform).peak_ops_per_second(entry.precision)
    assert peak is not None
    assert count(published.graph_of(entry)).total.ops / peak < entry.milliseconds / 1000


def test_entries_differ_in_what_was_run():
    keys = [
        (each.network, each.platform, each.precision, each.runtime, each.threads, each.height, each.width)
        for each in ENTRIES
    ]
    assert len(set(keys)) == len(keys) == 64
    assert {each.network for each in ENTRIES} == set(NETWORKS)


# --- the networks


@pytest.mark.parametrize(
    ("key", "height", "width", "macs", "params", "output"),
    [
        # Howard et al., arXiv:1704.04861, table 8: 569 M multiply-adds, 4.2 million parameters
        ("mobilenet-v1", 224, 224, 568_741_376, 4_233_001, (1001, 1, 1)),
        # tensorflow/models, slim: 77 M and 14 M multiply-adds, 1.34 and 0.47 million parameters
        ("mobilenet-v1-0.5", 160, 160, 76_525_312, 1_332_105, (1001, 1, 1)),
        ("mobilenet-v1-0.25", 128, 128, 13_570_304, 470_329, (1001, 1, 1)),
        # Sandler et al., arXiv:1801.04381, table 4: 300 M and 585 M multiply-adds, 3.4 and 6.9 million parameters;
        # Hailo's model zoo: 0.62 and 1.18 G operations, 3.49 and 6.09 million parameters
        ("mobilenet-v2", 224, 224, 300_775_552, 3_506_153, (1001, 1, 1)),
        ("mobilenet-v2-1.4", 224, 224, 582_197_616, 6_110_569, (1001, 1, 1)),
        # torchvision's page of models: 1.81 G and 15.47 G MACs; 11,689,512 and 138,357,544 parameters
        ("resnet-18", 224, 224, 1_814_073_344, 11_689_512, (1000, 1, 1)),
        ("vgg-16", 224, 224, 15_470_264_320, 138_357_544, (1000, 1, 1)),
        ("mobilenet-v2-aspp-bonnetal", 480, 640, 4_977_868_800, 2_154_794, (2, 480, 640)),
        # Hailo's model zoo: 3.21 G operations, 2.10 million parameters
        ("deeplab-mobilenet-v2-stride-32", 513, 513, 1_607_243_456, 2_113_557, (21, 513, 513)),
        ("erfnet-bonnetal", 480, 640, 19_069_747_200, 2_248_834, (2, 480, 640)),
        ("fcn-resnet18-coarse", 512, 1024, 19_253_231_616, 11_769_301, (21, 16, 32)),
        # Hailo's model zoo: 17.65 G operations, 2.10 million parameters
        ("deeplab-mobilenet-v2-stride-8", 513, 513, 8_825_853_632, 2_113_557, (21, 513, 513)),
    ],
)
def test_counts(key, height, width, macs, params, output):
    graph = NETWORKS[key](height, width)
    total = count(graph).total
    assert (total.macs, total.params) == (macs, params)
    assert (graph.output.shape.channels, graph.output.shape.height, graph.output.shape.width) == output


@pytest.mark.parametrize("key", NETWORKS)
def test_fvcore_counts_the_same(key):
    graph = NETWORKS[key](64, 96)
    assert verify(graph, count(graph), build(graph, seed=0)).agrees


def test_the_classifier_is_the_published_stem_and_one_layer():
    graph = NETWORKS["mobilenet-v1"](224, 224)
    counted = count(graph)
    assert counted.part("head").macs == 1024 * 1001
    assert counted.part("head").params == 1024 * 1001 + 1001
    assert f"{counted.total.ops / 1e9:.2f}" == "1.14"


def test_bonnetals_erfnet_has_the_parameters_that_its_layers_add_up_to():
    """Written down from its code: convolution or transposed convolution, then what follows it."""

    def layer(channels: int) -> int:
        return 2 * (2 * 3 * channels * channels + channels + 2 * channels)

    def unit(given: int, channels: int) -> int:
        return 9 * given * channels + 2 * channels

    def up(given: int, channels: int, skip: int) -> int:
        return 16 * given * channels + channels + unit(channels + skip, channels)

    backbone = unit(3, 16) + unit(16, 64) + 5 * layer(64) + unit(64, 128) + 8 * layer(128)
    decoder = up(128, 64, 64) + 2 * layer(64) + up(64, 16, 16) + 2 * layer(16) + up(16, 16, 3)
    head = 16 * 2 + 2
    assert count(NETWORKS["erfnet-bonnetal"](64, 64)).total.params == backbone + decoder + head


def test_bonnetals_mobilenet_v2_has_the_parameters_that_its_layers_add_up_to():
    """Written down from its code: inverted residuals, branches, then a transposed convolution and what mixes."""

    def unit(given: int, channels: int, window: int = 9) -> int:
        return window * given * channels + 2 * channels

    def block(given: int, channels: int, expansion: int) -> int:
        wide = expansion * given
        return unit(given, wide, 1) + unit(1, wide) + unit(wide, channels, 1)

    rows = ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1))
    total, given = unit(3, 32), 32
    for expansion, channels, blocks in rows:
        for _ in range(blocks):
            total, given = total + block(given, channels, expansion), channels
    total += unit(320, 32, 1) + 3 * unit(320, 32) + unit(4 * 32, 32, 1)
    for before, skip, channels in ((32, 32, 32), (32, 24, 24), (24, 16, 16), (16, 3, 16)):
        total += 4 * before * before + before + unit(before + skip, channels)
    assert count(NETWORKS["mobilenet-v2-aspp-bonnetal"](64, 64)).total.params == total + 16 * 2 + 2


# --- files


GOOD = """latencies:
  - network: mobilenet-v1
    platform: board
    precision: int8
    height: 224
    width: 224
    milliseconds: 4
    images_per_second: 250
    runtime: theirs
    threads: 2
    notes: with copies
    source: their page
"""


def write(folder: Path, content: str) -> Path:
    path = folder / "measured.yaml"
    path.write_text(content)
    return path


def test_a_file_is_read(tmp_path):
    (entry,) = published.load(write(tmp_path, GOOD))
    assert (entry.milliseconds, entry.images_per_second, entry.threads, entry.batch) == (4, 250, 2, 1)
    with pytest.raises(ValidationError, match="frozen"):
        entry.milliseconds = 3.0


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (
            "mobilenet-v1",
            "mobilenett-v1",
            "2: latencies[0].network: must be one of the known networks, but got 'mobilenett-v1'; "
            "did you mean 'mobilenet-v1'?",
        ),
        ("int8", "int4", "4: latencies[0].precision: must be 'fp32', 'fp16' or 'int8', but got 'int4'"),
        ("height: 224", "height: 31", "5: latencies[0].height: must be 32 or more, but got 31"),
        ("milliseconds: 4", "milliseconds: 0", "7: latencies[0].milliseconds: must be greater than 0, but got 0"),
        (
            "milliseconds: 4",
            "milliseconds: 5",
            "7: latencies[0].milliseconds: must be 1000 / images_per_second, which is 4, but got 5",
        ),
        ("threads: 2", "threads: two", "10: latencies[0].threads: must be a whole number, but got 'two'"),
        ("    source: their page\n", "", "2: latencies[0].source: must be given, but got nothing"),
        ("their page", "''", "12: latencies[0].source: must be a text on one line, and not empty, but got ''"),
        ("notes:", "note:", "11: latencies[0].note: unknown field; did you mean 'notes'?"),
        ("threads: 2", "batch: 8", "10: latencies[0].batch: must be 1, but got 8"),
    ],
)
def test_faults_of_a_file(tmp_path, before, after, told):
    with pytest.raises(FileError) as caught:
        published.load(write(tmp_path, GOOD.replace(before, after)))
    assert str(caught.value).endswith(f"measured.yaml:{told}")


def test_an_empty_list_is_refused(tmp_path):
    with pytest.raises(FileError, match=r"latencies: must hold one entry or more, but got \[\]"):
        published.load(write(tmp_path, "latencies: []"))
