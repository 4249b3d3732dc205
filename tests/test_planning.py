"""Planning as the command line runs it, and what a search says to plans that are more than it can go through."""

from pathlib import Path

import pytest

from budgetnet import scenario
from budgetnet.errors import BudgetnetError
from budgetnet.plan import plan
from budgetnet.planning import FILES, Timing, run_plan
from budgetnet.report import Table
from budgetnet.searching import require_one_network

LARGE = """\
name: large
cameras: 4
fps: 15
budget_gops: 70
classes: 7
input: {height: 64, width: 96}
search_space:
  depth_multiplier: {from: 0.1, to: 1, step: 0.1}
  classifier_kernel: {from: 1, to: 15, step: 2}
  classifier_depth: {from: 1, to: 1000, step: 1}
"""


def test_table_of_an_earlier_plan_does_not_stay_where_this_one_has_none(tmp_path: Path) -> None:
    large = tmp_path / "large.yaml"
    large.write_text(LARGE)
    out = tmp_path / "out"
    before = run_plan("parking", folder=out)
    assert out / "plan-head.csv" in before.written
    after = run_plan(str(large), folder=out)
    assert not (out / "plan-head.csv").exists()
    assert {path.name for path in out.iterdir()} == {path.name for path in after.written}


def test_groups_of_an_earlier_plan_do_not_stay_where_this_one_has_none(tmp_path: Path) -> None:
    groups = tmp_path / "groups.yaml"
    groups.write_text(LARGE[: LARGE.index("search_space")].replace("4", "[{name: front}, {name: side, count: 3}]", 1))
    out = tmp_path / "out"
    assert out / "plan-groups.csv" in run_plan(str(groups), folder=out).written
    run_plan("parking", folder=out)
    assert not (out / "plan-groups.csv").exists()


def test_comparison_of_an_earlier_plan_does_not_stay_beside_the_next(tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = run_plan("urban", folder=out, against="parking")
    assert {out / "plan-against.md", out / "plan-against.csv"} <= set(before.written)
    after = run_plan("parking", folder=out)
    assert {path.name for path in out.iterdir()} == {path.name for path in after.written}


def test_whatever_a_plan_writes_it_may_write(tmp_path: Path) -> None:
    """Else the next plan would leave it there."""
    groups = tmp_path / "groups.yaml"
    groups.write_text(LARGE[: LARGE.index("search_space")].replace("4", "[{name: front}, {name: side, count: 3}]", 1))
    written = run_plan(str(groups), folder=tmp_path / "out", against="parking", candidates=["head=fcn"]).written
    timed = run_plan("demo", folder=tmp_path / "in-time", timing=Timing(platform="jetson-tx2")).written
    assert {path.name for path in (*written, *timed)} == set(FILES)


def test_only_what_a_plan_may_write_is_removed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    others = ["plan-mine.csv", "search.md", "plan-against.md.old", "runs/plan-against.md"]
    for name in [*others, "plan-groups.csv/kept"]:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("mine")
    elsewhere = tmp_path / "elsewhere.csv"
    elsewhere.write_text("mine")
    (out / "plan-against.csv").symlink_to(elsewhere)
    (out / "plan-against.md").write_text("stale")
    written = run_plan("parking", folder=out).written
    assert elsewhere.read_text() == "mine"
    left = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_symlink() or path.is_file()}
    assert left == {*others, "plan-groups.csv/kept", *(path.name for path in written)}


def test_candidate_that_is_named_twice_is_answered_once(tmp_path: Path) -> None:
    words = ["depth_multiplier=0.5", "0.5 / Conv2d_13_pointwise / fcn / 7 / 1024", "depth_multiplier=1"]
    done = run_plan("urban", folder=tmp_path, candidates=[*words, *words])
    named = [block for block in done.shown.blocks if isinstance(block, Table) and block.key == "plan-named"]
    assert [len(table.rows) for table in named] == [2]
    assert [each["parameters"]["depth_multiplier"] for each in done.shown.record["named"]] == [0.5, 1]


def test_search_refuses_several_networks() -> None:
    groups = [{"name": "front", "network": "mobilenet-fcn"}, {"name": "side"}]
    rule = "search: must be of a scenario whose camera groups share one network, but got shared, front"
    with pytest.raises(BudgetnetError, match=rule):
        require_one_network(plan(scenario.load("parking").changed(cameras=groups)))


