"""`budgetnet data`: what data sets there are, and all that is done with them before a training."""

import typer
from rich.console import Console

from budgetnet import terminal

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Read, check, look at and prepare labelled images. DATASET is NAME:ARGUMENT, such as camvid:/data/CamVid.",
)
screen = Console()


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
