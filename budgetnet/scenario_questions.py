"""What a new scenario still lacks: asked, or taken from defaults."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias, final

from budgetnet import platforms, plugins, rules, units
from budgetnet.errors import BudgetnetError, shorten
from budgetnet.scenario import Scenario
from budgetnet.scenario_words import GROUP, READ, Values, flag, problems, told
from budgetnet.units import PRECISIONS

Say: TypeAlias = Callable[[str], None]
Ask: TypeAlias = Callable[[str], str]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked for a field: how its answer is written, and what it is where the answer is empty.

    A field without a default may be left out.
    """

    field: str
    form: str = ""
    default: str = ""


QUESTIONS: Final = (
    Question(field="name", default="mine"),
    Question(field="cameras", form=f"Groups are written {GROUP}, with commas between them.", default="4"),
    Question(field="fps", default="30"),
    Question(field="input", form="Written HEIGHTxWIDTH.", default="320x480"),
    Question(field="platform"),
    Question(field="budget_gops", default="300"),
    Question(field="classes", form="Names are written with commas between them.", default="7"),
    Question(field="dataset"),
)


def missing(values: Values) -> list[str]:
    """Fields that every scenario needs and that are not there yet, in the order in which they are asked."""
    return [question.field for question in QUESTIONS if question.default and _lacks(question.field, values)]


def with_defaults(values: Values) -> Values:
    """`values`, and defaults for what every scenario needs besides."""
    defaults = {question.field: question.default for question in QUESTIONS}
    return values | {field: READ.get(field, str)(defaults[field]) for field in missing(values)}


def refuse_missing(values: Values) -> None:
    """Raises BudgetnetError naming the flags of all that every scenario needs and `values` lack."""
    flags = ["--cameras (or --group)" if field == "cameras" else flag(field) for field in missing(values)]
    if flags:
        why = "nobody can be asked, since input or output is no terminal"
        raise BudgetnetError(f"{', '.join(flags)}: must be given, or else --defaults: {why}")


def answered(values: Values, ask: Ask, say: Say, refuse: Callable[[str], str | None]) -> Values:
    """`values` and the answers to what they lack. `refuse` tells what speaks against a name, or None."""
    say("Enter takes what stands in brackets; Ctrl-C leaves, and nothing is written.")
    for question in QUESTIONS:
        if _lacks(question.field, values):
            say("")
            said = [Scenario.model_fields[question.field].description, question.form, _hint(question.field, values)]
            say(" ".join(filter(None, said)))
            values = _answer(values, question, ask, say, refuse)
    return values


def _lacks(field: str, values: Values) -> bool:
    """Whether the field is not given yet, by itself or by every camera group."""
    groups = values.get("cameras")
    if field in ("fps", "input") and isinstance(groups, list) and all(field in each for each in groups):
        return False
    return field not in values


def _answer(values: Values, question: Question, ask: Ask, say: Say, refuse: Callable[[str], str | None]) -> Values:
    """Asks until the answer is a good one."""
    field = question.field
    while True:
        word = ask(f"{field} [{question.default or 'none'}]: ").strip() or question.default
        if not word or (word == "none" and not question.default):
            return values
        try:
            value = READ.get(field, str)(word)
        except ValueError as error:
            say(f"  {field}: {error}, but got {shorten(word)}")
            continue
        more = values | {field: value}
        wrong = [told(problem, where) for where, problem in problems(more) if where == field]
        if not wrong and field == "name":
            wrong = list(filter(None, [refuse(word)]))
        if not wrong:
            return more
        for line in wrong:
            say(f"  {line}")


def _hint(field: str, values: Values) -> str:
    """What can be known only now."""
    if field == "platform":
        return f"Known: {', '.join(platforms.names())}."
    if field == "dataset":
        return f"Known: {', '.join(plugins.module_names('budgetnet.datasets'))}."
    if field == "classes":
        return f"Class lists: {', '.join(f'{name} ({len(has)})' for name, has in rules.class_lists().items())}."
    return _peaks(values["platform"]) if field == "budget_gops" and "platform" in values else ""


def _peaks(platform: str) -> str:
    known = platforms.load(platform)
    peaks = [(precision, known.peak_ops_per_second(precision)) for precision in PRECISIONS]
    said = [f"{units.giga(peak, 0)} in {precision}" for precision, peak in peaks if peak]
    return f"The peak of {known.name} in GOPS: {', '.join(said) or 'unknown'}. No network reaches a peak."
