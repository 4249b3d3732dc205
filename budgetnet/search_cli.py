"""`budgetnet search`: a race of candidates that fit the budget, how it stands, and how to end it."""

from math import isfinite
from pathlib import Path
from typing import Annotated

import typer

from budgetnet import options
from budgetnet.errors import BudgetnetError
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

HOW_FAR, HOW, SPEED, WHERE, TRUST, OTHER = (
    "How far to search",
    "How to search",
    "What throughput is",
    "Where, and with what",
    "How far to trust it",
    "A search that is there",
)


def search(
    scenario: Annotated[
        str,
        typer.Argument(
            metavar="SCENARIO",
            help="A scenario file, or a built-in one: demo, parking, urban, rural, surround, camvid-parking, "
            "camvid-urban, camvid-rural.",
        ),
    ] = "urban",
    trials: Annotated[
        int, typer.Option(help="How many candidates to begin, at most.", min=1, max=1_000_000, rich_help_panel=HOW_FAR)
    ] = 20,
    max_epochs: Annotated[
        int | None,
        typer.Option(
            help="How many epochs to train in all, at most; repeats and audits come on top.",
            min=1,
            show_default="none",
            rich_help_panel=HOW_FAR,
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            help="Stop after so many seconds, at the end of the epochs under way.",
            min=0,
            show_default="none",
            rich_help_panel=HOW_FAR,
        ),
    ] = None,
    sampler: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="What proposes candidates: tpe, gp, nsga2, nsga3, random, quasi-random, exhaustive.",
            rich_help_panel=HOW,
        ),
    ] = "tpe",
    rungs: Annotated[
        str,
        typer.Option(
            metavar="auto|none|EPOCHS",
            help="After which epochs candidates pause, and only the better half go on: 2,6. auto is a ninth and a "
            "third of a training, but not within its warm-up; none trains every candidate to the end.",
            rich_help_panel=HOW,
        ),
    ] = "auto",
    warm_start: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER|URL#STUDY",
            help="An earlier search, by its folder or in a shared database: its best candidates come first.",
            rich_help_panel=HOW,
        ),
    ] = None,
    throughput: Annotated[
        str,
        typer.Option(
            metavar="ops|roofline|measured",
            help="What the front sets mean IoU against: images per second that the budget allows, as predicted on a "
            "platform, or as measured here when a candidate begins.",
            rich_help_panel=SPEED,
        ),
    ] = "ops",
    platform: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH",
            help="Of the roofline: what `budgetnet platforms` lists or `budgetnet calibrate` wrote.",
            show_default="the scenario's",
            rich_help_panel=SPEED,
        ),
    ] = None,
    precision: Annotated[
        options.Precision | None,
        typer.Option(help="Of the roofline.", show_default="the scenario's", rich_help_panel=SPEED),
    ] = None,
    efficiency: Annotated[str | None, options.efficiency(SPEED)] = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What measures: onnxruntime, openvino or torch.",
            show_default="onnxruntime",
            rich_help_panel=SPEED,
        ),
    ] = None,
    dataset: Annotated[str | None, options.dataset("the scenario's, else synthetic", WHERE)] = None,
    output: Annotated[
        Path | None,
        options.output(
            "reports/<scenario>",
            WHERE,
            "Where the files go. Machines that share it also go on from each other's checkpoints.",
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            help="Trainings side by side on this machine; cores and GPUs are shared out.",
            min=1,
            max=64,
            rich_help_panel=WHERE,
        ),
    ] = 1,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="A database that several machines share: postgresql://user@host/name. All run this same command.",
            show_default="a file in the output folder",
            rich_help_panel=WHERE,
        ),
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What the search is called in a shared database.",
            show_default="the scenario's name",
            rich_help_panel=WHERE,
        ),
    ] = None,
    memory_limit: Annotated[
        float | None,
        options.memory_limit(WHERE, "of all workers together; more is kept in files beside the reports"),
    ] = None,
    repeats: Annotated[
        int,
        typer.Option(
            help="Train the front from so many seeds in all: mean and spread.", min=1, max=100, rich_help_panel=TRUST
        ),
    ] = 1,
    audit: Annotated[
        int,
        typer.Option(
            metavar="K",
            help="Train K candidates three times as long: do short trainings rank as long ones do?",
            min=0,
            max=1000,
            rich_help_panel=TRUST,
        ),
    ] = 0,
    restart: Annotated[
        bool, typer.Option("--restart", help="Throw the folder's earlier search away.", rich_help_panel=OTHER)
    ] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Show how a running or finished search stands.", rich_help_panel=OTHER)
    ] = False,
    stop: Annotated[
        bool,
        typer.Option(
            "--stop",
            help="End a running search, on all its machines, after the epochs under way; it can go on later.",
            rich_help_panel=OTHER,
        ),
    ] = False,
    recipe: RecipeOption = None,
    epochs: EpochsOption = None,
    stem: StemOption = None,
    teacher: TeacherOption = None,
    setting: SettingOption = None,
    seed: SeedOption = None,
) -> None:
    """Race candidates that fit the budget, and rank them on IoU against throughput.

    Every candidate that fits is known before anything is trained, and none is trained twice. Candidates train in rungs:
    at each only those go on that may still come to the Pareto front. Everything is kept in `reports/<scenario>`; after
    Ctrl-C or a kill the same command goes on where it was. From a pre-trained stem a short training tells far more:
    --stem. Example: budgetnet search parking --dataset camvid:PATH --trials 40 --workers 2
    """
    from budgetnet.scenario import load

    loaded = load(scenario)
    folder = output or Path("reports") / loaded.name
    name = study or loaded.name
    if study is not None and (storage is None or not study.strip()):
        rule = "must come with --storage, but got it alone" if storage is None else "must be a name, but got nothing"
        raise BudgetnetError(f"--study: {rule}")
    if timeout is not None and not isfinite(timeout):
        raise BudgetnetError(f"--timeout: must be a number of seconds, but got {timeout}")
    options.refuse_together({"--status": status, "--stop": stop, "--restart": restart})
    if status or stop:
        _about(folder, storage, name, stop=stop)
        return
    training = changes(setting, recipe=recipe, epochs=epochs, stem=stem, teacher=teacher, seed=seed)
    asked = loaded.changed(training=training, dataset=dataset or loaded.dataset or "synthetic")
    from budgetnet.plan import plan as make_plan

    planned = make_plan(asked)
    if not planned.fit:
        typer.echo(planned.verdict)
        raise typer.Exit(1)
    from budgetnet.search_axis import Axis
    from budgetnet.searching import Request, run_search, terminated_like_interrupted

    request = Request(
        folder=folder,
        trials=trials,
        epochs=max_epochs,
        timeout=timeout,
        sampler=sampler,
        rungs=rungs,
        workers=workers,
        storage=storage,
        study=study,
        earlier=warm_start,
        repeats=repeats,
        audit=audit,
        restart=restart,
        memory_limit=memory_limit,
        axis=Axis(
            kind=throughput,
            platform=platform,
            precision=None if precision is None else precision.value,
            efficiency=efficiency,
            runtime=runtime,
        ),
    )
    with terminated_like_interrupted():
        outcome = run_search(planned, request, screen=wide_console())
    raise typer.Exit(130 if outcome.interrupted else 1 if outcome.all_failed else 0)


def _about(folder: Path, storage: str | None, name: str, *, stop: bool) -> None:
    """Says how a search stands, or asks it to end."""
    from budgetnet.searching import ask_to_stop, place_of, status_of

    place = place_of(folder, storage, name)
    if stop:
        typer.echo(ask_to_stop(place))
        return
    from budgetnet.formats import table

    table.show(status_of(place), wide_console())
