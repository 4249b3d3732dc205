"""`budgetnet calibrate`: efficiencies of a platform out of measurements."""

from pathlib import Path
from typing import Annotated

import typer

from budgetnet import options, terminal
from budgetnet.errors import BudgetnetError, printable

screen = terminal.wide_console()

HERE, FILES, PROFILE = "Measured on this machine", "Measured elsewhere", "What a profile of trtexec is of"


def calibrate(
    platform: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH",
            help="What is calibrated: a known platform or a platform file, whose peaks efficiencies are shares of.",
            show_default="this machine",
        ),
    ] = None,
    precision: Annotated[
        options.Precision, typer.Option(help="What the measurements were made in.")
    ] = options.Precision.fp32,
    engine: Annotated[str | None, options.engine()] = None,
    measurements: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="A CSV of latencies (candidate, height, width, milliseconds; and network, classes, batch, layer), or "
            "the JSON that trtexec --exportProfile writes. May be given again.",
            show_default="this machine is measured",
            rich_help_panel=FILES,
        ),
    ] = None,
    candidate: Annotated[
        str | None,
        typer.Option(
            metavar="WORDS", help="The network, as `budgetnet plan --candidate` takes it.", rich_help_panel=PROFILE
        ),
    ] = None,
    network: Annotated[str, typer.Option(help="Its family.", rich_help_panel=PROFILE)] = "mobilenet-fcn",
    classes: Annotated[
        int, typer.Option(help="How many classes it tells apart.", min=2, max=254, rich_help_panel=PROFILE)
    ] = 7,
    batch: Annotated[int, typer.Option(help="Images at a time.", min=1, max=4096, rich_help_panel=PROFILE)] = 1,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="HEIGHTxWIDTH",
            help="Size of the images: of the profile, or of all networks that are measured here.",
            show_default="three sizes in turn",
        ),
    ] = None,
    networks: Annotated[
        int, typer.Option(help="How many networks are measured, over all heads.", min=3, max=500, rich_help_panel=HERE)
    ] = 24,
    threads: Annotated[
        int | None,
        typer.Option(
            help="Threads that compute.", min=1, max=1024, show_default="one for each core", rich_help_panel=HERE
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Which networks, and how they are dealt.", min=0, max=2**31)] = 0,
    output: Annotated[Path | None, options.output("reports/calibrations/<platform>")] = None,
    format: Annotated[
        terminal.Format, typer.Option("--format", help="How to print it. csv and json hold exact numbers.")
    ] = terminal.Format.table,
) -> None:
    """Fit how much of its peak a platform reaches, and say how far predictions with that can be trusted.

    For each class of layers (dense, pointwise, depthwise, transposed, elementwise) a share of the peak, one of the
    memory's bandwidth, and what starting a layer takes. Networks are dealt into parts, each predicted by a fit to the
    others: that error goes with every prediction. Writes platform.yaml, which `budgetnet plan --platform` takes, and a
    report. Takes a minute or two here. Example: budgetnet calibrate --networks 6 --size 160x240
    """
    from budgetnet import arguments, formats
    from budgetnet.calibrating import InterruptedCalibrationError, Profiled, Request, run_calibration

    chosen = None if size is None else arguments.size(size)
    profiled = None
    if candidate is not None:
        if chosen is None:
            raise BudgetnetError("--size: must be given with --candidate, but got none")
        named = arguments.worded(network, candidate, "--candidate")
        profiled = Profiled(candidate=named, height=chosen[0], width=chosen[1], classes=classes, batch=batch)
    request = Request(
        platform=platform,
        measurements=measurements or (),
        precision=precision.value,
        engine=engine,
        profiled=profiled,
        networks=networks,
        size=chosen,
        threads=threads,
        seed=seed,
        folder=output,
    )
    try:
        done = run_calibration(request)
    except InterruptedCalibrationError as stopped:
        typer.echo(str(stopped), err=True)
        raise typer.Exit(130) from None
    formats.show(done.shown, format, screen)
    typer.echo(f"Written: {printable(', '.join(map(str, done.written)))}", err=True)
    typer.echo(f"Plan with it: budgetnet plan urban --platform {printable(str(done.platform))}", err=True)
