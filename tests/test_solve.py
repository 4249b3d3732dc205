"""Inverse answers: each one fits, and one step more does not, in scenarios written anew with the answer in them."""

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgetnet import formats, scenario
from budgetnet.errors import BudgetnetError
from budgetnet.networks import Candidate, family
from budgetnet.plan import answers as solve_report
from budgetnet.plan import measure, plan
from budgetnet.plan.demand import Planned
from budgetnet.plan.solve import Answer, Step, questions, solve
from budgetnet.scenario import Scenario

PUBLISHED = {"depth_multiplier": 0.5, "classifier_kernel": 7, "classifier_depth": 1024}


def candidates() -> st.SearchStrategy[Candidate]:
    return st.builds(
        lambda multiplier, endpoint, kernel, depth: Candidate.of(
            "mobilenet-fcn",
            {
                "depth_multiplier": multiplier,
                "final_endpoint": endpoint,
                "classifier_kernel": kernel,
                "classifier_depth": depth,
            },
        ),
        st.sampled_from([0.1, 0.25, 0.35, 0.5, 1.0]),
        st.sampled_from(["Conv2d_3_pointwise", "Conv2d_11_pointwise", "Conv2d_13_pointwise"]),
        st.integers(1, 9),
        st.integers(1, 1024),
    )


@st.composite
def tasks(draw: st.DrawFn) -> tuple[Scenario, tuple[Candidate, ...]]:
    """A scenario of one group or two, with one network or two, and a choice of networks that fits, nearly, or not."""
    sides = st.integers(32, 160)
    groups: list[dict[str, Any]] = [
        {"name": "a", "count": draw(st.integers(1, 5)), "fps": draw(st.sampled_from([7.5, 15, 29.97]))}
    ]
    chosen = [draw(candidates())]
    if draw(st.booleans()):
        own = draw(st.booleans())
        groups.append({"name": "b", "input": {"height": draw(sides), "width": draw(sides)}})
        groups[-1] |= {"network": "mobilenet-fcn"} if own else {}
        chosen += [draw(candidates())] if own else []
    asked = Scenario.model_validate(
        {
            "name": "made",
            "cameras": groups if len(groups) > 1 or draw(st.booleans()) else groups[0]["count"],
            "fps": 15,
            "input": {"height": draw(sides), "width": draw(sides)},
            "budget_gops": 1000,
            "classes": draw(st.integers(2, 20)),
            "reserve": draw(st.sampled_from([0, 0.1])),
            "contention": draw(st.sampled_from([1, 1.3])),
        }
    )
    planned = measure(asked, *chosen)
    share = draw(st.floats(0.3, 3))
    limits: dict[str, Any] = {"budget_gops": planned.required_gops * share / (1 - asked.reserve)}
    if draw(st.booleans()):
        limits["budget_mb"] = planned.memory_mb * draw(st.floats(0.8, 1.5))
    return asked.changed(**limits), tuple(chosen)


def rewritten(planned: Planned, answer: Answer, step: Step) -> Planned:
    """The choice measured in a scenario that is written anew with the step in it."""
    asked, chosen = planned.demand.scenario, list(planned.candidates)
    groups = [group.model_dump() for group in asked.cameras] if not isinstance(asked.cameras, int) else None
    if answer.question == "budget":
        return measure(asked.changed(budget_gops=step.value), *chosen)
    if answer.question in ("fps", "cameras", "size"):
        field = {"fps": "fps", "cameras": "count", "size": "input"}[answer.question]
        value = {"height": step.value[0], "width": step.value[1]} if answer.question == "size" else step.value
        if groups is None:
            return measure(asked.changed(**{"cameras" if field == "count" else field: value}), *chosen)
        for group in groups:
            if answer.subject == "all groups alike":
                group["fps"] = float(Fraction(str(group["fps"] or asked.fps)) * Fraction(str(value)))
            elif answer.subject in ("", group["name"]):
                group[field] = value
        return measure(asked.changed(cameras=groups), *chosen)
    names = [choice.name for choice in asked.networks]
    place = names.index(answer.subject) if answer.subject else 0
    chosen[place] = Candidate.of(chosen[place].network, {**chosen[place].parameters, answer.question: step.value})
    return measure(asked, *chosen)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(tasks())
def test_every_answer_fits_and_one_step_more_does_not(task: tuple[Scenario, tuple[Candidate, ...]]) -> None:
    asked, chosen = task
    planned = measure(asked, *chosen)
    for question in questions(asked):
        for answer in solve(planned, question):
            if answer.answer is not None:
                again = rewritten(planned, answer, answer.answer)
                assert again.fits, (answer.question, answer.answer.text)
                assert again.required == answer.answer.planned.required
                assert again.memory_mb == answer.answer.planned.memory_mb
            if answer.beyond is not None:
                again = rewritten(planned, answer, answer.beyond)
                assert again.broken == answer.binding, (answer.question, answer.beyond.text)
                assert again.required == answer.beyond.planned.required
            assert answer.answer is not None or answer.beyond is not None


