"""`budgetnet train`: one candidate, trained to the end."""

from pathlib import Path
from typing import Annotated, Any

import typer

from budgetnet.errors import BudgetnetError, printable, shorten
from budgetnet.terminal import wide_console


def train(
    scenario: Annotated[
        str, typer.Argument(metavar="SCENARIO", help="A scenario file, or a built-in scenario's name.")
    ],
    candidate: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="'depth_multiplier=0.5 head=light-decoder', or a label as plans print it."),
    ] = None,
    from_row: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="FILE.csv:ROW", help="A candidate of a report, such as pareto.csv:0 (the first)."
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(metavar="NAME[:ARGUMENT]", help="synthetic, camvid:PATH, ...", show_default="the scenario's"),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="lab, strong, or a recipe file; instead of the scenario's training.", show_default="none"),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images.", show_default="recipe")] = None,
    stem: Annotated[
        str | None,
        typer.Option(metavar="SOURCE", help="Pre-trained stem: file, folder, keras, or https://...#sha256=..."),
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(metavar="RUN", help="A finished run that teaches this one (distillation).")
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any other field of the training; may be given again."),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="HEIGHTxWIDTH", help="Train and score at this size.", show_default="the scenario's"),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything drawn.", show_default="as in the recipe")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FOLDER", help="The run's folder.", show_default="reports/<scenario>/train"
        ),
    ] = None,
    memory_limit: Annotated[
        float | None,
        typer.Option(metavar="GB", help="Memory for images and labels.", min=0, show_default="half of what is free"),
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Throw the folder's earlier training away.")] = False,
) -> None:
    """Train one candidate to the end: pre-trained stem, recipe, progress, logs, checkpoints, report.

    After Ctrl-C or a kill the same command goes on and ends with the numbers of an uninterrupted training. On several
    GPUs: torchrun --nproc-per-node 4 -m budgetnet train ... Example: budgetnet train parking --from
    reports/parking/pareto.csv:0 --recipe strong --stem weights/ --dataset camvid:PATH
    """
    from budgetnet import arguments
    from budgetnet.scenario import load

    loaded = load(scenario)
    named = {"recipe": recipe, "epochs": epochs, "stem": stem, "teacher": teacher, "seed": seed}
    training = {**_settings(setting or []), **{key: value for key, value in named.items() if value is not None}}
    asked = loaded.changed(training=training, dataset=dataset or loaded.dataset or "synthetic")
    chosen = arguments.chosen(asked, candidate, from_row)
    from budgetnet.full_training import InterruptedTrainingError, Request, run_training

    request = Request(
        scenario=asked,
        candidate=chosen,
        folder=output or Path("reports") / asked.name / "train",
        size=None if size is None else arguments.size(size),
        memory_limit=memory_limit,
        restart=restart,
    )
    try:
        run_training(request, wide_console())
    except InterruptedTrainingError as stopped:
        typer.echo(printable(str(stopped)), err=True)
        raise typer.Exit(130) from None


def _settings(words: list[str]) -> dict[str, Any]:
    """`["crop={height: 288, width: 384}"]` -> values as YAML reads them. Raises BudgetnetError."""
    from budgetnet import yaml_source

    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name or name in found:
            rule = "must be NAME=VALUE, each name once"
            raise BudgetnetError(f"--set: {rule}, but got {shorten(word)}")
        source = yaml_source.parse(f"value: {text}\n".encode(), f"--set {name}")
        source.finish()
        found[name] = source.value["value"]
    return found
