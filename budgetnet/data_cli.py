"""`budgetnet data`: what data sets there are, and all that is done with them before a training."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from budgetnet import terminal

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Read, check, look at and prepare labelled images. DATASET is NAME:ARGUMENT, such as camvid:/data/CamVid.",
)
screen = Console()

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
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FOLDER", help="Where it goes.", show_default="prepared/<name>-<classes>-<size>"
        ),
    ] = None,
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
        classes=int(classes) if classes is not None and classes.isdecimal() and len(classes) < 4 else classes,
        size=None if size is None else arguments.size(size),
        crop=None if crop is None else arguments.size(crop, "--crop"),
        seed=seed,
    )
    _, report = run_prepare(asked, folder=output, force=force)
    with terminal.printing():
        table.show(report, screen)