@settings(max_examples=60, deadline=None, derandomize=True)
@given(tasks())
def test_one_step_more_is_one_step(task: tuple[Scenario, tuple[Candidate, ...]]) -> None:
    asked, chosen = task
    planned = measure(asked, *chosen)
    for question in questions(asked):
        for answer in solve(planned, question):
            if answer.answer is None or answer.beyond is None:
                continue
            here, there = answer.answer.value, answer.beyond.value
            if question == "size":
                assert min(there) == min(here) + 1
            elif question == "cameras":
                assert there == here + 1
            else:
                step = {"budget": 0.001, "fps": 0.01}.get(question)
                largest = step or family("mobilenet-fcn").parameter(question).step
                assert 0 < abs(there - here) <= largest * (1 + 1e-9)
                if step and here < 1:  # small figures are answered to a thousandth of themselves
                    assert abs(there - here) <= here / 999


@settings(max_examples=40, deadline=None, derandomize=True)
@given(tasks())
def test_what_fits_as_it_is_is_never_answered_with_less(task: tuple[Scenario, tuple[Candidate, ...]]) -> None:
    asked, chosen = task
    planned = measure(asked.changed(budget_gops=1e6, budget_mb=None), *chosen)
    tight = planned.required_gops / (1 - asked.reserve) * (1 + 1e-9)
    planned = measure(asked.changed(budget_gops=tight, budget_mb=None), *chosen)
    assert planned.fits
    for question in questions(asked):
        for answer in solve(planned, question):
            assert answer.answer is not None
            group = next(
                (each for each in planned.demand.groups if each.name == answer.subject), planned.demand.groups[0]
            )
            stands: Any = {"fps": group.fps, "cameras": group.count, "size": [group.height, group.width]}.get(question)
            if stands is None and question != "budget" and not answer.subject:
                stands = chosen[0].parameters[question]
            if stands is not None and answer.subject != "all groups alike":
                assert answer.answer.value >= stands


def test_figures_between_two_steps_are_steps_too() -> None:
    asked = scenario.load("parking")
    between = {"depth_multiplier": 0.505, "classifier_kernel": 6, "classifier_depth": 1000}
    planned = measure(asked.changed(fps=14.995), Candidate.of("mobilenet-fcn", between))
    tight = measure(planned.demand.scenario.changed(budget_gops=planned.required_gops * (1 + 1e-12)), planned.candidate)
    assert tight.fits
    said = {name: solve(tight, name)[0] for name in questions(asked)}
    texts = {name: answer.answer.text for name, answer in said.items() if answer.answer}
    assert texts["depth_multiplier"] == "0.505"
    assert texts["classifier_kernel"] == "6"
    assert texts["fps"] == "14.995 fps"
    assert said["classifier_kernel"].beyond is not None
    assert said["classifier_kernel"].beyond.value == 7


def test_small_loads_are_answered_to_three_digits() -> None:
    asked = scenario.load("parking").changed(fps=1e-6, cameras=1, budget_gops=1e-5, input={"height": 32, "width": 32})
    planned = measure(asked, Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.25}))
    (budget,) = solve(planned, "budget")
    assert budget.answer is not None
    assert budget.answer.value == pytest.approx(planned.required_gops, rel=1e-3)
    least = measure(asked.changed(fps=1e-9), planned.candidate)
    (budget,) = solve(least, "budget")
    assert budget.binding == ("budget_gops must be 1e-09 or more",)


def test_crop_grows_within_its_image() -> None:
    crop = {"name": "a", "input": {"height": 320, "width": 480}, "crop": {"height": 240, "width": 480}}
    asked = scenario.load("parking").changed(cameras=[crop], budget_gops=1000)
    (answer,) = solve(measure(asked, Candidate.of("mobilenet-fcn", PUBLISHED)), "size")
    assert answer.answer is not None
    assert answer.answer.value == [240, 480]
    assert answer.binding == ("a crop must lie inside its image of 320 x 480",)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(tasks())
def test_as_it_is_fits_exactly_when_no_answer_lies_below(task: tuple[Scenario, tuple[Candidate, ...]]) -> None:
    asked, chosen = task
    planned = measure(asked, *chosen)
    (budget,) = solve(planned, "budget")
    if budget.answer is not None:
        assert planned.fits is (
            Fraction(str(asked.budget_gops)) >= planned.required / 10**9 / (1 - Fraction(str(asked.reserve)))
        )
        assert budget.answer.value + 1e-9 >= planned.required_gops / (1 - asked.reserve)
    else:
        assert budget.binding == ("budget_mb",)
    if not isinstance(asked.cameras, int):
        return
    (most,) = solve(planned, "cameras")
    count = 0 if most.answer is None else most.answer.value
    assert planned.fits is (count >= asked.cameras)


def test_same_shape_to_the_nearest_pixel() -> None:
    asked = scenario.load("parking").changed(input={"height": 375, "width": 1242}, budget_gops=400)
    planned = measure(asked, Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.25}))
    (answer,) = solve(planned, "size")
    assert answer.answer is not None
    height, width = answer.answer.value
    assert height > 375
    assert abs(width - height * 1242 / 375) <= 0.5
    upright = asked.changed(input={"height": 1242, "width": 375})
    (turned,) = solve(measure(upright, *planned.candidates), "size")
    assert turned.answer is not None
    assert abs(turned.answer.value[0] - turned.answer.value[1] * 1242 / 375) <= 0.5


