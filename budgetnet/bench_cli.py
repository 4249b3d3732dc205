"""`budgetnet bench`: what networks take on this machine, and whether they keep up with a scenario's cameras."""

from pathlib import Path
from typing import Annotated

import typer

from budgetnet import options
from budgetnet.errors import printable
from budgetnet.terminal import Format, printing, wide_console

WHAT, HOW, CAMERAS = "What to measure", "How to measure", "Cameras"


def bench(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN|CANDIDATE...",
            help="A finished run's folder, a candidate ('depth_multiplier=0.5 classifier_depth=256', 'unet', or its "
            "label as plans print it), or an .onnx file. May be given again.",
        ),
    ],
    runtime: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="torch, onnxruntime or openvino; may be given again.",
            show_default="all that are installed",
            rich_help_panel=WHAT,
        ),
    ] = None,
    batch: Annotated[
        list[int] | None,
        typer.Option(
            help="Images at a time; may be given again.", min=1, max=4096, show_default="1 and 8", rich_help_panel=WHAT
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="HEIGHTxWIDTH",
            help="Size of the images.",
            show_default="the run's, else 320x480",
            rich_help_panel=WHAT,
        ),
    ] = None,
    classes: Annotated[
        int, typer.Option(help="How many classes a candidate tells apart.", min=2, max=254, rich_help_panel=WHAT)
    ] = 7,
    threads: Annotated[
        int | None,
        typer.Option(
            help="Threads of every runtime, kept on as many cores.",
            min=1,
            show_default="all cores of the process",
            rich_help_panel=HOW,
        ),
    ] = None,
    readings: Annotated[
        int, typer.Option(help="Readings of each row, or a few more.", min=1, max=100_000, rich_help_panel=HOW)
    ] = 30,
    seconds: Annotated[
        float,
        typer.Option(help="After this no further round is begun, once there are three.", min=0, rich_help_panel=HOW),
    ] = 120,
    scenario: Annotated[
        str | None,
        typer.Option(
            metavar="SCENARIO",
            help="Take classes and sizes from this scenario, and replay its cameras.",
            rich_help_panel=CAMERAS,
        ),
    ] = None,
    replay: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="How long to replay each; 0 for not at all.",
            min=0,
            max=86_400,
            show_default="10",
            rich_help_panel=CAMERAS,
        ),
    ] = None,
    deadline: Annotated[
        float | None,
        typer.Option(
            metavar="MS",
            help="When a frame must be done, in milliseconds after it was taken.",
            min=0.001,
            max=1e6,
            show_default="when the next one is taken",
            rich_help_panel=CAMERAS,
        ),
    ] = None,
    stagger: Annotated[
        bool,
        typer.Option(
            "--stagger",
            help="Cameras of a group take turns; else all take their frames together.",
            rich_help_panel=CAMERAS,
        ),
    ] = False,
    simulate: Annotated[
        bool,
        typer.Option(
            "--simulate",
            help="Draw what frames take from the readings instead of computing them: at once.",
            rich_help_panel=CAMERAS,
        ),
    ] = False,
    format: Annotated[Format, typer.Option("--format", help="How to print it. csv and json hold exact numbers.")] = (
        Format.table
    ),
    output: Annotated[Path | None, options.output("reports/bench")] = None,
    no_files: Annotated[bool, typer.Option("--no-files", help="Print only, write no reports.")] = False,
) -> None:
    """Measure what networks take on this machine, with torch, ONNX Runtime and OpenVINO; replay a scenario's cameras.

    All take turns, round by round, so that what slows the machine slows all alike. With a scenario every camera gives
    its frames in real time, each with a deadline: frames on time, late and dropped. Writes bench.md, bench.csv and
    bench.json, which keeps every reading. Example: budgetnet bench depth_multiplier=0.5 depth_multiplier=0.25 --size
    160x240 --batch 1
    """
    from budgetnet import arguments, formats
    from budgetnet.benching import InterruptedBenchError, Request, run_bench
    from budgetnet.formats import table

    request = Request(
        words=targets,
        runtimes=runtime or None,
        batches=batch or None,
        threads=threads,
        size=None if size is None else arguments.size(size),
        classes=classes,
        readings=readings,
        seconds=seconds,
        scenario=scenario,
        replay=replay,
        deadline=deadline,
        staggered=stagger,
        simulate=simulate,
    )
    try:
        done = run_bench(request, folder=output, write=not no_files)
    except InterruptedBenchError as stopped:
        typer.echo(str(stopped), err=True)
        raise typer.Exit(130) from None
    with printing():
        if format is Format.table:
            table.show(done.shown, wide_console())
        else:
            typer.echo(formats.text(done.shown, format.value), nl=False)
    if done.written:
        typer.echo(f"Written: {printable(', '.join(map(str, done.written)))}", err=True)
