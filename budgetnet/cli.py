"""The command line: parses, calls, prints. Heavy imports stay inside the commands that need them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from budgetnet import (
    bench_cli,
    calibrate_cli,
    compare_cli,
    data_cli,
    export_cli,
    options,
    platforms_cli,
    scenario_cli,
    search_cli,
    terminal,
    train_cli,
)
from budgetnet.errors import BudgetnetError, printable
from budgetnet.terminal import Format

if TYPE_CHECKING:  # help needs no reports
    from budgetnet.report import Report
    from budgetnet.units import Precision as PlannedPrecision

app = typer.Typer(
    name="budgetnet",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Hardware budget planner and architecture search for semantic segmentation in cars.",
)
app.add_typer(scenario_cli.app, name="scenario")
app.add_typer(data_cli.app, name="data")
app.command()(search_cli.search)
app.command()(train_cli.train)
app.command()(compare_cli.compare)
app.command()(calibrate_cli.calibrate)
app.command()(platforms_cli.platforms)
app.command()(export_cli.export)
app.command()(bench_cli.bench)
screen = terminal.wide_console()
TIME = "In time, on a platform"


ScenarioArgument = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO",
        help="A scenario file, or a built-in one: demo, parking, urban, rural, surround, camvid-parking, camvid-urban, "
        "camvid-rural.",
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How to print it. csv and json hold exact numbers.")]
MemoryOption = Annotated[float | None, options.memory_limit()]
OutputOption = Annotated[Path | None, options.output("reports/<scenario>")]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"budgetnet {version('budgetnet')}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Nothing but the options that come before a command."""


@app.command()
def ops(
    network: Annotated[str, typer.Argument(help="The network family, such as mobilenet-fcn.")] = "mobilenet-fcn",
    parameters: Annotated[
        list[str] | None, typer.Argument(metavar="NAME=VALUE", help="Its parameters; defaults for the rest.")
    ] = None,
    classes: Annotated[int, typer.Option(help="How many classes it tells apart.", min=2, max=254)] = 7,
    size: Annotated[str, typer.Option(metavar="HEIGHTxWIDTH", help="Size of the image in pixels.")] = "320x480",
    format: FormatOption = Format.table,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Also build the network and hold the count against fvcore's, layer by layer."),
    ] = False,
    summary: Annotated[
        bool,
        typer.Option("--summary", help="Also what each layer sees, memory in MB, and where the operations go."),
    ] = False,
) -> None:
    """Count the operations of one network, layer by layer.

    Example: budgetnet ops mobilenet-fcn depth_multiplier=0.5 classifier_kernel=7 classifier_depth=1024 --size 320x480
    """
    from budgetnet import arguments, ops_report, summary_report

    words = parameters or []
    if "=" in network:  # the family was left out
        network, words = "mobilenet-fcn", [network, *words]
    candidate = arguments.candidate(network, words)
    height, width = arguments.size(size)
    reported = summary_report if summary else ops_report
    _show(reported.report(candidate, classes=classes, height=height, width=width), format)
    if verify:
        from budgetnet.verify import verify_candidate

        verification = verify_candidate(candidate, classes=classes, height=height, width=width)
        typer.echo(verification.summary(), err=True)
        raise typer.Exit(0 if verification.agrees else 1)


@app.command()
def plan(
    scenario: ScenarioArgument,
    format: FormatOption = Format.table,
    output: OutputOption = None,
    every: Annotated[
        bool, typer.Option("--all", help="Show every candidate, not only those nearest to the limit.")
    ] = False,
    candidate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORDS",
            help="A candidate to answer for by name: 'depth_multiplier=0.5 classifier_depth=256', or its label as "
            "plans print it; with several networks 'shared: ...; front: ...'. Parameters left out take their defaults, "
            "those of `budgetnet ops`. May be given again.",
        ),
    ] = None,
    solve: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT",
            help="Show only how far one figure can go: fps, cameras, size, budget, or a parameter of the network such "
            "as depth_multiplier.",
        ),
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="SCENARIO", help="Show what the change from this other scenario costs.")
    ] = None,
    platform: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH",
            help="Show how long it all takes on this platform, and which others keep up: `budgetnet platforms` lists "
            "them, `budgetnet calibrate` makes files of one's own.",
            rich_help_panel=TIME,
        ),
    ] = None,
    precision: Annotated[
        options.Precision | None,
        typer.Option(help="What the network computes in there.", show_default="the scenario's", rich_help_panel=TIME),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(help="Images at a time.", min=1, max=4096, show_default="1", rich_help_panel=TIME)
    ] = None,
    engine: Annotated[str | None, options.engine(TIME)] = None,
    efficiency: Annotated[str | None, options.efficiency(TIME)] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Exit with 1 and the reason when nothing fits; with --candidate it is the named ones that must fit, "
            "all of them. On a platform they must keep the frame rates too.",
        ),
    ] = False,
    no_files: Annotated[bool, typer.Option("--no-files", help="Print only, write no reports.")] = False,
) -> None:
    """Count every candidate of a scenario: which fit the budget, with what headroom, and how far each figure can go.

    Writes plan.md, plan.xlsx (which calculates) and the tables as CSV into `reports/<scenario>`. `--solve fps` answers
    how far the frame rate can go, `--against parking` what the change from another scenario costs, `--platform
    jetson-agx-xavier --precision int8` how long it takes there, layer by layer (plan-latency.md and .csv), `--check`
    makes it a gate for CI. Example: budgetnet plan urban
    """
    from budgetnet.planning import Timing, run_plan

    timed = any(given is not None for given in (platform, precision, batch, engine, efficiency))
    alone = {"--solve": solve is not None, "--against": against is not None}
    options.refuse_together({"--all": every, **alone})
    options.refuse_together({**alone, "--platform, --precision, --batch, --engine, --efficiency": timed})
    timing = None
    if timed:
        chosen: PlannedPrecision | None = None if precision is None else precision.value
        timing = Timing(platform=platform, precision=chosen, batch=batch or 1, engine=engine, efficiency=efficiency)
    done = run_plan(
        scenario,
        folder=output,
        candidates=candidate or (),
        question=solve,
        against=against,
        timing=timing,
        every=every,
        write=not no_files,
    )
    _show(done.shown, format)
    if done.left_out:
        typer.echo(f"Listed are those nearest to the limits; {done.left_out:,} more were counted.", err=True)
    if done.written:
        typer.echo(f"Written: {printable(', '.join(map(str, done.written)))}", err=True)
    if check and done.obstacle:
        typer.echo(f"Check failed: {printable(done.obstacle)}", err=True)
        raise typer.Exit(1)


