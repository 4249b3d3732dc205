"""Inverse answers as tables: how far each figure can go, what binds, and what one step more would cost."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from budgetnet import units
from budgetnet.columns import shares_named
from budgetnet.plan import Plan, asked, need
from budgetnet.plan.demand import Planned
from budgetnet.plan.solve import Answer, Step, questions, solve
from budgetnet.report import Block, Column, Report, Table, Text

QUESTIONS: Final[Mapping[str, str]] = {
    "fps": "highest frame rate",
    "cameras": "most cameras",
    "size": "largest input (same shape)",
    "budget": "smallest budget",
}

_REST = (
    Column(key="now", heading="now", right=False),
    Column(key="answer", heading="answer", right=False),
    Column(key="answer_gops", heading="GOPS", show=units.gops),
    Column(key="answer_utilisation", heading="% of budget", show=units.percent),
    Column(key="binding", heading="bound by", right=False),
    Column(key="next", heading="a step further", right=False),
    Column(key="next_needs", heading="would need", right=False),
)
COLUMNS = (Column(key="what", heading="what", right=False), *_REST)
MACHINE_COLUMNS = (
    Column(key="candidate", heading="candidate", right=False),
    Column(key="question", heading="question", right=False),
    Column(key="subject", heading="subject", right=False),
    Column(key="now", heading="now", right=False),
    Column(key="answer", heading="answer", right=False),
    Column(key="answer_value", heading="answer as a number"),
    Column(key="answer_gops", heading="GOPS", number="#,##0.000"),
    Column(key="answer_utilisation", heading="% of budget", number="0.0%"),
    Column(key="answer_memory_mb", heading="MB", number="#,##0.000"),
    Column(key="binding", heading="bound by", right=False),
    Column(key="next", heading="a step further", right=False),
    Column(key="next_value", heading="a step further as a number"),
    Column(key="next_gops", heading="GOPS at one step more", number="#,##0.000"),
    Column(key="next_memory_mb", heading="MB at one step more", number="#,##0.000"),
)


def subjects(plan: Plan, named: Sequence[Planned]) -> list[Planned]:
    """Whom questions are asked of: the named ones, and last the best one, or the nearest to fitting where none does."""
    best = plan.candidates[0] if plan.fit else plan.nearest
    return [*(each for each in named if each.candidates != best.candidates), best]


def answers(planned: Planned, question: str | None = None) -> list[Answer]:
    """The answers to one question, or to all there are. Raises BudgetnetError where there is no such question."""
    asked_for = questions(planned.demand.scenario) if question is None else [question]
    return [answer for each in asked_for for answer in solve(planned, each)]


def answer_table(planned: Planned, found: Sequence[Answer]) -> Table:
    """What was found for one choice of networks, for people."""
    return Table(
        key="plan-answers",
        title=f"How far {planned.label} can go, all else as it is",
        columns=shares_named(COLUMNS, planned.demand.scenario),
        rows=[_row(planned, answer) for answer in found],
    )


def machine_table(found: Sequence[tuple[Planned, Sequence[Answer]]]) -> Table:
    """What was found for all of them, for machines."""
    rows = [_row(planned, answer) for planned, several in found for answer in several]
    columns = shares_named(MACHINE_COLUMNS, found[0][0].demand.scenario)
    return Table(key="plan-answers", title="How far each figure can go, as planned", columns=columns, rows=rows)


def report(plan: Plan, question: str, named: Sequence[Planned] = ()) -> Report:
    """The answers to one question, for the named candidates and the best one. Raises BudgetnetError."""
    found = [(planned, answers(planned, question)) for planned in subjects(plan, named)]
    blocks: list[Block] = [Text(text=f"Asked of {asked(plan.scenario)}.")]
    for planned, several in found:
        blocks.append(answer_table(planned, several))
        blocks += (Text(text=sentence(answer)) for answer in several)
    return Report(
        key="plan-answers",
        title=f"{_name(question).capitalize()} of scenario {plan.scenario.name}",
        blocks=blocks,
        tables=[machine_table(found)],
        record={"scenario": plan.scenario.name, "answers": records(found)},
    )


def records(found: Sequence[tuple[Planned, Sequence[Answer]]]) -> list[dict[str, Any]]:
    """Plain data for JSON."""
    return [
        {
            "candidate": planned.label,
            "question": answer.question,
            "subject": answer.subject,
            "now": answer.now,
            "answer": _step_record(answer.answer),
            "binding": list(answer.binding),
            "next": _step_record(answer.beyond),
        }
        for planned, several in found
        for answer in several
    ]


def sentence(answer: Answer) -> str:
    """`Highest frame rate: 15.35 fps (now 15 fps), bound by budget_gops: 15.36 fps would need 70.010 of 70 GOPS.`"""
    what = _what(answer)
    binding = " and ".join(answer.binding)
    if answer.answer is None:
        assert answer.beyond is not None
        return f"{what}: none. Even {answer.beyond.text} would need {_needs(answer)}, bound by {binding}."
    said = f"{what}: {answer.answer.text} (now {answer.now}), bound by {binding}"
    if answer.beyond is None:
        return f"{said}."
    if answer.question == "budget":
        return f"{said}: {answer.beyond.text} would be too little."
    return f"{said}: {answer.beyond.text} would need {_needs(answer)}."


def _what(answer: Answer) -> str:
    return _name(answer.question).capitalize() + (f" ({answer.subject})" if answer.subject else "")


def _name(question: str) -> str:
    return QUESTIONS.get(question, f"largest {question.replace('_', ' ')}")


def _needs(answer: Answer) -> str:
    """What one step more needs of each limit that it breaks, and what there is."""
    if answer.beyond is None:
        return ""
    planned = answer.beyond.planned
    return ", ".join(need(planned, limit).removeprefix("needs ").partition(",")[0] for limit in planned.broken)


def _row(planned: Planned, answer: Answer) -> dict[str, Any]:
    row: dict[str, Any] = {
        "candidate": planned.label,
        "question": answer.question,
        "subject": answer.subject,
        "what": _what(answer),
        "now": answer.now,
        "answer": answer.answer.text if answer.answer else "none",
        "binding": " and ".join(answer.binding),
        "next_needs": _needs(answer),
    }
    for name, step in (("answer", answer.answer), ("next", answer.beyond)):
        if step:
            row |= {name: step.text, f"{name}_value": _plain(step.value)}
            row |= {f"{name}_gops": step.planned.required_gops}
            row |= {f"{name}_utilisation": step.planned.utilisation, f"{name}_memory_mb": step.planned.memory_mb}
    return row


def _plain(value: Any) -> Any:
    """A step's value without units; a size as `320x480`, which every option reads."""
    return "x".join(map(str, value)) if isinstance(value, list) else value


def _step_record(step: Step | None) -> dict[str, Any] | None:
    if step is None:
        return None
    planned = step.planned
    return {
        "value": step.value,
        "required_gops": planned.required_gops,
        "utilisation": planned.utilisation,
        "memory_mb": planned.memory_mb,
        "over": list(planned.broken),
    }
