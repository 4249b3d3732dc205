"""The commands `budgetnet scenario ...`: parses, calls, prints."""

import shutil
import sys
import textwrap
from contextlib import suppress
from typing import Annotated

import typer

from budgetnet import terminal
from budgetnet.errors import BudgetnetError, printable

app = typer.Typer(no_args_is_help=True, help="Write, check and explain scenario files.")


def _flag(metavar: str, help: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(metavar=metavar, help=help, show_default=False)
    return option


@app.command()
def new(
    path: Annotated[
        str | None,
        typer.Argument(help="The file, or a folder for it.", metavar="PATH", show_default="<name>.yaml here"),
    ] = None,
    name: Annotated[str | None, _flag("NAME", "Names the scenario and the folder of its reports.")] = None,
    cameras: Annotated[str | None, _flag("NUMBER", "How many cameras, all alike.")] = None,
    fps: Annotated[str | None, _flag("NUMBER", "Images per second of each camera.")] = None,
    size: Annotated[str | None, _flag("HEIGHTxWIDTH", "Size of the images that the network gets, in pixels.")] = None,
    group: Annotated[
        list[str] | None,
        _flag(
            "NAME:COUNTxFPS@HEIGHTxWIDTH",
            "Instead of --cameras: cameras that are alike, such as front:1x30@640x960. Again for each group; without "
            "xFPS or @HEIGHTxWIDTH the group takes --fps or --size.",
        ),
    ] = None,
    budget_gops: Annotated[
        str | None, _flag("NUMBER", "What the task may take of the platform, in 10^9 operations per second.")
    ] = None,
    classes: Annotated[
        str | None, _flag("COUNT|LIST|NAMES", "A count, a class list such as lab7, or names with commas between them.")
    ] = None,
    platform: Annotated[str | None, _flag("NAME|PATH", "A known platform, or a platform file.")] = None,
    dataset: Annotated[str | None, _flag("NAME[:ARGUMENT]", "What a search trains on.")] = None,
    description: Annotated[str | None, _flag("TEXT", "The task in a sentence.")] = None,
    reserve: Annotated[str | None, _flag("SHARE", "Share of the budget that is kept for other work.")] = None,
    contention: Annotated[
        str | None, _flag("FACTOR", "What networks need is multiplied by this while they share the hardware.")
    ] = None,
    budget_mb: Annotated[
        str | None, _flag("NUMBER", "Limit of memory for weights and activations, in 10^6 bytes.")
    ] = None,
    precision: Annotated[str | None, _flag("fp32|fp16|int8", "What the deployed network computes in.")] = None,
    minimum_mean_iou: Annotated[str | None, _flag("SHARE", "Mean IoU that the task asks for.")] = None,
    network: Annotated[str | None, _flag("NAME", "The network family to search.")] = None,
    defaults: Annotated[bool, typer.Option("--defaults", help="Ask nothing: take defaults for the rest.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a scenario file that explains itself, from flags and from answers to questions.

    Asks for what no flag gives, if it can. Every optional field is in the file too, switched off, with an example.
    Example: budgetnet scenario new mine.yaml --cameras 4 --fps 30 --size 320x480 --budget-gops 300 --classes 7
    """
    from budgetnet import scenario_new

    words = {
        "name": name,
        "description": description,
        "cameras": cameras,
        "fps": fps,
        "input": size,
        "budget_gops": budget_gops,
        "contention": contention,
        "reserve": reserve,
        "budget_mb": budget_mb,
        "precision": precision,
        "classes": classes,
        "minimum_mean_iou": minimum_mean_iou,
        "platform": platform,
        "dataset": dataset,
        "network": network,
    }
    given = {field: word for field, word in words.items() if word is not None}
    # a stream that was closed before the start is None
    ask = _ask if all(stream and stream.isatty() for stream in (sys.stdin, sys.stdout)) else None
    made = scenario_new.make(path, given, group or (), defaults=defaults, force=force, ask=ask, say=_say)
    typer.echo(f"Written: {printable(str(made.path))}", err=True)
    for line in (made.verdict, "", "Next:"):
        _say(line)
    with terminal.printing():
        typer.echo("\n".join(f"  {command}" for command in made.commands))


@app.command()
def validate(
    sources: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Scenario files, or built-in scenarios by their names.")
    ],
) -> None:
    """Check scenario files: every fault of every file, with its line.

    Exits with 2 when one of them has any. Example: budgetnet scenario validate urban rural
    """
    from budgetnet.scenario_check import check

    faulty = False
    for source in sources:
        try:
            said = check(source)
        except BudgetnetError as error:
            terminal.complain(error)
            faulty = True
            continue
        with terminal.printing():
            typer.echo(f"{printable(source)}: fine ({said})")
    raise typer.Exit(2 if faulty else 0)


@app.command()
def schema() -> None:
    """Print the JSON schema of scenario files, with which editors complete, explain and check them.

    Save it beside your scenarios as scenario.schema.json, and begin them with the line
    `# yaml-language-server: $schema=scenario.schema.json`. Example: budgetnet scenario schema
    """
    from budgetnet.schema import text

    made = text()
    with terminal.printing():
        typer.echo(made, nl=False)


def _say(text: str) -> None:
    width = min(shutil.get_terminal_size().columns, 100)
    with terminal.printing():
        typer.echo(textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False))


def _ask(question: str) -> str:
    with suppress(ImportError):  # not on every system; where it is, answers can be edited
        import readline  # noqa: F401
    try:
        return input(question)
    except UnicodeDecodeError as error:
        return bytes(error.object).decode(errors="surrogateescape")  # for the field's rule to refuse
    except EOFError:
        typer.echo()
        raise BudgetnetError("answers: must be given to the last, but the input ended; nothing was written") from None
    except KeyboardInterrupt:
        typer.echo("\nNothing was written.", err=True)
        raise typer.Exit(130) from None