@app.command()
def upsample(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A PNG or JPEG.")],
    factor: Annotated[int, typer.Option(help="How many times as high and as wide.", min=1, max=64)] = 8,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The PNG to write.",
            show_default="reports/upsample/<image>-x<factor>.png",
        ),
    ] = None,
) -> None:
    """Enlarge a picture with the transposed convolution that networks enlarge their scores with.

    It starts as bilinear interpolation: the picture comes out as it is, larger, but for the border, where the operator
    sees zeros beyond the picture. Example: budgetnet upsample street.png --factor 8
    """
    from budgetnet.upsampling import run_upsample

    typer.echo(run_upsample(image, factor=factor, output=output))


@app.command()
def predict(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A finished run's folder, such as reports/urban/runs/0000.")
    ],
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="INPUT...", help="Images (PNG, JPEG), GIFs, videos, and folders of them."),
    ],
    output: Annotated[Path | None, options.output("RUN/predictions")] = None,
    video: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Also a film of the overlays in their order: mp4, gif, or a name like drive.mp4."
        ),
    ] = None,
    fps: Annotated[
        float | None, typer.Option(help="Frames a second of the film.", show_default="as in the input, else 10")
    ] = None,
    opacity: Annotated[
        float, typer.Option(help="How much of the classes' colours is in an overlay.", min=0, max=1)
    ] = 0.5,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="HEIGHTxWIDTH", help="Size that frames are brought to for the network.", show_default="as trained"
        ),
    ] = None,
    masks: Annotated[bool, typer.Option("--masks/--no-masks", help="Write class indices as PNG, in colours.")] = True,
    overlays: Annotated[
        bool, typer.Option("--overlays/--no-overlays", help="Write frames blended with the colours, and the key.")
    ] = True,
) -> None:
    """Run a trained network over images or videos: masks, overlays with a colour key, and a film.

    Folders are read in natural order (frame2 before frame10), frames are prepared as in training, and what the network
    does not see of one stays dark, in masks 255. predictions.csv tells the share of each class frame by frame. A re-run
    replaces; of one that fails nothing is left. The output may be the folder that the frames lie in.
    Example: budgetnet predict reports/urban/runs/0000 drive.mp4 --output drive --video mp4
    """
    from budgetnet import arguments
    from budgetnet.predicting import InterruptedPredictionError, Request, film_name, run_prediction

    request = Request(
        run=run,
        inputs=inputs,
        folder=output or run / "predictions",
        film=None if video is None else film_name(video),
        fps=fps,
        opacity=opacity,
        size=None if size is None else arguments.size(size),
        masks=masks,
        overlays=overlays,
    )
    try:
        run_prediction(request, screen)
    except InterruptedPredictionError as stopped:
        typer.echo(str(stopped), err=True)
        raise typer.Exit(130) from None


@app.command()
def evaluate(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A finished run's folder, such as reports/urban/runs/0003.")
    ],
    dataset: Annotated[str | None, options.dataset("the run's own")] = None,
    split: Annotated[str, typer.Option(help="Which of its splits: train, val, test.")] = "val",
    batch_size: Annotated[
        int | None, typer.Option(help="Images at a time.", min=1, show_default="as in the training")
    ] = None,
    images: Annotated[int, typer.Option(help="How many of the worst and best images to show.", min=0, max=20)] = 3,
    memory_limit: MemoryOption = None,
    format: FormatOption = Format.table,
    output: Annotated[
        Path | None, options.output("RUN/evaluation-<split>, for other data RUN/evaluation-<split>-<data set>")
    ] = None,
    no_files: Annotated[bool, typer.Option("--no-files", help="Print only, write no reports.")] = False,
) -> None:
    """Score a trained network on labelled images, class by class and image by image, and time it.

    Pixel accuracy, IoU, Dice, precision and recall, with and without void, all from one confusion matrix; the worst and
    best images as pictures; milliseconds per image. Example: budgetnet evaluate reports/urban/runs/0003 --split val
    """
    from budgetnet.evaluating import run_evaluation

    done = run_evaluation(
        run,
        spec=dataset,
        split=split,
        batch_size=batch_size,
        images=images,
        memory_limit=memory_limit,
        output=output,
        write=not no_files,
    )
    _show(done.shown, format)
    if done.written:
        typer.echo(f"Written: {printable(', '.join(map(str, done.written)))}", err=True)


def _show(report: "Report", format: Format) -> None:
    from budgetnet import formats

    formats.show(report, format, screen)


def run() -> None:
    """Runs the command line; faults of the input end it with one message and exit code 2."""
    try:
        app()
    except BudgetnetError as error:
        terminal.complain(error)
        raise SystemExit(2) from None
