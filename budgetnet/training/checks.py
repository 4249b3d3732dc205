"""What a training asks for, looked at before its data are read: nobody wants to read for minutes and then hear
of a misspelt path.
"""

from collections.abc import Iterable
from pathlib import Path

from budgetnet import stems
from budgetnet.errors import BudgetnetError
from budgetnet.networks import Candidate
from budgetnet.scenario import Scenario
from budgetnet.stems import sources
from budgetnet.training.finished import load
from budgetnet.training_settings import Training


def require(
    scenario: Scenario,
    candidates: Iterable[Candidate],
    *,
    processes: int = 1,
) -> None:
    """Raises BudgetnetError where these candidates cannot be trained as the scenario says: a stem or a teacher that
    cannot be loaded, parts that cannot be shared out.
    """
    training = scenario.training
    _require_parts(training, processes)
    if training.stem is not None:
        _require_stem(training.stem, candidates)
    if training.teacher is not None:
        _require_teacher(training.teacher, scenario.class_count)


def require_batches(training: Training, images: int) -> None:
    """Raises BudgetnetError where batches of `images` training images are too small for the parts."""
    smallest = images // -(-images // training.batch_size)
    if training.parts > smallest:
        rule = f"must be at most the images of each batch, here {smallest}"
        raise BudgetnetError(f"training.parts: {rule}, but got {training.parts}")


def _require_parts(training: Training, processes: int) -> None:
    if training.parts > training.batch_size:
        rule = f"must be at most the batch_size, {training.batch_size}"
        raise BudgetnetError(f"training.parts: {rule}, but got {training.parts}")
    if training.parts % processes:
        rule = f"must be a multiple of the processes, here {processes}"
        raise BudgetnetError(f"training.parts: {rule}, but got {training.parts}")


def _require_stem(stem: str, candidates: Iterable[Candidate]) -> None:
    """Every file that some candidate begins with is read for the widest of them: it must be wide enough. A VGG-16 for
    each form of the network.
    """
    widest: dict[Path, float] = {}
    try:
        several = list(candidates)
        mobile = [candidate for candidate in several if candidate.network in stems.ON_MOBILENET]
        for multiplier in sorted({float(candidate.parameters["depth_multiplier"]) for candidate in mobile}):
            widest[sources.find(stem, multiplier).path] = multiplier
        for multiplier in widest.values():
            stems.load(stem, multiplier)
        others = [candidate for candidate in several if candidate.network not in stems.ON_MOBILENET]
        names = ("form", "depth_multiplier")
        alike = {(one.network, *(one.parameters.get(name) for name in names)): one for one in others}
        for other in alike.values():
            stems.of(stem, other)
    except BudgetnetError as error:
        raise BudgetnetError(f"training.stem: {error}") from None


def _require_teacher(teacher: str, classes: int) -> None:
    try:
        run = load(Path(teacher))
    except BudgetnetError as error:
        raise BudgetnetError(f"training.teacher: {error}") from None
    if len(run.classes) != classes:
        rule = f"must tell {classes} classes apart, as the scenario does"
        raise BudgetnetError(f"training.teacher: {rule}, but got a run of {len(run.classes)}")
