"""What options of several commands share: how they are spelt, and what help says of them, each for an `Annotated`."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import typer

from budgetnet.errors import BudgetnetError


class Precision(StrEnum):
    """What a network computes in."""

    fp32 = "fp32"
    fp16 = "fp16"
    int8 = "int8"


def dataset(shown: str, panel: str | None = None) -> Any:
    """`--dataset`, of text; `shown` is the default that help tells."""
    return typer.Option(
        metavar="NAME[:ARGUMENT]",
        help="synthetic, camvid:PATH, ...: what `budgetnet data list` names.",
        show_default=shown,
        rich_help_panel=panel,
    )


def output(shown: str, panel: str | None = None, text: str = "Where the files go.") -> Any:
    """`--output`, of a path; `shown` is the default that help tells."""
    return typer.Option("--output", "-o", metavar="FOLDER", help=text, show_default=shown, rich_help_panel=panel)


def memory_limit(panel: str | None = None, text: str = "more is kept in files beside the reports") -> Any:
    """`--memory-limit`, of a number of 10^9 bytes."""
    return typer.Option(
        metavar="GB",
        help=f"What images may take of memory; {text}.",
        min=0,
        show_default="half of what is free",
        rich_help_panel=panel,
    )


def efficiency(panel: str | None = None) -> Any:
    """`--efficiency`, of text."""
    return typer.Option(
        metavar="KEY",
        help="How much of its peak it reaches: tensorrt, vulkan, accelerator, dataflow or cpu.",
        show_default="the platform's own calibration, else by its kind of engine",
        rich_help_panel=panel,
    )


def engine(panel: str | None = None) -> Any:
    """`--engine`, of text."""
    return typer.Option(
        metavar="NAME",
        help="Which of the platform's engines, as `budgetnet platforms NAME` shows them.",
        show_default="the fastest at this precision",
        rich_help_panel=panel,
    )


def refuse_together(given: Mapping[str, bool]) -> None:
    """Of options that say what to do, only one can be meant. Raises BudgetnetError."""
    names = [name for name, is_given in given.items() if is_given]
    if len(names) > 1:
        told = f"{', '.join(names[:-1])} and {names[-1]}"
        raise BudgetnetError(f"{told}: must be given one at a time, but got {'both' if len(names) == 2 else 'all'}")
