"""`budgetnet platforms`: what hardware is known, and every figure of it with its source."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from budgetnet import options, terminal
from budgetnet.errors import BudgetnetError

if TYPE_CHECKING:  # help needs no platforms
    from budgetnet.platforms import Platform

screen = terminal.wide_console()

WHICH = "Which, and in what order"


class Order(StrEnum):
    """What the table may be sorted by."""

    name = "name"
    year = "year"
    power = "power"
    fp32 = "fp32"
    fp16 = "fp16"
    int8 = "int8"
    bandwidth = "bandwidth"
    memory = "memory"


def platforms(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME|PATH",
            help="A known platform, or a platform file: every figure of it, with its source.",
            show_default="one row for each known platform",
        ),
    ] = None,
    precision: Annotated[
        options.Precision | None,
        typer.Option(help="Only those with a known peak in it, the fastest first.", rich_help_panel=WHICH),
    ] = None,
    min_tops: Annotated[
        float | None,
        typer.Option(
            metavar="TOPS", help="Only those with so much or more, in --precision.", min=0, rich_help_panel=WHICH
        ),
    ] = None,
    max_watts: Annotated[
        float | None,
        typer.Option(metavar="W", help="Only those known to take so much or less.", min=0, rich_help_panel=WHICH),
    ] = None,
    sort: Annotated[
        Order | None,
        typer.Option(
            metavar="WHAT",
            help="name, year, power, fp32, fp16, int8, bandwidth or memory: the largest first, unknown ones last, "
            "names from A to Z.",
            show_default="name, or --precision",
            rich_help_panel=WHICH,
        ),
    ] = None,
    format: Annotated[
        terminal.Format, typer.Option("--format", help="How to print it. csv and json hold exact numbers.")
    ] = terminal.Format.table,
) -> None:
    """Show what hardware is known: year, power, peaks, memory; with names, every figure and its source.

    A scenario names one with `platform:`. Your own is a YAML file, which this command checks: a name, and engines with
    their peaks, each figure with its source. The shortest is `name: My board` and
    `engines: [{name: NPU, kind: npu, peak: {int8: {value: 4, source: its data sheet}}}]`; docs/platforms.md explains
    every field. Example: budgetnet platforms --precision int8 --max-watts 30
    """
    from budgetnet import formats, platforms_report

    asked: dict[str, Any] = {"precision": precision, "min_tops": min_tops, "max_watts": max_watts, "order": sort}
    if names:
        _refuse_choice(asked)
        report = platforms_report.details(_load(names))
    else:
        report = platforms_report.overview(platforms_report.Wanted(**asked))
    formats.show(report, format, screen)


def _load(names: list[str]) -> "dict[str, Platform]":
    """All of them, or the faults of every one that cannot be read."""
    from budgetnet.platforms import load

    loaded = {}
    faulty = False
    for name in names:
        try:
            loaded[name] = load(name)
        except BudgetnetError as error:
            terminal.complain(error)
            faulty = True
    if faulty:
        raise typer.Exit(2)
    return loaded


def _refuse_choice(asked: dict[str, Any]) -> None:
    """Of platforms that are named all is shown: what chooses among them would do nothing."""
    given = [f"--{name.replace('_', '-')}" for name, value in asked.items() if value is not None]
    if given:
        told = ", ".join(given).replace("--order", "--sort")
        raise BudgetnetError(f"{told}: must be given without names of platforms, but got both")
