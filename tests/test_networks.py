"""Contract of every network family and every head: each file is found, and whatever it declares is counted and
built.
"""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from budgetnet import arguments, heads, networks, plugins
from budgetnet.build import build
from budgetnet.errors import BudgetnetError
from budgetnet.graph import GraphError
from budgetnet.grid import blocks
from budgetnet.networks import Candidate, family
from budgetnet.space import complete_space
from budgetnet.verify import verify_candidate


@pytest.mark.parametrize("name", networks.names())
def test_a_family_declares_itself(name):
    found = family(name)
    assert found.declaration.__doc__
    assert len({parameter.name for parameter in found.parameters}) == len(found.parameters)
    for parameter in found.parameters:
        assert parameter.check(parameter.default) is None
        assert [parameter.check(value) for value in parameter.space] == [None] * len(parameter.space)
        assert parameter.help
        assert parameter.part in ("stem", "head")
        assert parameter.choices or parameter.maximum is not None


@pytest.mark.parametrize("name", networks.names())
def test_a_familys_defaults_count_build_and_keep_the_images_size(name):
    candidate = Candidate.of(name, {})
    assert verify_candidate(candidate, classes=3, height=45, width=67).agrees
    module = build(candidate.graph(classes=3, height=45, width=67), seed=0).eval()
    assert module(torch.zeros(1, 3, 45, 67)).shape == (1, 3, 45, 67)


@pytest.mark.parametrize("name", heads.names())
def test_a_head_counts_builds_keeps_the_images_size_and_is_trainable(name):
    assert heads.head(name).__doc__
    assert all(parameter.part == "head" for parameter in heads.head(name).PARAMETERS)
    candidate = Candidate.of("mobilenet-fcn", {"head": name, "depth_multiplier": 0.25})
    assert verify_candidate(candidate, classes=3, height=45, width=67).agrees
    module = build(candidate.graph(classes=3, height=45, width=67), seed=0)
    for layer in module.modules():
        if isinstance(layer, nn.Dropout):
            layer.eval()
    scores = module(torch.rand(2, 3, 45, 67, generator=torch.Generator().manual_seed(0)))
    assert scores.shape == (2, 3, 45, 67)
    scores.square().sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


def listed(network, space):
    """Every candidate of a space."""
    return [block.candidate(index) for block in blocks(network, space) for index in range(len(block))]


@pytest.mark.parametrize("name", networks.names())
def test_the_proposed_space_holds_each_candidate_once(name):
    found = listed(name, {})
    assert len(found) == len(set(found)) > 1
    assert set(complete_space(name, {})) <= {parameter.name for parameter in family(name).parameters}


def test_equal_parameters_make_one_candidate_whatever_their_type():
    one = Candidate.of("mobilenet-fcn", {"depth_multiplier": 1, "classifier_kernel": 7})
    assert one == Candidate.of("mobilenet-fcn", {"depth_multiplier": 1.0})
    assert one.label == "1 / Conv2d_13_pointwise / fcn / 7 / 1024"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"depth_multiplier": 0}, "depth_multiplier: must be greater than 0, but got 0"),
        ({"depth_multiplier": float("nan")}, "depth_multiplier: must be a finite number, but got nan"),
        ({"depth_multiplier": True}, "depth_multiplier: must be a number, but got True"),
        ({"classifier_kernel": 2.5}, "classifier_kernel: must be a whole number, but got 2.5"),
        ({"final_endpoint": "Conv2d_14_pointwise"}, "final_endpoint: must be one of Conv2d_0"),
        (
            {"depth_multipler": 1.0},
            "mobilenet-fcn has no parameter 'depth_multipler'; did you mean 'depth_multiplier'?",
        ),
    ],
)
def test_bad_parameters_are_refused(values, message):
    with pytest.raises(BudgetnetError) as caught:
        Candidate.of("mobilenet-fcn", values)
    assert message in str(caught.value)


def test_an_unknown_network_and_head_are_refused_with_the_known_ones():
    with pytest.raises(
        BudgetnetError, match=r"network must be one of the known ones, but got 'mobilenet'.*mobilenet-fcn"
    ):
        family("mobilenet")
    with pytest.raises(BudgetnetError, match="head must be one of the known ones, but got 'fcm'; did you mean 'fcn'"):
        heads.head("fcm")


def test_images_below_32_pixels_are_refused():
    with pytest.raises(BudgetnetError, match="width: must be 32 or more, but got 31"):
        Candidate.of("mobilenet-fcn", {}).graph(classes=2, height=32, width=31)


@pytest.mark.usefixtures("another_head")
def test_a_new_head_changes_nothing_for_searches_that_do_not_name_it():
    assert "extra_kernel" not in complete_space("mobilenet-fcn", {})
    assert len(listed("mobilenet-fcn", {})) == 72
    assert "extra_kernel" not in Candidate.of("mobilenet-fcn", {}).parameters


@pytest.mark.usefixtures("another_head")
def test_a_space_of_two_heads_gives_each_its_own_parameters():
    given = {"head": ["fcn", "wide"], "depth_multiplier": [0.25], "final_endpoint": ["Conv2d_5_pointwise"]}
    found = listed("mobilenet-fcn", given)
    assert sum(candidate.parameters["head"] == "fcn" for candidate in found) == 9
    assert [c.parameters["extra_kernel"] for c in found if c.parameters["head"] == "wide"] == [1, 3]
    assert all(verify_candidate(candidate, classes=3, height=45, width=67).agrees for candidate in found[-2:])


@pytest.mark.usefixtures("another_head")
def test_a_parameter_of_another_head_is_refused_on_the_command_line():
    with pytest.raises(BudgetnetError, match="extra_kernel: must be a parameter of head 'fcn', which has no such one"):
        arguments.candidate("mobilenet-fcn", ["extra_kernel=3"])
    assert arguments.candidate("mobilenet-fcn", ["head=wide", "extra_kernel=3"]).parameters["extra_kernel"] == 3


def test_a_head_whose_output_is_not_the_images_size_is_refused(monkeypatch):
    fcn = heads.head("fcn")
    cut = SimpleNamespace(PARAMETERS=(), add=lambda g, stem, *, classes: stem.features)
    monkeypatch.setattr(heads, "head", lambda name: cut)
    family.cache_clear()
    with pytest.raises(GraphError, match="the last node must give 3 x 64 x 64"):
        Candidate("mobilenet-fcn", (("depth_multiplier", 1.0), ("final_endpoint", "Conv2d_0"), ("head", "cut"))).graph(
            classes=3, height=64, width=64
        )
    monkeypatch.undo()
    family.cache_clear()
    assert heads.head("fcn") is fcn


def test_a_plugin_file_that_cannot_be_imported_is_named(monkeypatch, tmp_path):
    def broken(name):
        raise ValueError("no such thing")

    monkeypatch.setattr(plugins, "import_module", broken)
    message = r"budgetnet.heads.fcn: the file of head 'fcn' must be importable, but got ValueError: no such thing"
    with pytest.raises(BudgetnetError, match=message):
        plugins.load_module("budgetnet.heads", "fcn", "head")
