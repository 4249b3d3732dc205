"""VGG-16's weights in torchvision's layout, in FCN: the same numbers come out of the same layers."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from budgetnet import stems
from budgetnet.build import build
from budgetnet.errors import BudgetnetError
from budgetnet.networks import Candidate
from budgetnet.networks._vgg import BLOCKS
from budgetnet.stems import vgg

COMPACT = Candidate.of("vgg-fcn", {"form": "compact"})
PUBLISHED = Candidate.of("vgg-fcn", {})


def features() -> nn.Sequential:
    """torchvision's `vgg16().features`, written down again, with small random weights."""
    layers: list[nn.Module] = []
    given = 3
    for widths in BLOCKS:
        for wide in widths:
            layers += [nn.Conv2d(given, wide, 3, padding=1), nn.ReLU()]
            given = wide
        layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers)


@pytest.fixture(scope="module")
def known() -> nn.Sequential:
    torch.manual_seed(0)
    return features().eval()


@pytest.fixture(scope="module")
def held(known: nn.Sequential) -> dict[str, Tensor]:
    return {f"features.{name}": tensor for name, tensor in known.state_dict().items()}


@pytest.fixture(scope="module")
def path(held: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("vgg") / "vgg16.pth"
    torch.save(held, found)
    return found


def test_layers_are_where_torchvision_has_them():
    places = [int(theirs.rpartition(".")[2]) for theirs, _ in list(vgg.layers().values())[:13]]
    assert places == [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
    assert [theirs for theirs, _ in list(vgg.layers().values())[13:]] == ["classifier.0", "classifier.3"]


def test_the_convolutions_give_what_vgg_16_gives(known, path):
    model = build(COMPACT.graph(classes=5, height=64, width=96), seed=0).eval()
    stem = stems.of(str(path), COMPACT)
    assert stems.apply(stem, model) == 26
    seen = {}
    model.node_module("pool5").register_forward_hook(lambda _, __, output: seen.update(pool5=output))
    images = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        model(images)
        assert torch.allclose(seen["pool5"], known(images), atol=1e-6)
    assert (stem.mean, stem.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert stem.story == "vgg16.pth"


def test_safetensors_hold_the_same(held, path, tmp_path):
    save_file(held, tmp_path / "vgg16.safetensors")
    ours, theirs = (vgg.read(each, classifier=False) for each in (tmp_path / "vgg16.safetensors", path))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.slow
def test_fc6_and_fc7_are_the_classifiers_layers_as_convolutions(held, tmp_path):
    drawn = torch.Generator().manual_seed(1)
    first = nn.Linear(25_088, 4_096)
    second = nn.Linear(4_096, 4_096)
    classifier = {
        f"classifier.{place}.{part}": tensor
        for place, layer in ((0, first), (3, second))
        for part, tensor in layer.state_dict().items()
    }
    torch.save({**held, **classifier}, tmp_path / "vgg16.pth")
    found = stems.of(str(tmp_path / "vgg16.pth"), PUBLISHED)
    x = torch.rand(1, 512, 7, 7, generator=drawn)
    with torch.inference_mode():
        expected = second(first(x.flatten(1)).relu())
        ours = functional.conv2d(x, found.state["fc6.convolution.weight"], found.state["fc6.BiasAdd.bias"]).relu()
        ours = functional.conv2d(ours, found.state["fc7.convolution.weight"], found.state["fc7.BiasAdd.bias"])
    assert torch.allclose(ours.flatten(1), expected, atol=1e-5)
    model = build(PUBLISHED.graph(classes=5, height=64, width=64), seed=0)
    assert stems.apply(found, model) == 30


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda held: {k: v for k, v in held.items() if k != "features.28.bias"}, "but has no features.28.bias"),
        (
            lambda held: {**held, "features.0.weight": torch.zeros(8, 3, 3, 3)},
            "features.0.weight: must be VGG-16's, of",
        ),
        (lambda held: {**held, "features.0.bias": torch.full((64,), torch.nan)}, "features.0.bias: must hold finite"),
        (lambda held: [1, 2], "must be a .pth file of torch, or a safetensors file, with a state_dict in it, but got"),
    ],
)
def test_what_is_not_vgg_16_is_refused(held, tmp_path, change, message):
    torch.save(change(held), tmp_path / "other.pth")
    with pytest.raises(BudgetnetError, match=message):
        stems.of(str(tmp_path / "other.pth"), COMPACT)


def test_files_that_are_none_and_networks_without_weights_are_refused(path, tmp_path):
    (tmp_path / "words.pth").write_text("no weights")
    with pytest.raises(BudgetnetError, match=r"words.pth: must be a .pth file of torch"):
        stems.of(str(tmp_path / "words.pth"), COMPACT)
    with pytest.raises(BudgetnetError, match="weights must be a file of VGG-16's, but got 'nowhere', which is none"):
        stems.of("nowhere", COMPACT)
    with pytest.raises(
        BudgetnetError, match=r"but has no classifier.0.weight, classifier.0.bias, classifier.3.weight, c"
    ):
        stems.of(str(path), PUBLISHED)
    narrow = Candidate.of("vgg-fcn", {"form": "compact", "depth_multiplier": 0.5})
    with pytest.raises(BudgetnetError, match=r"VGG-16's weights must be for depth multiplier 1, but got 0\.5"):
        stems.of(str(path), narrow)
    with pytest.raises(BudgetnetError, match=r"must be for a network that has pre-trained weights.*, but got unet"):
        stems.of(str(path), Candidate.of("unet", {}))
