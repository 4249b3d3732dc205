"""`budgetnet data`: what data sets there are, and all that is done with them before a training."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from budgetnet import options, terminal
from budgetnet.errors import printable

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Read, check, look at and prepare labelled images. DATASET is NAME:ARGUMENT, such as camvid:/data/CamVid.",
)
screen = terminal.wide_console()

DatasetArgument = Annotated[
    str,
    typer.Argument(metavar="DATASET", help="NAME:ARGUMENT, such as camvid:/data/CamVid; see `budgetnet data list`."),
]
ClassesOption = Annotated[
    str | None,
    typer.Option(
        metavar="LIST", help="The list of classes: its name, such as lab7, or a count where only one list has so many."
    ),
]
SplitsOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Only this split; may be given again.", show_default="all that it has"),
]
SeedOption = Annotated[int, typer.Option(help="Of which images the contact sheet shows.", min=0)]


@app.command("list")
def list_() -> None:
    """Show the known data sets, how each is named, and the lists of classes that its labels can be reduced to.

    Example: budgetnet data list
    """
    from budgetnet.classmaps import class_lists
    from budgetnet.plugins import module_names, summary

    with terminal.printing():
        for name in module_names("budgetnet.datasets"):
            lists = ", ".join(class_lists(name)) or "those of its own file"
            screen.print(
                f"[bold]{name}[/bold]: {summary('budgetnet.datasets', name)} Classes: {lists}.", highlight=False
            )


@app.command()
def prepare(
    dataset: DatasetArgument,
    recipe: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="How it is done: lab (of the published experiment), or a YAML file."),
    ] = None,
    classes: ClassesOption = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="HEIGHTxWIDTH", help="Size of the images in pixels.", show_default="320x480"),
    ] = None,
    crop: Annotated[
        str | None,
        typer.Option(
            metavar="HEIGHTxWIDTH",
            help="The central part that is cut out before.",
            show_default="the largest of the same shape",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of what a recipe draws.", min=0, show_default="as in the recipe")
    ] = None,
    output: Annotated[Path | None, options.output("prepared/<name>-<classes>-<size>", text="Where it goes.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what was prepared there before.")] = False,
) -> None:
    """Cut, scale and reduce a data set once, into a folder that training reads at memory speed.

    Images by exact area means, labels by the nearest pixel. After Ctrl-C or a kill the same command goes on. The folder
    is a data set of its own: `--dataset prepared:FOLDER`. Example: budgetnet data prepare cityscapes:PATH --recipe lab
    """
    from budgetnet import arguments
    from budgetnet.formats import table
    from budgetnet.preparing import Asked, run_prepare

    asked = Asked(
        spec=dataset,
        recipe=recipe,
        classes=_count_or_name(classes),
        size=None if size is None else arguments.size(size),
        crop=None if crop is None else arguments.size(crop, "--crop"),
        seed=seed,
    )
    _, report = run_prepare(asked, folder=output, force=force)
    with terminal.printing():
        table.show(report, screen)


@app.command()
def check(
    dataset: DatasetArgument,
    classes: ClassesOption = None,
    split: SplitsOption = None,
    format: Annotated[
        terminal.Format, typer.Option("--format", help="How to print it. csv and json hold every problem.")
    ] = terminal.Format.table,
    seed: SeedOption = 0,
    output: Annotated[Path | None, options.output("reports/data/<name>")] = None,
    no_files: Annotated[bool, typer.Option("--no-files", help="Print only, write no reports.")] = False,
) -> None:
    """Read every image and label: find damaged, unpaired, empty, doubled and wrongly labelled ones, count the classes.

    Exits with 1 where there is a problem; notes are worth a look. Writes check.md, check.json, tables as CSV and a
    contact sheet. Example: budgetnet data check camvid:/data/CamVid
    """
    from budgetnet import formats
    from budgetnet.data_checking import run_check

    with _stoppable():
        done = run_check(
            dataset,
            classes=_count_or_name(classes),
            splits=split or (),
            folder=output,
            seed=seed,
            write=not no_files,
        )
    formats.show(done.shown, format, screen)
    typer.echo(done.pace, err=True)
    if done.written:
        typer.echo(f"Written: {printable(', '.join(map(str, done.written)))}", err=True)
    raise typer.Exit(0 if done.clean else 1)


@app.command()
def preview(
    dataset: DatasetArgument,
    classes: ClassesOption = None,
    split: SplitsOption = None,
    images: Annotated[int, typer.Option(help="How many to show.", min=1, max=200)] = 12,
    seed: SeedOption = 0,
    size: Annotated[
        str | None,
        typer.Option(metavar="HEIGHTxWIDTH", help="Cut and scaled as a network gets them.", show_default="whole"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The PNG to write.", show_default="reports/data/<name>/preview.png"
        ),
    ] = None,
) -> None:
    """Show some images blended with their labels, with the colour key, as one picture. Reads only those images.

    Exits with 1 where one of them cannot be read. Example: budgetnet data preview camvid:/data/CamVid --split val
    """
    from budgetnet import arguments
    from budgetnet.data_checking import run_preview

    with _stoppable():
        done = run_preview(
            dataset,
            classes=_count_or_name(classes),
            splits=split or (),
            images=images,
            seed=seed,
            size=None if size is None else arguments.size(size),
            path=output,
        )
    with terminal.printing():
        typer.echo(f"{done.said}: {printable(str(done.path))}")
    for fault in done.faults:
        typer.secho(f"Left out: {fault}", fg="red", err=True)
    raise typer.Exit(1 if done.faults else 0)


def _count_or_name(classes: str | None) -> int | str | None:
    return int(classes) if classes is not None and classes.isdecimal() and len(classes) < 4 else classes


@contextmanager
def _stoppable() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("Stopped, nothing was written.", err=True)
        raise typer.Exit(130) from None
