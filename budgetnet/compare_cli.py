"""`budgetnet compare`: all declared networks side by side under one scenario."""

from pathlib import Path
from typing import Annotated

import typer

from budgetnet import options
from budgetnet.errors import BudgetnetError, printable
from budgetnet.terminal import wide_console
from budgetnet.training_options import EpochsOption, RecipeOption, SeedOption, SettingOption, changes

WHAT, HOW = "What to compare", "Trained alike"


def compare(
    scenario: Annotated[
        str, typer.Argument(metavar="SCENARIO", help="A scenario file, or a built-in scenario's name.")
    ] = "urban",
    network: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Only this one, by its name (ENet) or a whole family (vgg-fcn); may be given again.",
            show_default="all there are",
            rich_help_panel=WHAT,
        ),
    ] = None,
    train: Annotated[
        bool,
        typer.Option(
            "--train", help="Also train all of them alike, from random numbers, and add mean IoU.", rich_help_panel=HOW
        ),
    ] = False,
    dataset: Annotated[str | None, options.dataset("the scenario's, else synthetic", HOW)] = None,
    recipe: RecipeOption = None,
    epochs: EpochsOption = None,
    setting: SettingOption = None,
    seed: SeedOption = None,
    memory_limit: Annotated[float | None, options.memory_limit(HOW)] = None,
    output: Annotated[Path | None, options.output("reports/<scenario>")] = None,
    no_files: Annotated[bool, typer.Option("--no-files", help="Print only, write no reports.")] = False,
) -> None:
    """Put networks side by side: operations, parameters, memory, images per second within the budget.

    Those that people know by a name (FCN on VGG-16 and ResNet-18, U-Net, SegNet, ENet, ERFNet, DeepLabv3 on MobileNet
    v2, SkipNet-MobileNet, MobileNet-FCN), and the scenario's own largest candidate that fits. Writes compare.md,
    compare.csv, compare.json and a picture. With --train all are trained alike first (compare-trained.md ...); large
    ones take hours without a GPU, so name a few. After Ctrl-C the same command goes on. Example: budgetnet compare
    urban --network ENet --network unet
    """
    from budgetnet.comparing import run_compare
    from budgetnet.formats import table
    from budgetnet.scenario import load

    loaded = load(scenario)
    training = changes(setting, recipe=recipe, epochs=epochs, seed=seed)
    if training and not train:
        raise BudgetnetError(f"--train: must be given to train otherwise, but got {', '.join(training)} without it")
    options.refuse_together({"--train": train, "--no-files": no_files})
    asked = loaded.changed(training=training, dataset=dataset or loaded.dataset or "synthetic")
    screen = wide_console()
    done = run_compare(
        asked,
        folder=output,
        names=network or (),
        train=train,
        write=not no_files,
        memory_limit=memory_limit,
        screen=screen,
    )
    table.show(done.shown, screen)
    if done.written:
        typer.echo(f"Written: {printable(', '.join(map(str, done.written)))}", err=True)
    if done.interrupted:
        raise typer.Exit(130)
    if done.all_failed:
        raise typer.Exit(1)
