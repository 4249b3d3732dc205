"""A whole plan as the command line runs it: scenario, plan, questions and comparison put together, reports written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from budgetnet import arguments, files, formats, platforms
from budgetnet.errors import BudgetnetError
from budgetnet.plan import Plan, measure
from budgetnet.plan import answers as solve_report
from budgetnet.plan import plan as make_plan
from budgetnet.plan import report as plan_report
from budgetnet.plan.demand import Planned
from budgetnet.plan.solve import require_question
from budgetnet.plan.tables import Tables
from budgetnet.report import Report
from budgetnet.roofline import Roof, roof
from budgetnet.scenario import Scenario, load
from budgetnet.units import Precision

FORMATS = ("markdown", "csv", "xlsx")
"""In which reports are written."""

FILES = (
    "plan.md",
    "plan.xlsx",
    "plan-candidates.csv",
    "plan-groups.csv",
    "plan-stem.csv",
    "plan-head.csv",
    "plan-memory.csv",
    "plan-named.csv",
    "plan-answers.csv",
    "plan-against.md",
    "plan-against.csv",
    "plan-latency.md",
    "plan-latency.csv",
    "plan-latency.json",
    "plan-layers.csv",
    "plan-platforms.csv",
)
"""All that a plan may write. What this one does not is removed: an earlier plan's would be taken for this one's."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What goes to the screen, what was written, how many candidates are counted but listed nowhere, and why what was
    asked for does not fit; None where it does.
    """

    shown: Report
    written: Sequence[Path]
    left_out: int
    obstacle: str | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """On what a plan is timed: a known platform's key or a file's path (the scenario's with None), the precision (the
    scenario's with None), images at a time, the engine by name, and the key of efficiencies in place of the platform's
    own.
    """

    platform: str | None
    precision: Precision | None = None
    batch: int = 1
    engine: str | None = None
    efficiency: str | None = None

    def key(self, scenario: Scenario) -> str:
        """The platform that is asked for. Raises BudgetnetError where none is."""
        key = self.platform or scenario.platform
        if key is None:
            raise BudgetnetError("--platform: must be given where the scenario names none, but got none")
        return key

    def roof(self, scenario: Scenario) -> Roof:
        """The engine that is asked for. Raises BudgetnetError."""
        precision = self.precision or scenario.precision
        platform = platforms.load(self.key(scenario))
        return roof(platform, precision, efficiency=self.efficiency, engine=self.engine)


def run_plan(
    source: str,
    *,
    folder: Path | None = None,
    candidates: Sequence[str] = (),
    question: str | None = None,
    against: str | None = None,
    timing: Timing | None = None,
    every: bool = False,
    write: bool = True,
) -> Outcome:
    """Plans the scenario `source` and writes its reports into `folder` (`reports/<scenario>`), unless `write` is off.

    The screen gets the plan (all of it with `every`), the answers to `question`, or what the change from the scenario
    `against` costs, or with `timing` how long it all takes on a platform. `candidates` are words that name choices of
    networks. Raises BudgetnetError.
    """
    scenario = load(source)
    on = None if timing is None else (timing, timing.key(scenario), timing.roof(scenario))
    if question is not None:
        require_question(scenario, question)
    choices = dict.fromkeys(tuple(arguments.choice(scenario, words)) for words in candidates)
    named = [measure(scenario, *choice) for choice in choices]
    late: str | None = None
    before = None if against is None else make_plan(load(against))
    plan = make_plan(scenario)
    tables = Tables.of(plan, named)
    complete = plan_report.report(plan, tables=tables, named=named)
    contents = formats.files(complete, *FORMATS) if write else {}
    if before is not None:
        from budgetnet.plan import versus, versus_report

        shown = versus_report.report(versus.Versus(before=before, after=plan, named=named))
        contents |= formats.files(shown, "markdown", "csv") if write else {}
    elif on is not None:
        from budgetnet.plan import latency, latency_report

        how, key, engine = on
        found = latency.InTime.of(plan, engine, key, batch=how.batch, named=named)
        contents |= formats.files(latency_report.report(found), "markdown", "csv", "json") if write else {}
        shown = latency_report.report(found, rows=None if every else latency_report.SHORT)
        late = latency_report.obstacle(found)
    elif question is not None:
        shown = solve_report.report(plan, question, named)
    else:
        rows = None if every else plan_report.SHORT
        verdict = complete.blocks[0]  # on the screen the end is what stays in view
        shown = replace(complete, blocks=[*plan_report.blocks_of(plan, tables, named, rows), verdict])
    written = _write(folder or Path("reports") / scenario.name, contents) if write else []
    obstacle = _obstacle(plan, named) or late
    return Outcome(shown=shown, written=written, left_out=plan.total - len(plan.candidates), obstacle=obstacle)


def _write(folder: Path, contents: Mapping[str, bytes]) -> list[Path]:
    written = files.write_all(folder, contents)
    for name in FILES:
        if name not in contents:
            files.remove(folder / name)
    return written


def _obstacle(plan: Plan, named: Sequence[Planned]) -> str | None:
    """Where candidates were named it is they that must fit, else any of the plan."""
    if not named:
        return None if plan.fit else f"{plan.verdict[0].lower()}{plan.verdict[1:]}"
    return " ".join(plan_report.fate(planned) for planned in named if not planned.fits) or None
