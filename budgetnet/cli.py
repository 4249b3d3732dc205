"""The command line: parses, calls, prints. Heavy imports stay inside the commands that need them."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from budgetnet.errors import BudgetnetError

WIDTH = 120
"""Columns a table may count on; in a narrower window its lines wrap, so that no figure is ever cut."""

app = typer.Typer(
    name="budgetnet",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Hardware budget planner and architecture search for semantic segmentation in cars.",
)
screen = Console()
if screen.width < WIDTH:
    screen.width = WIDTH
notes = Console(stderr=True)


class Format(str, Enum):
    """Output formats of the screen."""

    table = "table"
    markdown = "markdown"
    csv = "csv"
    json = "json"


ScenarioArgument = Annotated[
    str,
    typer.Argument(metavar="SCENARIO", help="A scenario file, or the name of a built-in one: parking, urban, rural."),
]
FormatOption = Annotated[
    Format, typer.Option("--format", help="How to print it. csv and json hold every row, exactly.")
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FOLDER", help="Where the files go.", show_default="reports/<scenario>"),
]


@app.callback()
def _main(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        screen.print(f"budgetnet {installed('budgetnet')}")
        raise typer.Exit


@app.command()
def ops(
    network: Annotated[str, typer.Argument(help="The network family, such as mobilenet-fcn.")] = "mobilenet-fcn",
    parameters: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="Its parameters; defaults for the rest.")
    ] = None,
    classes: Annotated[int, typer.Option(help="How many classes it tells apart.", min=1, max=255)] = 7,
    size: Annotated[str, typer.Option(metavar="HEIGHTxWIDTH", help="Size of the image in pixels.")] = "320x480",
    format: FormatOption = Format.table,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Also build the network and hold the count against fvcore's, layer by layer."),
    ] = False,
) -> None:
    """Count the operations of one network, layer by layer.

    Example: budgetnet ops mobilenet-fcn depth_multiplier=0.5 classifier_kernel=7 classifier_depth=1024 --size 320x480
    """
    from budgetnet import arguments, ops_report

    candidate = arguments.candidate(network, parameters or [])
    height, width = arguments.size(size)
    _show(ops_report.report(candidate, classes=classes, height=height, width=width), format)
    if verify:
        from budgetnet.verify import verify_candidate

        verification = verify_candidate(candidate, classes=classes, height=height, width=width)
        notes.print(verification.summary(), highlight=False)
        raise typer.Exit(0 if verification.agrees else 1)


@app.command()
def plan(
    scenario: ScenarioArgument,
    format: FormatOption = Format.table,
    output: OutputOption = None,
    every: Annotated[
        bool, typer.Option("--all", help="Show every candidate, not only those nearest to the limit.")
    ] = False,
) -> None:
    """Count every candidate of a scenario: which fit the budget, with what headroom.

    Writes plan.md and the tables as CSV into reports/<scenario>. Example: budgetnet plan urban
    """
    from budgetnet import files, formats, plan_report
    from budgetnet.plan import plan as make_plan
    from budgetnet.scenario import load

    loaded = load(scenario)
    made = make_plan(loaded)
    folder = output or Path("reports") / loaded.name
    written = files.write_all(folder, formats.files(plan_report.report(made), "markdown", "csv"))
    _show(plan_report.report(made, every=every), format)
    notes.print(f"Written: {', '.join(str(path) for path in written)}", highlight=False, soft_wrap=True)


def _show(report: object, format: Format) -> None:
    from budgetnet import formats
    from budgetnet.report import Report

    assert isinstance(report, Report)
    if format is Format.table:
        from budgetnet.formats.table import renderable

        screen.print(renderable(report))
    else:
        typer.echo(formats.text(report, format.value), nl=False)


def main() -> None:
    """Runs the command line; faults of the input end it with one message and exit code 2."""
    try:
        app()
    except BudgetnetError as error:
        notes.print("[red]Error:[/red] ", end="")
        typer.echo(str(error), err=True)
        raise SystemExit(2) from None
