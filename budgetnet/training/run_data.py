"""The data that a finished run is scored on: its own where nobody names others, reduced to its classes."""

from budgetnet import datasets
from budgetnet.classes import ClassList
from budgetnet.classmaps import ClassMap
from budgetnet.data.reading import class_map
from budgetnet.datasets import Source
from budgetnet.errors import BudgetnetError, printable, shorten
from budgetnet.training.finished import Finished


def find(run: Finished, spec: str | None) -> tuple[str, Source, ClassMap]:
    """The data set `spec`, by default the run's own, as it is called, opened, and with the map to the run's classes.
    Raises BudgetnetError.
    """
    asked = run.source if spec is None else spec
    if not asked:
        raise BudgetnetError("--dataset must be given where the run does not tell its own data, but got none")
    try:
        source = datasets.find(asked)
    except BudgetnetError as error:
        if spec is not None:
            raise
        hint = f"the run was trained on {printable(run.source)}; --dataset names other data"
        raise BudgetnetError(f"{error}\n{hint}") from None
    return asked, source, _class_map(asked, source, run.classes)


def _class_map(spec: str, source: Source, classes: ClassList) -> ClassMap:
    """The class map that gives the run's classes: by their names and, where several do, by the name of the list."""
    named = [each for each in source.class_maps if each.classes.names == classes.names]
    fitting = [each for each in named if each.classes.name == classes.name]
    chosen = fitting[0] if len(fitting) == 1 else class_map(spec, source, classes.names)
    if chosen.classes.void != classes.void:
        mine, theirs = (_void_name(each) for each in (classes, chosen.classes))
        raise BudgetnetError(f"classes must have the void class of the run, {mine}, but got {theirs} in {chosen.key}")
    return chosen


def _void_name(classes: ClassList) -> str:
    return "none" if classes.void is None else shorten(classes.names[classes.void])
