"""`budgetnet export`: a finished run as files that run elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from budgetnet import options
from budgetnet.errors import printable
from budgetnet.terminal import printing, wide_console

WHAT, FORM, WHERE = "Which models", "What goes in and what comes out", "Judged by, and where"


def export(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A finished run's folder, such as reports/urban/runs/0000.")
    ],
    onnx: Annotated[
        bool, typer.Option("--onnx", help="model.onnx, in fp32; also where none is named.", rich_help_panel=WHAT)
    ] = False,
    fp16: Annotated[
        bool, typer.Option("--fp16", help="model-fp16.onnx: weights and maps of two bytes.", rich_help_panel=WHAT)
    ] = False,
    int8: Annotated[
        bool,
        typer.Option("--int8", help="model-int8.onnx: quantised, calibrated on training images.", rich_help_panel=WHAT),
    ] = False,
    calibration_images: Annotated[
        int, typer.Option(help="Training images that int8 ranges are measured on.", min=1, rich_help_panel=WHAT)
    ] = 64,
    with_scaling: Annotated[
        bool,
        typer.Option("--with-scaling", help="Take uint8 images and scale them inside.", rich_help_panel=FORM),
    ] = False,
    with_argmax: Annotated[
        bool, typer.Option("--with-argmax", help="Give a class for each pixel, not scores.", rich_help_panel=FORM)
    ] = False,
    sub_pixel: Annotated[
        bool,
        typer.Option(
            "--sub-pixel",
            help="Transposed convolutions as convolutions whose channels become pixels: the same scores, on "
            "processors far quicker.",
            rich_help_panel=FORM,
        ),
    ] = False,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="HEIGHTxWIDTH",
            help="Size of the images. At another than the training's prefer multiples of 32, else scores fall.",
            show_default="as trained",
            rich_help_panel=FORM,
        ),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(
            help="Images at a time, always so many.", min=1, max=1024, show_default="any number", rich_help_panel=FORM
        ),
    ] = None,
    dataset: Annotated[str | None, options.dataset("the run's own", WHERE)] = None,
    scenario: Annotated[
        str | None,
        typer.Option(
            metavar="SCENARIO", help="Tell whether it fits this scenario, at the exported size.", rich_help_panel=WHERE
        ),
    ] = None,
    platform: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Tell this platform's peaks: a known one, or a file.",
            show_default="the scenario's",
            rich_help_panel=WHERE,
        ),
    ] = None,
    memory_limit: Annotated[float | None, options.memory_limit(WHERE)] = None,
    output: Annotated[Path | None, options.output("RUN/export", WHERE)] = None,
) -> None:
    """Hand a trained network on as ONNX: weights inside, batch norm folded, checked against torch in ONNX Runtime.

    Layers keep their names. Writes the models, model.json (what they are, cost and score), export.md and export.csv
    with the IoU of every class at every precision, and prints the command line that measures each with TensorRT on its
    target. A model that does not compute what torch does is not written. All of it: docs/export.md.
    Example: budgetnet export reports/urban/train --onnx --int8 --scenario urban
    """
    from budgetnet import arguments
    from budgetnet.exporting import InterruptedExportError, Request, run_export
    from budgetnet.formats import table
    from budgetnet.units import PRECISIONS

    asked = {"fp32": onnx or not (fp16 or int8), "fp16": fp16, "int8": int8}
    request = Request(
        run=run,
        precisions=[precision for precision in PRECISIONS if asked[precision]],
        scaling=with_scaling,
        argmax=with_argmax,
        sub_pixel=sub_pixel,
        size=None if size is None else arguments.size(size),
        batch=batch,
        spec=dataset,
        calibration_images=calibration_images,
        scenario=scenario,
        platform=platform,
        folder=output,
        memory_limit=memory_limit,
    )
    try:
        done = run_export(request)
    except InterruptedExportError as stopped:
        typer.echo(str(stopped), err=True)
        raise typer.Exit(130) from None
    with printing():
        table.show(done.shown, wide_console())
        if done.commands:
            typer.echo("\nOn the target, beside the files:")
        for line in done.commands:  # not broken anywhere: they are to be copied
            typer.echo(printable(line))
    typer.echo(f"Written: {printable(', '.join(map(str, done.written)))}", err=True)
