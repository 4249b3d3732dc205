"""A whole comparison as the command line runs it: networks counted, if asked for trained alike, reports written."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, final

from rich.console import Console

from budgetnet import files, formats, scenario_data, units
from budgetnet.compare import Comparison, Peer, compare
from budgetnet.compare import report as compare_report
from budgetnet.errors import BudgetnetError
from budgetnet.locks import alone
from budgetnet.progress import Watch, bars
from budgetnet.provenance import provenance
from budgetnet.report import Picture, Report
from budgetnet.results import Evaluate, Run, Step, TrainingError
from budgetnet.scenario import Scenario

RECORD: Final = "run.json"
"""In the folder of every finished training."""

RUNS: Final = "compare"
"""The folder of the trained networks, under that of the scenario."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What goes to the screen, what was written, whether somebody interrupted the trainings, and whether all of them
    failed.
    """

    shown: Report
    written: Sequence[Path]
    interrupted: bool = False
    all_failed: bool = False


def run_compare(
    scenario: Scenario,
    *,
    folder: Path | None = None,
    names: Sequence[str] = (),
    train: bool = False,
    write: bool = True,
    memory_limit: float | None = None,
    screen: Console,
) -> Outcome:
    """Puts networks side by side and writes compare.md, .csv, .json and .png into `folder` (`reports/<scenario>`); with
    their trainings compare-trained.md and so on, so that neither takes the other's place.

    To `train` takes the scenario's training for all of them; what was trained before is not trained again. Raises
    BudgetnetError.
    """
    folder = folder or Path("reports") / scenario.name
    comparison, interrupted, settings = compare(scenario, names), False, None
    if train:
        if scenario.training.stem is not None:
            raise BudgetnetError("--train: must be without a pre-trained stem, which not all networks have")
        comparison, interrupted = _trained(comparison, folder, memory_limit, screen)
        settings = {**scenario.training.model_dump(mode="json"), "dataset": scenario.dataset}
    made, pictures = compare_report.report(comparison, settings, made_by=provenance())
    written = []
    if not write:
        made = replace(made, blocks=[block for block in made.blocks if not isinstance(block, Picture)])
    else:
        written = files.write_all(folder, {**pictures, **formats.files(made, "markdown", "csv", "json")})
    failed = train and not interrupted and not comparison.scored
    return Outcome(shown=made, written=written, interrupted=interrupted, all_failed=failed)


def _trained(
    comparison: Comparison, folder: Path, memory_limit: float | None, screen: Console
) -> tuple[Comparison, bool]:
    """With the results of their trainings, as far as they came; and whether somebody interrupted them."""
    from budgetnet.training import checks
    from budgetnet.training.candidate import evaluator
    from budgetnet.training.machine import device, keep_memory

    scenario = comparison.scenario
    keep_memory()
    checks.require(scenario, [])
    done: list[Peer] = []
    with alone(folder / RUNS, "comparison"), bars() as begin:
        dataset = scenario_data.read(scenario, folder=folder, memory_limit=memory_limit)
        checks.require_batches(scenario.training, len(dataset.train))
        origin = {**provenance(), "device": str(device()), "dataset": dataset.source}
        evaluate = evaluator(scenario, dataset, origin)
        how = {**scenario.training.model_dump(mode="json"), "dataset": scenario_data.described(dataset)}
        how |= {"input": scenario.image.model_dump()}
        interrupted = False
        for number, peer in enumerate(comparison.peers):
            own = folder / RUNS / f"{slug(peer.name)}-{_digest(peer, how)}"
            if interrupted and not (own / RECORD).exists():
                done.append(peer.failed("interrupted: the same command goes on"))
                continue
            try:
                done.append(_train(peer, number, own, evaluate, begin(peer.name)))
                screen.print(_line(done[-1]), highlight=False, markup=False, soft_wrap=True)
            except KeyboardInterrupt:
                interrupted = True
                done.append(peer.failed("interrupted: the same command goes on"))
    return Comparison(scenario=scenario, peers=tuple(done)), interrupted


def _digest(peer: Peer, how: Mapping[str, Any]) -> str:
    """Tells trainings apart: other settings have a folder of their own, so that none takes another's place."""
    known = {"network": peer.candidate.network, "parameters": peer.candidate.parameters, **how}
    return sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:8]


def _train(peer: Peer, number: int, folder: Path, evaluate: Evaluate, watch: Watch) -> Peer:
    def step(at: Step) -> None:
        watch((at.epoch - 1) * at.batches + at.batch, at.epochs * at.batches)

    try:
        return peer.trained(evaluate(peer.candidate, Run(number=number, folder=folder, progress=step)))
    except (TrainingError, BudgetnetError) as error:
        return peer.failed(str(error))


def slug(name: str) -> str:
    """`FCN-8s VGG-16 compact` -> `fcn-8s-vgg-16-compact`."""
    words = "".join(letter if letter.isalnum() else " " for letter in name.lower()).split()
    return "-".join(words)


def _line(peer: Peer) -> str:
    if peer.result is None:
        return f"{peer.name}: {peer.reason}"
    epochs = units.counted(peer.result.epochs, "epoch", "epochs")
    return f"{peer.name}: mean IoU {peer.result.scores.mean_iou:.3f} after {epochs}"