@pytest.mark.parametrize(
    ("question", "fields", "end"),
    [
        ("fps", {}, "fps must be 10000 or less"),
        ("cameras", {}, "cameras must be 1000 or less"),
        ("size", {}, "sides must be 8192 or less"),
        ("depth_multiplier", {"input": {"height": 32, "width": 32}}, "depth_multiplier must be 64 or less"),
        ("classifier_kernel", {}, "classifier_kernel must be 255 or less"),
        ("classifier_depth", {}, "classifier_depth must be 65536 or less"),
    ],
)
def test_rule_that_ends_a_ladder_is_named(question: str, fields: dict[str, Any], end: str) -> None:
    asked = scenario.load("parking").changed(budget_gops=1e9, cameras=1, fps=1, **fields)
    (answer,) = solve(measure(asked, Candidate.of("mobilenet-fcn", PUBLISHED)), question)
    assert answer.binding == (end,)
    assert answer.beyond is None
    assert solve_report.sentence(answer).endswith(f"bound by {end}.")


def test_memory_binds_where_it_is_the_limit() -> None:
    asked = scenario.load("parking").changed(budget_mb=14, precision="fp32")
    planned = measure(asked, Candidate.of("mobilenet-fcn", {**PUBLISHED, "depth_multiplier": 0.25}))
    (answer,) = solve(planned, "size")
    assert answer.binding == ("budget_mb",)
    assert "of 14 MB" in solve_report.sentence(answer)
    (budget,) = solve(measure(asked.changed(budget_mb=1), *planned.candidates), "budget")
    assert budget.answer is None
    assert budget.binding == ("budget_mb",)


def test_published_answers_of_parking() -> None:
    planned = measure(scenario.load("parking"), Candidate.of("mobilenet-fcn", PUBLISHED))
    said = [
        solve_report.sentence(answer) for name in questions(planned.demand.scenario) for answer in solve(planned, name)
    ]
    assert said == [
        "Highest frame rate: 15.35 fps (now 15 fps), bound by budget_gops: 15.36 fps would need 70.01 of 70 GOPS.",
        "Most cameras: 4 cameras (now 4 cameras), bound by budget_gops: 5 cameras would need 85.5 of 70 GOPS.",
        "Largest input (same shape): 320 x 480 (now 320 x 480), bound by budget_gops: 321 x 482 would need 74.8 "
        "of 70 GOPS.",
        "Largest depth multiplier: 0.5 (now 0.5), bound by budget_gops: 0.51 would need 70.3 of 70 GOPS.",
        "Largest classifier kernel: 15 (now 7), bound by budget_gops: 17 would need 70.6 of 70 GOPS.",
        "Largest classifier depth: 1198 (now 1024), bound by budget_gops: 1199 would need 70.01 of 70 GOPS.",
        "Smallest budget: 68.369 GOPS (now 70 GOPS), bound by budget_gops: 68.368 GOPS would be too little.",
    ]


def test_nothing_at_all_fits() -> None:
    asked = scenario.load("parking").changed(budget_gops=0.1)
    (answer,) = solve(measure(asked, Candidate.of("mobilenet-fcn", PUBLISHED)), "cameras")
    assert answer.answer is None
    assert solve_report.sentence(answer) == (
        "Most cameras: none. Even 1 camera would need 17.1 of 0.1 GOPS, bound by budget_gops."
    )


@pytest.mark.parametrize("question", ["fsp", "final_endpoint", ""])
def test_unknown_question_is_refused(question: str) -> None:
    planned = measure(scenario.load("parking"), Candidate.of("mobilenet-fcn", PUBLISHED))
    rule = (
        "--solve: must be one of fps, cameras, size, depth_multiplier, classifier_kernel, classifier_depth, budget, but"
    )
    with pytest.raises(BudgetnetError, match=rule):
        solve(planned, question)


@pytest.mark.parametrize("name", ["parking", "rural"])
@pytest.mark.parametrize("question", questions(scenario.load("parking")))
def test_report_answers_for_the_named_and_the_best(name: str, question: str) -> None:
    made = plan(scenario.load(name))
    named = [measure(made.scenario, Candidate.of("mobilenet-fcn", {"depth_multiplier": 0.35}))]
    report = solve_report.report(made, question, named)
    read = json.loads(formats.text(report, "json"))
    assert [each["candidate"] for each in read["answers"]] == [named[0].label, made.candidates[0].label]
    assert all(each["question"] == question for each in read["answers"])
    assert max(map(len, formats.text(report, "table").splitlines())) <= 120
    assert formats.text(report, "markdown").count("bound by") >= 2


def test_best_one_is_asked_once_where_it_is_named_too() -> None:
    made = plan(scenario.load("parking"))
    assert len(solve_report.subjects(made, [made.candidates[0]])) == 1
    impossible = plan(made.scenario.changed(budget_gops=0.001))
    assert solve_report.subjects(impossible, []) == [impossible.smallest]