def test_values_of_a_range_are_those_that_would_be_listed(tmp_path: Path) -> None:
    large = tmp_path / "large.yaml"
    large.write_text(LARGE)
    space = scenario.load(str(large)).space
    assert space["depth_multiplier"] == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    assert space["classifier_kernel"] == (1, 3, 5, 7, 9, 11, 13, 15)
    assert len(space["classifier_depth"]) == 1000


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ("{from: 1, to: 2}", "step: must be given, but got nothing"),
        ("{from: 1, to: 2, step: 0}", "step: must be greater than 0, but got 0"),
        ("{from: 2, to: 1, step: 1}", "to: must be 2 or more, but got 1"),
        ("{from: a, to: 1, step: 1}", "from: must be a number, but got 'a'"),
        ("{from: 1, to: .inf, step: 1}", "to: must be a finite number, but got inf"),
        ("{from: 1, to: 2, step: true}", "step: must be a number, but got true"),
        ("{from: 1, to: 2, steps: 1, step: 1}", "steps: unknown field; did you mean 'step'?"),
        ("{from: 0.1, to: 60, step: 0.0001}", ": must make 100,000 values or fewer, but got 599,001"),
        ("{from: 1, to: 2, step: 1e-320}", ": must make 100,000 values or fewer, but got more than 1,000,000,000,000"),
        ("{from: 1, to: 1e300, step: 1}", ": must make 100,000 values or fewer, but got more than 1,000,000,000,000"),
        ("{from: 0, to: 1, step: 0.5}", "from: must be greater than 0, but got 0"),
        ("{from: 65, to: 66, step: 0.5}", "from: must be 64 or less, but got 65"),
        ("{from: 1, to: 80, step: 0.5}", "to: must be 64 or less, but got 80"),
        ("{from: 1, to: 1.000000000000001, step: 1e-17}", "step: must tell each value from the next, but got 1e-17"),
    ],
)
def test_range_that_is_none_is_refused(tmp_path: Path, values: str, rule: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(LARGE.replace("{from: 0.1, to: 1, step: 0.1}", values))
    with pytest.raises(BudgetnetError) as caught:
        scenario.load(str(path))
    (message,) = str(caught.value).splitlines()
    joined = "" if rule[0] == ":" else "."
    assert message == f"{path}:8: search_space.depth_multiplier{joined}{rule}"


@pytest.mark.parametrize(
    ("values", "rules"),
    [
        ("{from: 1, to: 1e5, step: 1}", [".to: must be a whole number, but got 100000.0"]),
        ("{from: 1, to: 100000, step: 1}", [".to: must be 65536 or less, but got 100000"]),
        ("{from: 0, to: 9, step: 1}", [".from: must be 1 or more, but got 0"]),
        (
            "{from: 1.0, to: b, step: 0.5}",
            [
                ".from: must be a whole number, but got 1.0",
                ".step: must be a whole number, but got 0.5",
                ".to: must be a whole number, but got 'b'",
            ],
        ),
    ],
)
def test_range_of_a_whole_number_is_told_by_its_fields(tmp_path: Path, values: str, rules: list[str]) -> None:
    """Not by the 100,000 values that one point made floats of."""
    path = tmp_path / "x.yaml"
    path.write_text(LARGE.replace("{from: 1, to: 1000, step: 1}", values))
    with pytest.raises(BudgetnetError) as caught:
        scenario.load(str(path))
    assert str(caught.value).splitlines() == [f"{path}:10: search_space.classifier_depth{rule}" for rule in rules]


def test_range_of_names_is_none(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(LARGE + "  final_endpoint: {from: 1, to: 99999, step: 1}\n")
    with pytest.raises(BudgetnetError) as caught:
        scenario.load(str(path))
    told = "must be a value or a list of them, as it has no range, but got {'from': 1, 'to': 99999, 'step': 1}"
    assert str(caught.value) == f"{path}:11: search_space.final_endpoint: {told}"


def test_last_value_of_a_range_may_lie_before_its_end(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(LARGE.replace("{from: 1, to: 1000, step: 1}", "{from: 1, to: 70000, step: 65535}"))
    assert scenario.load(str(path)).space["classifier_depth"] == (1, 65536)
