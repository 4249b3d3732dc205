"""`budgetnet train`: one candidate, trained to the end."""

import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from budgetnet.errors import BudgetnetError, FileError, printable, shorten
from budgetnet.terminal import wide_console

WHAT, HOW, WHERE = "What to train", "How to train it (instead of what the scenario says)", "Where, and with what"


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
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[:ARGUMENT]",
            help="synthetic, camvid:PATH, ...: what `budgetnet data list` names.",
            show_default="the scenario's, else synthetic",
            rich_help_panel=WHAT,
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="HEIGHTxWIDTH",
            help="Train and score images of this size; operations stay those of the scenario's.",
            show_default="the scenario's",
            rich_help_panel=WHAT,
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="lab, strong, or a recipe file: takes the place of the scenario's whole training.",
            show_default="as in the scenario",
            rich_help_panel=HOW,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="Passes over the training images.", show_default="as in the recipe", rich_help_panel=HOW),
    ] = None,
    stem: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="Pre-trained stem: a file, a folder of such, keras (fetched), or https://...#sha256=...",
            show_default="as in the recipe",
            rich_help_panel=HOW,
        ),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="A finished run of the same classes that teaches this one (distillation).",
            show_default="as in the recipe",
            rich_help_panel=HOW,
        ),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Any field of a training: loss='cross_entropy + 0.5 * lovasz', parts=2, crop=0.8; "
            "nothing behind = takes it back. May be given again; docs/training.md lists them.",
            rich_help_panel=HOW,
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of everything drawn.", show_default="as in the recipe", rich_help_panel=HOW)
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="The run's own folder.",
            show_default="reports/<scenario>/train",
            rich_help_panel=WHERE,
        ),
    ] = None,
    memory_limit: Annotated[
        float | None,
        typer.Option(
            metavar="GB",
            help="What images may take of memory; more is kept in files in the run's folder.",
            min=0,
            show_default="half of what is free",
            rich_help_panel=WHERE,
        ),
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
            {"recipe": recipe, "epochs": epochs, "stem": stem, "teacher": teacher, "seed": seed},
            setting or [],
            {"size": size, "folder": output, "memory_limit": memory_limit, "restart": restart},
        )
    except BudgetnetError:
        _leave_speaking_to_the_first(2)
        raise


def _train(
    scenario: str,
    what: tuple[str | None, str | None, str | None],
    named: dict[str, Any],
    settings: list[str],
    where: dict[str, Any],
) -> None:
    from budgetnet import arguments
    from budgetnet.scenario import load

    candidate, row, dataset = what
    loaded = load(scenario)
    training = _settings(settings, {name: value for name, value in named.items() if value is not None})
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


def _settings(words: list[str], named: dict[str, Any]) -> dict[str, Any]:
    """`["crop=0.8", "loss=focal"]` -> values as YAML reads them, beside those that have options of their own.

    Raises BudgetnetError.
    """
    found = dict(named)
    for word in words:
        name, equals, text = (part.strip() for part in word.partition("="))
        if not equals or not name or "\n" in text:
            raise BudgetnetError(f"--set: must be NAME=VALUE on one line, but got {shorten(word)}")
        if name in named:
            raise BudgetnetError(f"--set: must not say again what --{name} says, but got {shorten(word)}")
        if name in found:
            raise BudgetnetError(f"--set: must name each field once, but got {shorten(word)} as well")
        found[name] = _value(name, text)
    return found


def _value(name: str, text: str) -> Any:
    from budgetnet import yaml_source

    try:
        source = yaml_source.parse(f"value: {text}\n".encode(), "--set")
        source.finish()
    except FileError as error:
        rule = error.problems[0].rule
        raise BudgetnetError(f"--set: {printable(name)} {rule}, but got {shorten(text)}") from None
    return source.value["value"]
