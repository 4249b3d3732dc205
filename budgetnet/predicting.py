"""A whole prediction as the command line runs it: run, frames and network put together, progress shown, masks,
overlays, film and report written.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Final, final

from rich.console import Console

from budgetnet import files, formats, predict_report, terminal
from budgetnet.data.order import in_order
from budgetnet.errors import BudgetnetError, DataError, Fault, printable, shorten
from budgetnet.formats.table import show
from budgetnet.frames import Look, Source, gif
from budgetnet.frames.film import FILMS, film
from budgetnet.frames.film import require as require_film
from budgetnet.frames.folder import MASKS, OVERLAYS, OutputFolder, earlier_pictures
from budgetnet.frames.listing import left_out, sources
from budgetnet.frames.painting import FrameResult, Painter
from budgetnet.frames.pipeline import painted
from budgetnet.frames.reading import frames, look
from budgetnet.predict_report import Summary
from budgetnet.progress import Watch, bars
from budgetnet.provenance import provenance
from budgetnet.report import Picture, Report

FPS: Final = Fraction(10)
"""Frames a second of a film where neither the input nor its user says."""

_SLOWEST, _FASTEST = Fraction(1, 100), 1000


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for. `film` is a name of `film_name`, `size` (height, width) the network's input where it is not
    that of its training, `opacity` how much of a class's colour is in an overlay, from 0 to 1.
    """

    run: Path
    inputs: Sequence[Path]
    folder: Path
    film: str | None = None
    fps: float | None = None
    opacity: float = 0.5
    size: tuple[int, int] | None = None
    masks: bool = True
    overlays: bool = True


class InterruptedPredictionError(Exception):
    """The user has stopped a prediction; the message says what is there."""


def film_name(word: str) -> str:
    """`mp4` -> `predictions.mp4`, `drive.gif` as it is. Raises BudgetnetError for what is no film's plain name."""
    name = f"predictions.{word}" if f".{word}" in FILMS else word
    if Path(name).name != name or Path(name).suffix not in FILMS or name.startswith(".") or not name.isprintable():
        rule = "--video: must be mp4, gif, or a name that ends so and has no folders"
        raise BudgetnetError(f"{rule}, but got {shorten(word)}")
    return name


def run_prediction(request: Request, screen: Console) -> Summary:
    """Reads, predicts, writes, reports. Raises BudgetnetError; InterruptedPredictionError after Ctrl-C."""
    made: list[FrameResult] = []
    try:
        asked = _rate(request)
        found = sources(request.inputs, leave_out=[request.folder, *earlier_pictures(request.folder)])
        output = OutputFolder(request.folder, request.film, [source.path for source in found])
        _tell_left_out(left_out(request.inputs, [request.folder, *earlier_pictures(request.folder)]))
        with output.whole():
            summary = _run(request, found, asked, output, made)
            report = predict_report.report(summary)
            written = files.write_all(request.folder, formats.files(report, "markdown", "csv", "json"))
    except KeyboardInterrupt:
        kept = f"{len(made):,} frames are written, each whole; no video and no report" if made else "nothing is written"
        raise InterruptedPredictionError(f"Interrupted: {kept}. The same command begins anew.") from None
    _show(report, summary, request.folder, written, screen)
    return summary


def _run(
    request: Request, found: Sequence[Source], asked: Fraction | None, output: OutputFolder, made: list[FrameResult]
) -> Summary:
    """Everything but the report. `made` grows with the frames."""
    with bars() as begin:
        looks = _looks(found, begin("looking"))
    from budgetnet.training.finished import load
    from budgetnet.training.inference import Network
    from budgetnet.training.machine import device

    run = load(request.run)
    network = Network(run, *(request.size or ()))
    network.warm_up()
    painter = Painter(run.classes, network.form, request.opacity)
    rate = asked or next((each.rate for each in looks if each.rate), FPS)
    started = time.perf_counter()
    done = painted(frames(found), network, painter, output, run.classes, masks=request.masks, overlays=request.overlays)
    counts = [each.count for each in looks]
    total = None if None in counts else sum(count or 0 for count in counts)
    with bars() as begin, closing(done), ExitStack() as stack:
        watch = begin("frames")
        add: Callable[[Any], None] | None = None
        for each in done:
            if request.film is not None:
                add = add or stack.enter_context(film(output.film(), rate, painter.exact(), painter.likely()))
                add(painter.film_picture(each))
            made.append(each.result)
            watch(len(made), total)
    return Summary(
        run=printable(str(request.run)),
        candidate=run.candidate,
        classes=run.classes,
        weights=run.weights_digest,
        form=network.form,
        frames=made,
        seconds=time.perf_counter() - started,
        settings=_settings(request, rate),
        made_by={**provenance(), "device": str(device())},
    )


def _tell_left_out(counts: Mapping[str, int]) -> None:
    """Says that a folder holds pictures that nobody will see predicted."""
    if counts:
        told = ", ".join(f"{count:,} {ending}" for ending, count in counts.items())
        Console(stderr=True).print(f"Left out, as they are not PNG, JPEG or GIF: {told}", highlight=False, markup=False)


def _rate(request: Request) -> Fraction | None:
    """The rate that is asked for. Checks what belongs to the film before anything is read."""
    if request.film is not None:
        require_film(request.folder / request.film)
    if request.fps is None:
        return None
    if request.film is None:
        raise BudgetnetError(f"--fps: must be given with --video, but got {request.fps:g} without it")
    most = gif.FASTEST if request.film.endswith(".gif") else _FASTEST
    if not _SLOWEST <= request.fps <= most:
        kind = request.film.rpartition(".")[2].upper()
        raise BudgetnetError(f"--fps: must be from {float(_SLOWEST)} to {most} in a {kind}, but got {request.fps:g}")
    return Fraction(request.fps).limit_denominator(1001)


def _looks(found: Sequence[Source], watch: Watch) -> list[Look]:
    """What the files tell of themselves. Raises DataError with the faults of all of them that show at once."""

    def one(source: Source) -> Look | tuple[Fault, ...]:
        try:
            return look(source)
        except DataError as error:
            return error.faults

    looked: list[Look | tuple[Fault, ...]] = []
    with closing(in_order(one, found)) as each_in_turn:
        for each in each_in_turn:
            looked.append(each)
            watch(len(looked), len(found))
    faults = list(chain.from_iterable(each for each in looked if not isinstance(each, Look)))
    if faults:
        raise DataError(faults)
    return [each for each in looked if isinstance(each, Look)]


def _settings(request: Request, rate: Fraction) -> dict[str, Any]:
    return {
        "inputs": [printable(str(path)) for path in request.inputs],
        "opacity": request.opacity,
        "masks": request.masks,
        "overlays": request.overlays,
        "video": request.film,
        "fps": None if request.film is None else float(rate),
    }


def _show(made: Report, summary: Summary, folder: Path, written: Sequence[Path], screen: Console) -> None:
    blocks = [
        block for block in made.blocks if not isinstance(block, Picture) and getattr(block, "key", "") != "frames"
    ]
    kinds = [folder / MASKS] * summary.settings["masks"] + [folder / OVERLAYS] * summary.settings["overlays"]
    films = [folder / summary.film] if summary.film else []
    told = ", ".join(printable(str(path)) for path in [*kinds, *films, *written])
    with terminal.printing():
        show(Report(key=made.key, title=made.title, blocks=blocks, tables=(), record={}), screen)
        screen.print(f"Written: {told}", highlight=False, soft_wrap=True, markup=False)
