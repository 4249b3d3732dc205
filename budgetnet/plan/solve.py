"""Inverse answers: how far one figure of a scenario, or of a network, can go while all else stays as it is.

Every question is a ladder of steps, each dearer than the one before. The answer is the highest step that keeps every
limit; the one above it breaks the limits that bind, and tells what one step more would cost. Decided exactly.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fractions import Fraction
from math import ceil, floor, log10
from typing import Any, Final, final

from budgetnet import units
from budgetnet.cameras import FASTEST, LARGEST_SIDE, MOST_CAMERAS, SMALLEST_SIDE, Group
from budgetnet.errors import BudgetnetError, shorten
from budgetnet.networks import Candidate, family
from budgetnet.parameters import Parameter, Value, written
from budgetnet.plan.demand import Demand, Figures, Planned, figures
from budgetnet.rules import SMALLEST
from budgetnet.scenario import Scenario

FPS_STEP: Final = Fraction(1, 100)
"""Frames per second, and factors on all frame rates, are answered in hundredths; below 1 finer."""

BUDGET_STEP: Final = Fraction(units.MEGA)
"""Budgets are answered in 10^6 operations per second, a thousandth of a GOPS; below 1 GOPS finer."""

SMALLEST_BUDGET: Final = Fraction(str(SMALLEST)) * units.GIGA
"""Operations per second; a scenario takes no less."""

SCENARIO_QUESTIONS: Final = ("fps", "cameras", "size", "budget")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a ladder: the figure, as people read it and as a plain value, and the choice of networks there."""

    value: Any
    text: str
    planned: Planned


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`question` is what was asked, `subject` the camera group or network it is about (empty where there is one only).

    `now` is the figure as it stands. `answer` is the last step that fits, None where not even the first does. `beyond`
    is one step more, None where a rule ends the ladder. `binding` names what forbids it: fields of the scenario, or
    that rule.
    """

    question: str
    subject: str
    now: str
    answer: Step | None
    beyond: Step | None
    binding: tuple[str, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Ladder:
    """`at(number)` makes the step of a number from `first` to `last`; `end` says by which rule it ends. `here` is where
    the figure stands, between two steps perhaps, and `as_it_is` the step that it is: answers are mostly near.
    """

    question: str
    subject: str
    now: str
    first: int
    last: int
    here: Fraction
    as_it_is: Step
    end: str
    at: Callable[[int], Step]

    def climb(self) -> Answer:
        """The highest step that fits; the figure as it stands counts as a step."""
        low, lowest, highest = self._bracket()
        if self.as_it_is.planned.fits and (lowest is None or low < self.here):
            lowest = self.as_it_is
        return self._answer(lowest, highest)

    def _bracket(self) -> tuple[int, Step | None, Step | None]:
        """The highest step that fits with its number, and the one above it, None where there is none: strides of
        growing length from where the figure stands, then bisection.
        """
        number = min(max(floor(self.here), self.first), self.last)
        step, stride = self.at(number), 1
        up = step.planned.fits
        while step.planned.fits is up:
            if number == (self.last if up else self.first):
                return (number, step, None) if up else (number - 1, None, step)
            before, beside = number, step
            number = min(number + stride, self.last) if up else max(number - stride, self.first)
            step, stride = self.at(number), 2 * stride
        low, lowest, high, highest = (before, beside, number, step) if up else (number, step, before, beside)
        while high - low > 1:
            middle = (low + high) // 2
            step = self.at(middle)
            if step.planned.fits:
                low, lowest = middle, step
            else:
                high, highest = middle, step
        return low, lowest, highest

    def _answer(self, answer: Step | None, beyond: Step | None) -> Answer:
        binding: tuple[str, ...] = beyond.planned.broken if beyond else (self.end,)
        return Answer(
            question=self.question, subject=self.subject, now=self.now, answer=answer, beyond=beyond, binding=binding
        )


def questions(scenario: Scenario) -> list[str]:
    """What can be asked: figures of the scenario, and every parameter of its networks that is a number."""
    numbers = [
        parameter.name
        for choice in scenario.networks
        for parameter in family(choice.family).parameters
        if parameter.numeric and parameter.name in choice.space
    ]
    return list(dict.fromkeys([*SCENARIO_QUESTIONS[:-1], *numbers, SCENARIO_QUESTIONS[-1]]))


def require_question(scenario: Scenario, question: str) -> None:
    """Raises BudgetnetError where there is no such question."""
    known = questions(scenario)
    if question not in known:
        near = get_close_matches(question, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise BudgetnetError(f"--solve: must be one of {', '.join(known)}, but got {shorten(question)}{hint}")


def solve(planned: Planned, question: str) -> list[Answer]:
    """Answers one question for a choice of networks, for each camera group or network that it can be asked of.

    Raises BudgetnetError where there is no such question.
    """
    require_question(planned.demand.scenario, question)
    if question == "budget":
        return [_smallest_budget(planned)]
    return [ladder.climb() for ladder in _ladders(planned, question)]


def _ladders(planned: Planned, question: str) -> Iterator[_Ladder]:
    if question in SCENARIO_QUESTIONS:
        ladders = {"fps": _fps, "cameras": _cameras, "size": _size}
        for place in range(len(planned.demand.groups)):
            yield ladders[question](planned, place)
        if question == "fps" and len(planned.demand.groups) > 1:
            yield _all_fps(planned)
        return
    for network, candidate in enumerate(planned.candidates):
        if question in candidate.parameters:
            yield _parameter(planned, network, family(candidate.network).parameter(question))


def _subject(planned: Planned, group: Group) -> str:
    return group.name if len(planned.demand.groups) > 1 else ""


def _with_groups(planned: Planned, groups: Sequence[Group], found: Sequence[Figures] | None = None) -> Planned:
    """The same networks with other camera groups; figures per image only change with the size of the images."""
    demand = Demand(planned.demand.scenario, groups=groups)
    return replace(planned, demand=demand, figures=planned.figures if found is None else tuple(found))


def _changed(planned: Planned, place: int, **fields: Any) -> list[Group]:
    groups = list(planned.demand.groups)
    groups[place] = replace(groups[place], **fields)
    return groups


def _fps(planned: Planned, place: int) -> _Ladder:
    demand, group = planned.demand, planned.demand.groups[place]
    now = Fraction(str(group.fps))
    others = planned.required - planned.loads[place].required
    highest = now * (demand.available - others) / planned.loads[place].required
    step, digits = _fineness(highest, FPS_STEP)

    def at(number: int) -> Step:
        fps = float(number * step)
        changed = _with_groups(planned, _changed(planned, place, fps=fps))
        return Step(value=fps, text=f"{fps:.{digits}f} fps", planned=changed)

    return _Ladder(
        question="fps",
        subject=_subject(planned, group),
        now=f"{group.fps:.10g} fps",
        first=max(1, ceil(Fraction(str(SMALLEST)) / step)),
        last=floor(FASTEST / step),
        here=now / step,
        as_it_is=Step(value=group.fps, text=f"{group.fps:.10g} fps", planned=planned),
        end=f"fps must be {FASTEST} or less",
        at=at,
    )


def _fineness(value: Fraction, coarsest: Fraction) -> tuple[Fraction, int]:
    """The step in which a figure is answered, and its decimals: coarse, or thousandths of the figure where that is
    finer.
    """
    size = min(0, floor(log10(value))) if value > 0 else 0
    step = min(coarsest, Fraction(10) ** (size - 3)) if size else coarsest
    return step, round(-log10(step))


def _all_fps(planned: Planned) -> _Ladder:
    groups = planned.demand.groups
    fastest = max(group.fps for group in groups)
    step, digits = _fineness(planned.demand.available / planned.required, FPS_STEP)

    def at(number: int) -> Step:
        factor = number * step
        faster = [replace(group, fps=float(Fraction(str(group.fps)) * factor)) for group in groups]
        changed = _with_groups(planned, faster)
        return Step(value=float(factor), text=f"x {float(factor):.{digits}f}", planned=changed)

    return _Ladder(
        question="fps",
        subject="all groups alike",
        now="x 1",
        first=1,
        last=max(1, floor(FASTEST / Fraction(str(fastest)) / step)),
        here=1 / step,
        as_it_is=Step(value=1.0, text="x 1", planned=planned),
        end=f"fps must be {FASTEST} or less",
        at=at,
    )


def _cameras(planned: Planned, place: int) -> _Ladder:
    group = planned.demand.groups[place]
    now = units.counted(group.count, "camera", "cameras")

    def at(number: int) -> Step:
        changed = _with_groups(planned, _changed(planned, place, count=number))
        return Step(value=number, text=units.counted(number, "camera", "cameras"), planned=changed)

    return _Ladder(
        question="cameras",
        subject=_subject(planned, group),
        now=now,
        first=1,
        last=MOST_CAMERAS,
        here=Fraction(group.count),
        as_it_is=Step(value=group.count, text=now, planned=planned),
        end=f"cameras must be {MOST_CAMERAS} or less",
        at=at,
    )


def _size(planned: Planned, place: int) -> _Ladder:
    """Images of the same shape, the shorter side a whole number of pixels and the longer the nearest. A crop grows
    within its image.
    """
    group, demand = planned.demand.groups[place], planned.demand
    short, long = sorted((group.height, group.width))
    highest, widest = group.inside or (LARGEST_SIDE, LARGEST_SIDE)
    now = f"{group.height} x {group.width}"

    def sides(number: int) -> tuple[int, int]:
        longer = (2 * number * long + short) // (2 * short)  # rounded half up
        return (number, longer) if group.height <= group.width else (longer, number)

    def at(number: int) -> Step:
        height, width = sides(number)
        found = list(planned.figures)
        found[place] = figures(planned.candidates[group.network], classes=demand.classes, height=height, width=width)
        changed = _with_groups(planned, _changed(planned, place, height=height, width=width), found)
        return Step(value=[height, width], text=f"{height} x {width}", planned=changed)

    # sides grow with the number: the last that lies inside
    last = (
        bisect_right(range(short + 1, LARGEST_SIDE + 1), False, key=lambda n: not _inside(sides(n), highest, widest))
        + short
    )
    cropped = f"a crop must lie inside its image of {highest} x {widest}"
    return _Ladder(
        question="size",
        subject=_subject(planned, group),
        now=now,
        first=SMALLEST_SIDE,
        last=last,
        here=Fraction(short),
        as_it_is=Step(value=[group.height, group.width], text=now, planned=planned),
        end=cropped if group.inside else f"sides must be {LARGEST_SIDE} or less",
        at=at,
    )


def _inside(sides: tuple[int, int], highest: int, widest: int) -> bool:
    return sides[0] <= highest and sides[1] <= widest


def _parameter(planned: Planned, network: int, parameter: Parameter) -> _Ladder:
    demand, scenario = planned.demand, planned.demand.scenario
    candidate = planned.candidates[network]
    step = Fraction(str(parameter.step))
    start = Fraction(str(parameter.minimum)) if parameter.minimum is not None else Fraction(str(parameter.above)) + step
    assert parameter.maximum is not None, f"{parameter.name} needs a maximum to be solved for"

    def at(number: int) -> Step:
        exact = start + number * step
        value: Value = float(exact) if parameter.kind is float else int(exact)
        changed = list(planned.candidates)
        changed[network] = Candidate.of(candidate.network, {**candidate.parameters, parameter.name: value})
        return Step(value=value, text=written(value), planned=demand.measure(changed))

    name = parameter.name
    return _Ladder(
        question=name,
        subject=scenario.networks[network].name if len(planned.candidates) > 1 else "",
        now=written(candidate.parameters[name]),
        first=0,
        last=floor((Fraction(str(parameter.maximum)) - start) / step),
        here=(Fraction(str(candidate.parameters[name])) - start) / step,
        as_it_is=Step(value=candidate.parameters[name], text=written(candidate.parameters[name]), planned=planned),
        end=f"{name} must be {parameter.maximum:g} or less",
        at=at,
    )


def _smallest_budget(planned: Planned) -> Answer:
    """The ladder goes down: one step less does not fit."""
    scenario = planned.demand.scenario
    usable = 1 - Fraction(str(scenario.reserve))
    exact = max(planned.required / usable, SMALLEST_BUDGET)
    fineness, digits = _fineness(exact / units.GIGA, BUDGET_STEP / units.GIGA)
    step = fineness * units.GIGA
    number = ceil(exact / step)

    def at(steps: int) -> Step:
        gops = float(steps * step / units.GIGA)
        changed = Demand(scenario, groups=planned.demand.groups, available=steps * step * usable)
        return Step(value=gops, text=f"{gops:,.{digits}f} GOPS", planned=replace(planned, demand=changed))

    smallest, less = at(number), at(number - 1)
    binding: tuple[str, ...]
    if not smallest.planned.fits:  # no budget of operations mends what another limit forbids
        answer, beyond, binding = None, smallest, smallest.planned.broken
    elif (number - 1) * step < SMALLEST_BUDGET:
        answer, beyond, binding = smallest, None, (f"budget_gops must be {SMALLEST:g} or more",)
    else:
        answer, beyond, binding = smallest, less, less.planned.broken
    return Answer(
        question="budget",
        subject="",
        now=f"{scenario.budget_gops:.10g} GOPS",
        answer=answer,
        beyond=beyond,
        binding=binding,
    )
