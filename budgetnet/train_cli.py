"""`budgetnet train`: one candidate, trained to the end."""

import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from budgetnet import options
from budgetnet.errors import BudgetnetError, printable
from budgetnet.terminal import wide_console
from budgetnet.training_options import (
    EpochsOption,
    RecipeOption,
    SeedOption,
    SettingOption,
    StemOption,
    TeacherOption,
    changes,
)

WHAT, WHERE = "What to train", "Where, and with what"


def train(
    scenario: Annotated[
        str, typer.Argument(metavar="SCENARIO", help="A scenario file, or a built-in scenario's name.")
    ],
    candidate: Annotated[
        str | None,
        typer.Option(
            metavar="WORDS",
            help="The network: 'depth_multiplier=0.5 head=light-decoder' (defaults for the rest), or its label as "
            "plans print it.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    from_row: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE.csv:ROW",
            help="The network in a row of a report, from 0: reports/parking/pareto.csv:0, trials.csv:3, "
            "plan-candidates.csv:12.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    dataset: Annotated[str | None, options.dataset("the scenario's, else synthetic", WHAT)] = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="HEIGHTxWIDTH",
            help="Train and score images of this size; operations stay those of the scenario's.",
            show_default="the scenario's",
            rich_help_panel=WHAT,
        ),
    ] = None,
    recipe: RecipeOption = None,
    epochs: EpochsOption = None,
    stem: StemOption = None,
    teacher: TeacherOption = None,
    setting: SettingOption = None,
    seed: SeedOption = None,
    output: Annotated[Path | None, options.output("reports/<scenario>/train", WHERE, "The run's own folder.")] = None,
    memory_limit: Annotated[
        float | None, options.memory_limit(WHERE, "more is kept in files in the run's folder")
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Throw the folder's earlier training away.", rich_help_panel=WHERE)
    ] = False,
) -> None:
    """Train one network to the end, and keep it: weights, progress, logs, checkpoints, report.

    While it runs it shows loss, mean IoU on the validation images, images per second and the time left. After Ctrl-C or
    a kill the same command goes on, and ends with the numbers of a training that nobody stopped. The folder then holds
    report.md, weights.safetensors, history.csv, curves, TensorBoard's files, and all that `budgetnet evaluate` and
    `budgetnet predict` need. More mean IoU: --recipe strong and a pre-trained --stem. Several GPUs: torchrun
    --nproc-per-node 4 -m budgetnet train ... --set parts=4. All of it: docs/training.md.
    Example: budgetnet train parking --from reports/parking/pareto.csv:0 --dataset camvid:PATH --epochs 60
    """
    try:
        _train(
            scenario,
            (candidate, from_row, dataset),
            changes(setting, recipe=recipe, epochs=epochs, stem=stem, teacher=teacher, seed=seed),
            {"size": size, "folder": output, "memory_limit": memory_limit, "restart": restart},
        )
    except BudgetnetError:
        _leave_speaking_to_the_first(2)
        raise


def _train(
    scenario: str,
    what: tuple[str | None, str | None, str | None],
    training: dict[str, Any],
    where: dict[str, Any],
) -> None:
    from budgetnet import arguments
    from budgetnet.scenario import load

    candidate, row, dataset = what
    loaded = load(scenario)
    asked = loaded.changed(training=training, dataset=dataset or loaded.dataset or "synthetic")
    chosen = arguments.chosen(asked, candidate, row)
    size = None if where["size"] is None else arguments.size(where["size"])
    folder = where["folder"] or Path("reports") / asked.name / "train"
    from budgetnet.full_training import FailedTrainingError, InterruptedTrainingError, Request, run_training

    request = Request(scenario=asked, candidate=chosen, **{**where, "size": size, "folder": folder})
    try:
        run_training(request, wide_console())
    except (InterruptedTrainingError, FailedTrainingError) as stopped:
        code = 130 if isinstance(stopped, InterruptedTrainingError) else 1
        _leave_speaking_to_the_first(code)
        typer.echo(printable(str(stopped)), err=True)
        raise typer.Exit(code) from None


def _leave_speaking_to_the_first(code: int) -> None:
    """Ends this process with a code where it is another one than the first of those that torchrun has started.

    A moment later: torchrun ends all of them once one has gone, and the first has to say why.
    """
    if os.environ.get("RANK", "0") != "0":
        time.sleep(1)
        raise typer.Exit(code)
