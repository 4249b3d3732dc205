"""Camera groups: how they are written, what each needs, and that they share one budget."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from budgetnet import scenario
from budgetnet.count import count
from budgetnet.errors import BudgetnetError, FileError
from budgetnet.memory import memory
from budgetnet.networks import Candidate
from budgetnet.plan import measure, plan
from budgetnet.plan import report as plan_report
from budgetnet.plan.demand import Demand
from budgetnet.plan.memory_table import memory_table
from budgetnet.report import Table
from budgetnet.scenario import Scenario

FRONT = {"name": "front", "count": 1, "fps": 30, "input": {"height": 640, "width": 960}}
SURROUND = {"name": "surround", "count": 4, "fps": 15, "input": {"height": 320, "width": 480}}
SMALL = {"depth_multiplier": [0.25, 0.5], "classifier_kernel": [3], "final_endpoint": ["Conv2d_11_pointwise"]}
SIZES = {"front": (640, 960), "surround": (320, 480)}
CANDIDATE = Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.5})


def make(*groups: dict[str, Any], **fields: Any) -> Scenario:
    return Scenario.model_validate(
        {"name": "made", "cameras": groups, "budget_gops": 300, "classes": 7, "search_space": SMALL, **fields}
    )


def ops(candidate: Candidate, height: int, width: int) -> int:
    return int(count(candidate.graph(classes=7, height=height, width=width)).total.ops)


# --- how groups are written


def test_number_of_cameras_is_one_group() -> None:
    made = scenario.load("urban")
    (group,) = made.groups
    assert (group.name, group.count, group.fps, group.height, group.width) == ("cameras", 4, 30, 320, 480)
    assert [choice.name for choice in made.networks] == ["shared"]


def test_groups_take_what_they_leave_out_from_the_scenario() -> None:
    made = make(
        {"name": "front", "fps": 29.97, "crop": {"height": 200, "width": 480}},
        {"name": "side", "count": 2, "input": {"height": 160, "width": 240}},
        fps=15,
        input={"height": 320, "width": 480},
    )
    front, side = made.groups
    assert (front.count, front.fps, front.height, front.width) == (1, 29.97, 200, 480)
    assert (side.count, side.fps, side.height, side.width) == (2, 15, 160, 240)
    assert front.images_per_second == Fraction(2997, 100)
    assert made.images_per_second == Fraction(2997, 100) + 30
    assert (made.image.height, made.image.width) == (200, 480)


def test_groups_of_their_own_network() -> None:
    own = {"network": "mobilenet-fcn", "search_space": {"depth_multiplier": [1.0]}}
    made = make({**FRONT, **own}, SURROUND, {**SURROUND, "name": "rear"})
    assert [(choice.name, choice.space["depth_multiplier"]) for choice in made.networks] == [
        ("shared", (0.25, 0.5)),
        ("front", (1.0,)),
    ]
    assert [group.network for group in made.groups] == [1, 0, 0]
    alone = make({**FRONT, **own}, {**SURROUND, "network": "mobilenet-fcn"})
    assert [choice.name for choice in alone.networks] == ["front", "surround"]
    assert [group.network for group in alone.groups] == [0, 1]


def test_scenario_with_groups_goes_to_json_and_back() -> None:
    made = make({**FRONT, "network": "mobilenet-fcn", "search_space": {"classifier_kernel": 3}}, SURROUND, reserve=0.2)
    assert Scenario.model_validate_json(made.model_dump_json()) == made
    assert made.changed(contention=1.5).groups == made.groups


HEAD = "name: x\nbudget_gops: 70\nclasses: 7\n"


BROKEN_GROUPS = [
    ("cameras: []", "4: cameras: must hold 1 to 32 camera groups, but got 0"),
    ("cameras: [4]", "4: cameras[0]: must be a mapping, but got 4"),
    ("cameras:\n  - {fps: 15}", "5: cameras[0].name: must be given, but got nothing"),
    ("cameras:\n  - {name: ' a'}", "5: cameras[0].name: must be a text of 1 to 64 characters, no blanks around"),
    ("cameras:\n  - {name: shared}", "5: cameras[0].name: must be another word than 'shared'"),
    ("cameras:\n  - {name: 'a: b'}", "5: cameras[0].name: must not hold ';' or ':', but got 'a: b'"),
    ("cameras:\n  - {name: a;b}", "5: cameras[0].name: must not hold ';' or ':', but got 'a;b'"),
    ("cameras:\n  - name: a\n    count: 0", "6: cameras[0].count: must be 1 or more, but got 0"),
    ("cameras:\n  - name: a\n    fps: -1", "6: cameras[0].fps: must be greater than 0, but got -1"),
    ("cameras:\n  - name: a\n    fbs: 1", "6: cameras[0].fbs: unknown field; did you mean 'fps'?"),
    ("cameras:\n  - {name: a}\n  - {name: a}", "6: cameras[1].name: must be named once, but got 'a'"),
    (
        "cameras:\n  - name: a\n    input: {height: 100, width: 100}\n    crop: {height: 101, width: 100}",
        "7: cameras[0].crop.height: must be 100 or less, the height of the input, but got 101",
    ),
    (
        "cameras:\n  - name: a\n    search_space: {classifier_kernel: 3}",
        "6: cameras[0].search_space: must come with a network of the group's own (network: ...), else the "
        "scenario's is searched, but got {'classifier_kernel': 3}",
    ),
    (
        "cameras:\n  - name: a\n    network: mobilenet",
        "6: cameras[0].network: must be a known network, but got 'mobilenet'; did you mean 'mobilenet-fcn'?",
    ),
    (
        "cameras:\n  - name: a\n    network: mobilenet-fcn\n    search_space: {clasifier_kernel: 3}",
        "7: cameras[0].search_space.clasifier_kernel: unknown parameter; did you mean 'classifier_kernel'?",
    ),
]


@pytest.mark.parametrize(("cameras", "expected"), BROKEN_GROUPS)
def test_broken_rule_of_a_group(tmp_path: Path, cameras: str, expected: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(f"{HEAD}{cameras}\nfps: 15\ninput: {{height: 320, width: 480}}\n")
    with pytest.raises(FileError) as caught:
        scenario.load(str(path))
    (message,) = str(caught.value).splitlines()
    assert message.startswith(f"{path}:{expected}")


def test_fps_and_input_must_be_given_somewhere(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(f"{HEAD}cameras:\n  - {{name: a, fps: 15}}\n  - {{name: b, input: {{height: 64, width: 64}}}}\n")
    with pytest.raises(FileError) as caught:
        scenario.load(str(path))
    assert [line.partition("x.yaml:")[2] for line in str(caught.value).splitlines()] == [
        "1: fps: must be given, here or for every camera group, but got nothing",
        "1: input: must be given, here or for every camera group, but got nothing",
    ]


def test_crop_is_held_against_the_scenarios_image_too(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(
        f"{HEAD}fps: 15\ninput: {{height: 320, width: 480}}\ncameras:\n  - name: a\n"
        "    crop: {height: 200, width: 481}\n"
    )
    with pytest.raises(FileError, match=r"x.yaml:8: cameras\[0\].crop.width: must be 480 or less, the width of the"):
        scenario.load(str(path))


BROKEN_LIMITS = [
    ({"contention": 0.5}, "contention: must be 1 or more, but got 0.5"),
    ({"contention": 101}, "contention: must be 100 or less, but got 101"),
    ({"reserve": -0.1}, "reserve: must be 0 or more, but got -0.1"),
    ({"reserve": 1}, "reserve: must be 0.99 or less, but got 1"),
    ({"budget_mb": 0}, "budget_mb: must be greater than 0, but got 0"),
    ({"precision": "int4"}, "precision: must be 'fp32', 'fp16' or 'int8', but got 'int4'"),
]


@pytest.mark.parametrize(("fields", "expected"), BROKEN_LIMITS)
def test_broken_rule_of_a_limit(fields: dict[str, Any], expected: str) -> None:
    with pytest.raises(BudgetnetError) as caught:
        make(FRONT).changed(**fields)
    assert str(caught.value) == expected


# --- what groups need


def test_requirements_add_up_per_group() -> None:
    asked = make(FRONT, SURROUND, contention=1.2, reserve=0.25)
    planned = measure(asked, CANDIDATE)
    front, surround = (Fraction(30) * ops(CANDIDATE, 640, 960), Fraction(60) * ops(CANDIDATE, 320, 480))
    assert planned.required == (front + surround) * Fraction(6, 5)
    assert [load.required for load in planned.loads] == [front * Fraction(6, 5), surround * Fraction(6, 5)]
    assert asked.available == 225 * 10**9
    assert planned.utilisation == pytest.approx(float(planned.required / asked.available))
    assert planned.headroom_gops == pytest.approx(225 - planned.required_gops)
    assert sum(load.utilisation for load in planned.loads) == pytest.approx(planned.utilisation)


def test_own_network_is_counted_for_its_group_only() -> None:
    own = {**FRONT, "network": "mobilenet-fcn", "search_space": {"depth_multiplier": [1.0]}}
    wide = Candidate.of("mobilenet-fcn", {"depth_multiplier": 1.0})
    planned = measure(make(own, SURROUND), CANDIDATE, wide)
    assert [load.figures.cost.ops for load in planned.loads] == [ops(wide, 640, 960), ops(CANDIDATE, 320, 480)]
    graphs = [candidate.graph(classes=7, height=320, width=480) for candidate in (CANDIDATE, wide)]
    assert planned.params == sum(count(graph).total.params for graph in graphs)
    assert planned.weight_bytes == sum(memory(graph).weight_bytes("fp32") for graph in graphs)
    assert planned.peak_bytes == memory(wide.graph(classes=7, height=640, width=960)).peak_bytes("fp32")


def test_shared_network_has_its_weights_once() -> None:
    both, one = measure(make(FRONT, SURROUND), CANDIDATE), measure(make(FRONT), CANDIDATE)
    assert both.weight_bytes == one.weight_bytes
    assert both.peak_bytes == one.peak_bytes
    assert both.params == one.params


def test_equal_groups_are_one_group() -> None:
    two = plan(make({**SURROUND, "name": "left", "count": 2}, {**SURROUND, "name": "right", "count": 2}))
    one = plan(make(SURROUND))
    assert [planned.required for planned in two.candidates] == [planned.required for planned in one.candidates]
    assert [planned.candidates for planned in two.best] == [planned.candidates for planned in one.best]


def test_memory_limit_is_kept_like_operations() -> None:
    asked = make(FRONT, budget_gops=10_000, precision="int8")
    needed = sorted({planned.weight_bytes + planned.peak_bytes for planned in plan(asked).candidates})
    between = Fraction(needed[2], 10**6)
    made = plan(asked.changed(budget_mb=float(between)))
    assert made.fit == sum(planned.weight_bytes + planned.peak_bytes <= needed[2] for planned in plan(asked).candidates)
    assert made.over == {"budget_mb": made.total - made.fit}
    nothing = plan(asked.changed(budget_mb=0.001))
    assert not nothing.fit
    assert "The binding limit is budget_mb: the one of the least memory, 0.25 / " in nothing.verdict
    assert (
        plan(asked.changed(budget_mb=0.001, budget_gops=0.001)).verdict.count("limits are budget_gops and budget_mb")
        == 1
    )


def test_memory_is_told_at_every_precision() -> None:
    asked = make(FRONT, SURROUND, precision="fp16", budget_mb=20)
    planned = measure(asked, CANDIDATE)
    shown = memory_table(planned)
    assert [row["precision"] for row in shown.rows] == ["fp32", "fp16", "int8"]
    for row in shown.rows:
        precision = row["precision"]
        figures = {size: memory(CANDIDATE.graph(classes=7, height=size[0], width=size[1])) for size in SIZES.values()}
        for name, size in SIZES.items():
            assert row[f"activation_mb:{name}"] == figures[size].activation_bytes(precision) / 1e6
        assert row["weight_mb"] == figures[640, 960].weight_bytes(precision) / 1e6
        assert row["peak_mb"] == figures[640, 960].peak_bytes(precision) / 1e6
        assert row["fits"] is (row["weight_mb"] + row["peak_mb"] <= 20)
    (marked,) = [row for row in shown.rows if shown.marked(row)]
    assert (marked["precision"], marked["memory_mb"]) == ("fp16", planned.memory_mb)


def test_crop_costs_what_the_part_costs() -> None:
    cut = measure(make({**FRONT, "crop": {"height": 320, "width": 480}}), CANDIDATE)
    assert cut.cost.ops == ops(CANDIDATE, 320, 480)


def test_plan_shows_each_groups_share() -> None:
    made = plan(make(FRONT, SURROUND, contention=1.5))
    (shares,) = [
        block for block in plan_report.report(made).blocks if isinstance(block, Table) and block.key == "plan-groups"
    ]
    assert [row["name"] for row in shares.rows] == ["front", "surround", "all"]
    front, surround, together = shares.rows
    assert front["required_gops"] + surround["required_gops"] == pytest.approx(together["required_gops"])
    assert front["share"] + surround["share"] == pytest.approx(1)
    assert together["required_gops"] == made.candidates[0].required_gops
    assert together["images_per_second"] == 90


def test_demand_is_exact_for_rates_that_no_float_holds() -> None:
    demand = Demand(make({**FRONT, "fps": 29.97}, {**SURROUND, "fps": 0.1}, contention=1.1))
    assert demand.required([7, 11]) == Fraction(2997, 100) * 7 * Fraction(11, 10) + Fraction(4, 10) * 11 * Fraction(
        11, 10
    )
