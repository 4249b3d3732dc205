"""The options of the command line that say how to train, which `train` and `search` share."""

from typing import Annotated, Any, Final, TypeAlias

import typer

from budgetnet.errors import BudgetnetError, FileError, printable, shorten

HOW: Final = "How to train (instead of what the scenario says)"

RecipeOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        help="lab, short, strong, or a recipe file: takes the place of the scenario's whole training.",
        show_default="as in the scenario",
        rich_help_panel=HOW,
    ),
]
EpochsOption: TypeAlias = Annotated[
    int | None,
    typer.Option(help="Passes over the training images.", show_default="as in the recipe", rich_help_panel=HOW),
]
StemOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="SOURCE",
        help="Pre-trained stem: a file, a folder of such, keras (fetched), or https://...#sha256=...",
        show_default="as in the recipe",
        rich_help_panel=HOW,
    ),
]
TeacherOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="RUN",
        help="A finished run of the same classes that teaches (distillation).",
        show_default="as in the recipe",
        rich_help_panel=HOW,
    ),
]
SettingOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Any field of a training: loss='cross_entropy + 0.5 * lovasz', parts=2, crop=0.8; "
        "--set stem= and --set teacher= take these back. May be given again; docs/training.md lists them.",
        rich_help_panel=HOW,
    ),
]
SeedOption: TypeAlias = Annotated[
    int | None, typer.Option(help="Of everything drawn.", show_default="as in the recipe", rich_help_panel=HOW)
]


def changes(words: list[str] | None, **named: Any) -> dict[str, Any]:
    """What is to change in a scenario's training: `["crop=0.8", "loss=focal"]`, each value as YAML reads it, beside the
    fields that have options of their own, where these are given.

    Raises BudgetnetError.
    """
    options = {name: value for name, value in named.items() if value is not None}
    found = dict(options)
    for word in words or []:
        name, equals, text = (part.strip() for part in word.partition("="))
        if not equals or not name or "\n" in text:
            raise BudgetnetError(f"--set: must be NAME=VALUE on one line, but got {shorten(word)}")
        if name in options:
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
