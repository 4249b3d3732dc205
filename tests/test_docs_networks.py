"""docs/networks.md says what is so: families, parameters, and every counted figure."""

import re
from pathlib import Path

import pytest

from budgetnet import networks
from budgetnet.count import count
from budgetnet.heads import _fcn
from budgetnet.networks import Candidate, family
from budgetnet.published.networks import NETWORKS
from budgetnet.receptive import receptive_fields

TEXT = (Path(__file__).parents[1] / "docs" / "networks.md").read_text()


def table(head: str) -> list[list[str]]:
    lines = TEXT[TEXT.index(head) :].splitlines()[2:]
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def test_every_family_is_there_with_its_parameters():
    rows = {row[0].strip("`"): row[2] for row in table("| family | what it is | parameters |")}
    assert sorted(rows) == sorted(networks.names())
    for name, told in rows.items():
        own = [parameter.name for parameter in family(name).declaration.PARAMETERS]
        assert re.findall(r"`(\w+)`", told) == own


def test_every_way_to_enlarge_scores_is_there():
    (upsampling,) = [parameter for parameter in _fcn.PARAMETERS if parameter.name == "upsampling"]
    assert [row[0].strip("`") for row in table("| value | what it does |")] == list(upsampling.choices)


@pytest.fixture
def published() -> dict[str, str]:
    return {row[0]: row[3] for row in table("| network | image | published | counted | |")}


def test_counted_figures_are_what_is_counted(published):
    def counted(key: str, height: int, width: int, classes: int, **parameters: object):
        graph = Candidate.of(key, parameters).graph(classes=classes, height=height, width=width)
        return graph, count(graph)

    graph, fcn = counted("vgg-fcn", 500, 500, 21)
    seen = receptive_fields(graph)["fc7/convolution"]
    told = f"{fcn.total.params / 1e6:.1f} M, {seen.pixels}, {seen.stride}"
    assert published["FCN-8s VGG-16"] == told
    stem = counted("vgg-fcn", 224, 224, 21, form="compact")[1].part("stem")
    assert published["VGG-16's convolutions"] == f"{stem.macs:,}, {stem.params:,}"
    for name, key, digits in (
        ("SegNet", "segnet", 2),
        ("ENet", "enet", 3),
        ("SkipNet-MobileNet", "skipnet-mobilenet", 2),
    ):
        total = counted(key, 360, 640, 20)[1].total
        assert published[name] == f"{total.ops / 1e9:.2f} G operations, {total.params / 1e6:.{digits}f} M"
    for name, key in (("ERFNet", "erfnet"), ("FCN-ResNet18", "fcn-resnet18")):
        total = counted(key, 512, 1024, 20 if key == "erfnet" else 21)[1].total
        digits = 3 if key == "erfnet" else 2
        assert published[name] == f"{total.ops / 1e9:.2f} G operations, {total.params / 1e6:.{digits}f} M"
    for name, key, parameters in (
        ("ResNet-18's convolutions", "fcn-resnet18", {}),
        ("MobileNet v2's convolutions", "deeplab-mobilenet-v2", {"output_stride": 32}),
    ):
        stem = counted(key, 224, 224, 21, **parameters)[1].part("stem")
        assert published[name] == f"{stem.macs:,}, {stem.params:,}"
    total = counted("deeplab-mobilenet-v2", 513, 513, 21)[1].total
    assert published["DeepLabv3 MobileNet v2"] == f"{total.macs / 1e9:.2f} G MACs, {total.params / 1e6:.2f} M"
    for stride in (8, 32):
        total = counted("deeplab-mobilenet-v2", 513, 513, 21, output_stride=stride)[1].total
        told = f"{total.ops / 1e9:.2f} G operations, {total.params / 1e6:.2f} M"
        assert published[f"the same at stride {stride}"] == told
    total = count(NETWORKS["mobilenet-v1"](224, 224)).total
    assert published["MobileNet v1, the classifier"] == f"{total.macs:,}, {total.params:,}"
    assert published["U-Net"].startswith("31,030,658")  # tests/test_classic_networks.py counts it
    assert f"{counted('unet', 64, 64, 2)[1].total.params / 1e6:.2f} M" in TEXT
