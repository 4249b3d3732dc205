"""What `budgetnet bench` is given -> networks for runtimes: finished runs, candidates, ONNX files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, final

from budgetnet import arguments, networks
from budgetnet.bench import model_file
from budgetnet.bench.network import Network, Target, untrained
from budgetnet.errors import BudgetnetError, did_you_mean, printable, shorten
from budgetnet.scenario import Scenario

Size: TypeAlias = tuple[int, int]
"""Height and width in pixels."""

SIZE: Size = (320, 480)
"""Of images where nothing else says."""

SEED = 0
"""Of weights that nobody trained."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """For what networks are made: a `scenario`, or images of a `size` (the network's own where it is None). `classes`
    is how many a candidate tells apart without a scenario.
    """

    scenario: Scenario | None = None
    size: Size | None = None
    classes: int = 7


def targets(words: Sequence[str], asked: Asked) -> tuple[Target, ...]:
    """A target for each word. Raises BudgetnetError."""
    found: list[Target] = []
    for word in words:
        target = _target(word, asked)
        if any(target.label == other.label for other in found):
            raise BudgetnetError(f"{printable(target.label)}: must be named once, but got it again")
        found.append(target)
    return tuple(found)


def _target(word: str, asked: Asked) -> Target:
    path = Path(word)
    if path.suffix.lower() == model_file.SUFFIX:
        return _of_one(word, asked, lambda size: model_file.read(path, size), "an ONNX file")
    if _is_folder(path):
        return _of_run(path, asked)
    return _of_candidate(word, asked)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a label may be too long for a path
        return False


def _of_run(folder: Path, asked: Asked) -> Target:
    from budgetnet.training.finished import load

    run = load(folder)
    weights = {name: tensor.numpy() for name, tensor in run.weights.items()}
    run.model()  # whether these are the candidate's weights
    _require_classes(len(run.classes), asked.scenario)

    def made(size: Size | None) -> Network:
        height, width = size or (run.height, run.width)
        graph = run.candidate.graph(classes=len(run.classes), height=height, width=width)
        return Network.of(printable(str(folder)), graph, weights)

    return _of_one(printable(str(folder)), asked, made, f"{run.candidate.label}, trained, {len(run.classes)} classes")


def _require_classes(classes: int, scenario: Scenario | None) -> None:
    if scenario is not None and scenario.class_count != classes:
        rule = f"must have as many classes as the run, {classes}"
        raise BudgetnetError(f"--scenario: {rule}, but {shorten(scenario.name)} has {scenario.class_count}")


def _of_one(label: str, asked: Asked, made: Callable[[Size | None], Network], about: str) -> Target:
    """A target with one network, whatever the size."""
    scenario = asked.scenario
    if scenario is None:
        return Target(label=label, networks=(made(asked.size),), of_group=(), about=about)
    if len(scenario.networks) > 1:
        rule = "scenario: must be one whose camera groups share one network"
        raise BudgetnetError(f"{label}: {rule}, but got {', '.join(each.name for each in scenario.networks)}")
    return _for_groups(label, scenario, lambda place, size: made(size), about)


def _of_candidate(word: str, asked: Asked) -> Target:
    about = f"random weights, seed {SEED}"
    if asked.scenario is None:
        chosen = _named(word)
        height, width = asked.size or SIZE
        label = chosen.called
        graph = chosen.graph(classes=asked.classes, height=height, width=width)
        network = untrained(label, graph, seed=SEED)
        return Target(label=label, networks=(network,), of_group=(), about=f"{about}, {asked.classes} classes")
    candidates, classes = arguments.choice(asked.scenario, word, "candidate"), asked.scenario.class_count

    def made(place: int, size: Size) -> Network:
        graph = candidates[place].graph(classes=classes, height=size[0], width=size[1])
        return untrained(candidates[place].label, graph, seed=SEED)

    names = [each.name for each in asked.scenario.networks]
    labels = [each.label for each in candidates]
    label = labels[0] if len(labels) == 1 else "; ".join(map(": ".join, zip(names, labels, strict=True)))
    return _for_groups(label, asked.scenario, made, f"{about}, {classes} classes")


def _named(word: str) -> networks.Candidate:
    if "=" not in word and " " not in word.strip() and word.strip() not in networks.names():
        rule = "must be a finished run's folder, an .onnx file, or a network with its parameters as NAME=VALUE"
        raise BudgetnetError(f"{shorten(word)}: {rule}, but is none{did_you_mean(word, networks.names())}")
    return arguments.named(word)


def _for_groups(label: str, scenario: Scenario, made: Callable[[int, Size], Network], about: str) -> Target:
    """A network for each of the scenario's and each size of images that it gets."""
    wanted = [(group.network, (group.height, group.width)) for group in scenario.groups]
    known = list(dict.fromkeys(wanted))
    several = len(known) > 1
    made_ones = []
    for place, size in known:
        network = made(place, size)
        if several:
            name = f"{scenario.networks[place].name}: " if len(scenario.networks) > 1 else ""
            network = network.called(f"{name}{network.label} at {size[0]}x{size[1]}")
        made_ones.append(network)
    return Target(
        label=label, networks=tuple(made_ones), of_group=tuple(known.index(each) for each in wanted), about=about
    )
