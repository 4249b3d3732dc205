"""Several spaces that are searched together."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shell import Shell

from budgetnet import formats, scenario
from budgetnet.count import count
from budgetnet.errors import BudgetnetError, FileError
from budgetnet.grid import blocks
from budgetnet.networks import Candidate
from budgetnet.plan import measure, plan
from budgetnet.plan.report import report
from budgetnet.plan.tables import Tables
from budgetnet.plan.versus import Versus
from budgetnet.scenario import Scenario
from budgetnet.space import complete_space, in_both, number

NETWORK = "mobilenet-fcn"
NARROW: dict[str, Any] = {
    "depth_multiplier": [0.25, 0.5],
    "head": ["fcn"],
    "classifier_depth": [256, 512],
    "classifier_kernel": [3],
}
WIDE: dict[str, Any] = {
    "depth_multiplier": [0.5, 1],
    "final_endpoint": ["Conv2d_11_pointwise"],
    "head": ["light-decoder"],
    "decoder_channels": [32, 64],
    "detail_channels": [32],
    "decoder_stride": [4],
    "context": ["pool"],
}


def make(*spaces: dict[str, Any], **fields: Any) -> Scenario:
    return scenario.load("parking").changed(search_space=list(spaces), **fields)


def listed(asked: Scenario) -> list[Candidate]:
    (choice,) = asked.networks
    return [block.candidate(at) for block in blocks(choice.family, choice.search_space) for at in range(len(block))]


def test_a_plan_holds_the_candidates_of_each_and_counts_them_as_they_are_alone() -> None:
    asked = make(NARROW, WIDE)
    found = plan(asked)
    # 2 widths x 2 endpoints x 2 depths, and 2 widths x 2 channels
    assert found.total == number(NETWORK, asked.search_space) == 8 + 4
    alone = [planned for space in (NARROW, WIDE) for planned in plan(make(space)).candidates]
    assert {(p.candidate, p.required, p.params) for p in found.candidates} == {
        (p.candidate, p.required, p.params) for p in alone
    }
    assert len(listed(asked)) == len(set(listed(asked))) == 12


def test_one_in_a_list_is_as_good_as_without() -> None:
    alone = scenario.load("parking").changed(search_space=NARROW)
    assert [p.candidate for p in plan(make(NARROW)).candidates] == [p.candidate for p in plan(alone).candidates]
    assert make(NARROW).space == alone.space


def test_the_values_of_all_are_the_values_of_the_space() -> None:
    space = make(NARROW, WIDE).space
    assert space["depth_multiplier"] == (0.25, 0.5, 1.0)
    assert space["head"] == ("fcn", "light-decoder")
    assert space["final_endpoint"] == ("Conv2d_11_pointwise", "Conv2d_13_pointwise")
    assert space["decoder_channels"] == (32, 64)


def test_many_are_counted_as_grids() -> None:
    many = {
        "depth_multiplier": {"from": 0.1, "to": 1, "step": 0.01},
        "classifier_depth": {"from": 8, "to": 512, "step": 8},
    }
    found = plan(make({**many, "classifier_kernel": [3, 5]}, WIDE))
    assert found.total == 91 * 64 * 2 * 2 + 4
    for planned in [*found.candidates[::997], found.smallest, found.lightest]:
        alone = measure(found.scenario, planned.candidate)
        assert (planned.required, planned.params, planned.peak_bytes) == (
            alone.required,
            alone.params,
            alone.peak_bytes,
        )


def test_stems_and_heads_are_told_once() -> None:
    asked = make(NARROW, WIDE, {**NARROW, "classifier_kernel": [5]})
    tables = Tables.of(plan(asked))
    stems = [(row["depth_multiplier"], row["final_endpoint"]) for row in tables.stems.rows]
    every = {*product([0.25, 0.5], ["Conv2d_11_pointwise", "Conv2d_13_pointwise"]), (1.0, "Conv2d_11_pointwise")}
    assert len(stems) == len(set(stems))
    assert set(stems) == every
    assert tables.heads is not None
    for row in tables.heads.rows:
        widths = [0.5, 1.0] if row["head"] == "light-decoder" else [0.25, 0.5]
        assert [width for width in (0.25, 0.5, 1.0) if row.get(f"ops_at_{width}") is not None] == widths
        values = {name: value for name, value in row.items() if name in asked.space}
        one = Candidate.of(NETWORK, {**values, "depth_multiplier": 0.5})
        graph = one.graph(classes=row["classes"], height=320, width=480)
        assert row["ops_at_0.5"] == count(graph).part("head").ops


@pytest.mark.parametrize("key", ["markdown", "csv", "json", "xlsx"])
def test_every_report_of_a_plan_is_written(key: str) -> None:
    assert formats.files(report(plan(make(NARROW, WIDE))), key)


def test_a_record_tells_each_space() -> None:
    record = json.loads(formats.text(report(plan(make(NARROW, WIDE))), "json"))
    (told,) = [network["search_space"] for network in record["networks"].values()]
    assert [one["depth_multiplier"] for one in told] == [[0.25, 0.5], [0.5, 1.0]]
    assert [one["head"] for one in told] == [["fcn"], ["light-decoder"]]


def test_plans_are_compared_space_by_space() -> None:
    before, after = plan(make(NARROW, WIDE)), plan(make(NARROW, {**WIDE, "decoder_channels": [48]}))
    changed = {each.field for each in Versus(before=before, after=after).changes}
    assert changed == {"search_space[1].decoder_channels"}


# --- none in two


@pytest.mark.parametrize(
    ("other", "label"),
    [
        (NARROW, "0.25 / Conv2d_11_pointwise / fcn / 3 / 256"),
        ({"head": ["fcn", "context"]}, "0.25 / Conv2d_11_pointwise / fcn / 3 / 256"),
        ({**NARROW, "depth_multiplier": [0.5, 0.75]}, "0.5 / Conv2d_11_pointwise / fcn / 3 / 256"),
    ],
)
def test_a_candidate_in_two_is_refused(other: dict[str, Any], label: str) -> None:
    rule = f"search_space[1]: must hold no candidate of a space before it, but got {label}"
    with pytest.raises(BudgetnetError) as caught:
        make(NARROW, other)
    assert rule in str(caught.value)


VALUES: dict[str, list[Any]] = {
    "depth_multiplier": [0.25, 0.5],
    "final_endpoint": ["Conv2d_11_pointwise", "Conv2d_13_pointwise"],
    "head": ["fcn", "fcn8s", "context"],
    "classifier_kernel": [3, 5],
    "classifier_depth": [256],
    "decoder_channels": [32, 48],
    "context": ["pool", "none"],
}
SPACES = st.fixed_dictionaries(
    {}, optional={name: st.lists(st.sampled_from(values), min_size=1, unique=True) for name, values in VALUES.items()}
)


@settings(max_examples=80)
@given(first=SPACES, second=SPACES)
def test_what_two_spaces_share_is_found(first: dict[str, Any], second: dict[str, Any]) -> None:
    held = [
        {block.candidate(at) for block in blocks(NETWORK, space) for at in range(len(block))}
        for space in (first, second)
    ]
    both = in_both(NETWORK, first, second)
    assert (both is not None) == bool(held[0] & held[1])
    assert both is None or both in held[0] & held[1]
    together = complete_space(NETWORK, [first, second])
    for candidate in held[0] | held[1]:
        assert all(value in together[name] for name, value in candidate.values)


# --- faults


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "- {depth_multiplier: 0.5}\n  - 3",
            "11: search_space[1]: must be a mapping of parameters to values, but got 3",
        ),
        (
            "- {depth_multiplier: 0.5}\n  - {depth_multipler: 1}",
            "11: search_space[1].depth_multipler: unknown parameter; did you mean 'depth_multiplier'?",
        ),
        (
            "- {depth_multiplier: 0.5}\n  - {depth_multiplier: [1, 0]}",
            "11: search_space[1].depth_multiplier[1]: must be greater than 0, but got 0",
        ),
        (
            "- {depth_multiplier: 0.5}\n  - {depth_multiplier: [1, 0.5]}",
            "11: search_space[1]: must hold no candidate of a space before it, but got 0.5 / ",
        ),
    ],
)
def test_faults_are_told_with_their_place(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "several.yaml"
    path.write_text(
        "name: several\ncameras: 4\nfps: 30\nbudget_gops: 70\nclasses: 7\ninput:\n  height: 320\n  width: 480\n"
        f"search_space:\n  {line}\n"
    )
    with pytest.raises(FileError) as caught:
        scenario.load(str(path))
    assert told in str(caught.value)


ENDPOINTS = [f"Conv2d_{row}_pointwise" for row in (10, 11, 12, 13)]


def test_too_many_are_refused() -> None:
    rule = r"search_space: must be a mapping of parameters to values, or a list of 1 to 100 such, but got 101"
    with pytest.raises(BudgetnetError, match=rule):
        make(*({"depth_multiplier": [number / 200]} for number in range(1, 102)))
    large = {"classifier_depth": {"from": 1, "to": 60000, "step": 1}, "classifier_kernel": [1, 3, 5, 7, 9, 11, 13]}
    with pytest.raises(
        BudgetnetError, match="search_space: must hold 10,000,000 candidates or fewer, but got 13,440,000"
    ):
        make(
            *({**large, "depth_multiplier": [width, width + 1], "final_endpoint": ENDPOINTS} for width in (1, 3, 5, 7))
        )


def test_a_group_of_cameras_may_have_several_too() -> None:
    group = {"name": "front", "network": NETWORK, "search_space": [NARROW, WIDE]}
    asked = scenario.load("parking").changed(cameras=[group])
    assert plan(asked).total == 12
    with pytest.raises(BudgetnetError, match="must come with a network of the group's own"):
        scenario.load("parking").changed(cameras=[{"name": "front", "search_space": [NARROW]}])


def test_the_command_line_plans_them(shell: Shell) -> None:
    (shell.folder / "several.yaml").write_text(
        "name: several\ncameras: 4\nfps: 15\nbudget_gops: 70\nclasses: 7\ninput: {height: 320, width: 480}\n"
        "search_space:\n  - {depth_multiplier: 0.5, head: fcn}\n  - {depth_multiplier: 0.25, head: context}\n"
    )
    assert shell("plan", "several.yaml").code == 0
    # 2 endpoints x 3 kernels x 3 depths, and 2 endpoints x 5 channels x 2 contexts
    assert "38 candidates" in shell("scenario", "validate", "several.yaml").out
