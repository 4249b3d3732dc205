"""One calibration as the command line runs it: measured here or read from files, fitted, written as a platform file."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from budgetnet import efficiencies, files, formats, platforms
from budgetnet.bench.pinning import cores, load
from budgetnet.calibration import csv_file, machine, sampling, trtexec_file
from budgetnet.calibration import report as calibration_report
from budgetnet.calibration.crossed import FEWEST, Calibration, calibrate
from budgetnet.calibration.machine import Case
from budgetnet.calibration.measured import Hardware, Measurement, case_of
from budgetnet.calibration.platform_file import calibrated, this_machine, written
from budgetnet.errors import BudgetnetError, printable
from budgetnet.kernels import kernels
from budgetnet.networks import Candidate
from budgetnet.platforms import Platform
from budgetnet.plugins import is_path
from budgetnet.progress import Watch, bars
from budgetnet.provenance import processor, provenance
from budgetnet.report import Report
from budgetnet.roofline import engine_of, roof
from budgetnet.units import Precision

PLATFORM: Final = "platform.yaml"
MEASURED: Final = "measurements.csv"
SIZES: Final = ((320, 480), (240, 320), (256, 512))
"""Of the images that networks are measured with on this machine, in turn."""
NETWORKS: Final = 24
FEWEST_NETWORKS: Final = 3
COLUMNS: Final = ("network", "candidate", "height", "width", "classes", "batch", "layer", "milliseconds")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Profiled:
    """The network that trtexec's profiles are of, and how it was run."""

    candidate: Candidate
    height: int
    width: int
    classes: int
    batch: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be calibrated: `platform` is a known one's key or a file's path, None for this machine, `engine` one
    of its engines (the fastest at the precision where it is None); without `measurements` it is measured here.
    """

    platform: str | None = None
    measurements: Sequence[Path] = ()
    precision: Precision = "fp32"
    engine: str | None = None
    profiled: Profiled | None = None
    networks: int = NETWORKS
    size: tuple[int, int] | None = None
    threads: int | None = None
    seed: int = 0
    folder: Path | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What goes to the screen, what was written, and the platform file among it."""

    shown: Report
    written: Sequence[Path]
    platform: Path


class InterruptedCalibrationError(Exception):
    """The user has stopped a calibration; the message says what is there."""


def run_calibration(asked: Request) -> Outcome:
    """Calibrates and writes platform.yaml, calibration.md, .csv and .json, and what was measured here as
    measurements.csv, into the folder (`reports/calibrations/<platform>`).

    Raises BudgetnetError, without anything written; InterruptedCalibrationError after Ctrl-C.
    """
    try:
        return _calibration(asked)
    except KeyboardInterrupt:
        raise InterruptedCalibrationError("Interrupted: nothing is written.") from None


def _calibration(asked: Request) -> Outcome:
    extra: dict[str, bytes] = {}
    others = load()
    if asked.measurements:
        platform, measured = _read(asked)
        source = f"fitted to {len(measured)} measurements of {', '.join(path.name for path in asked.measurements)}"
    else:
        platform, measured, extra[MEASURED] = _measured(asked)
        source = f"fitted to {asked.networks} networks in ONNX Runtime on this machine by budgetnet calibrate"
    engine = engine_of(platform, asked.precision, asked.engine)
    prior = efficiencies.load(efficiencies.BY_ENGINE[engine.kind])
    if len(measured) < FEWEST:
        raise BudgetnetError(f"measurements: must be {FEWEST} or more, but got {len(measured)}")
    found = calibrate(measured, prior, name=f"calibrated {engine.name}", source=printable(source), seed=asked.seed)
    made = calibration_report.report(found, _about(asked, platform, engine.name, source, others), provenance())
    folder = asked.folder or Path("reports") / "calibrations" / _name(asked.platform)
    result = calibrated(platform, engine, asked.precision, found.efficiency)
    comments = _comments(found, folder)
    contents = {PLATFORM: written(result, comments).encode(), **extra}
    paths = files.write_all(folder, {**contents, **formats.files(made, "markdown", "csv", "json")})
    return Outcome(shown=calibration_report.for_screen(made), written=paths, platform=folder / PLATFORM)


def _name(platform: str | None) -> str:
    if platform is None:
        return "this-machine"
    return Path(platform).stem if is_path(platform) else platform


def _comments(found: Calibration, folder: Path) -> list[str]:
    return [
        f"Written by budgetnet calibrate. {calibration_report.verdict(found)}",
        f"Use: budgetnet plan urban --platform {printable(str(folder / PLATFORM))}",
    ]


def _about(asked: Request, platform: Platform, engine: str, source: str, others: float | None) -> dict[str, Any]:
    about: dict[str, Any] = {
        "platform": platform.name,
        "engine": engine,
        "precision": asked.precision,
        "measurements": source,
    }
    if not asked.measurements:
        about |= {"processor": processor(), "threads": asked.threads or cores(), "seed": asked.seed}
        about |= {"sizes": ", ".join(f"{height} x {width}" for height, width in _sizes(asked))}
        about |= {} if others is None else {calibration_report.OTHERS: round(others, 2)}
    return about


def _hardware(platform: Platform, precision: Precision, engine: str | None) -> Hardware:
    """What the efficiencies are shares of. Raises BudgetnetError where there is no peak."""
    found = roof(platform, precision, engine=engine)
    return Hardware(peak=found.peak, bandwidth=found.bandwidth)


def _read(asked: Request) -> tuple[Platform, list[Measurement]]:
    """The platform, and what files tell of it."""
    if asked.platform is None:
        raise BudgetnetError("--platform: must name what the measurements are of, but got none")
    platform = platforms.load(asked.platform)
    hardware = _hardware(platform, asked.precision, asked.engine)
    found: list[Measurement] = []
    for path in asked.measurements:
        if path.suffix.lower() == ".json":
            found += _profile(path, asked, hardware)
        else:
            found += csv_file.read(path, hardware, asked.precision)
    return platform, found


def _profile(path: Path, asked: Request, hardware: Hardware) -> list[Measurement]:
    of = asked.profiled
    if of is None:
        where = printable(str(path))
        raise BudgetnetError(f"--candidate: must name the network that {where} is a profile of, but got none")
    graph = of.candidate.graph(classes=of.classes, height=of.height, width=of.width)
    case = case_of(of.height, of.width, of.batch)
    return trtexec_file.read(path, of.candidate.called, case, kernels(graph), hardware, asked.precision, of.batch)


def _measured(asked: Request) -> tuple[Platform, list[Measurement], bytes]:
    """This machine, what was measured of it, and that as CSV."""
    if asked.precision != "fp32":
        rule = "--precision: must be fp32 where this machine is measured"
        raise BudgetnetError(f"{rule} (other precisions come from --measurements), but got {asked.precision}")
    if asked.networks < FEWEST_NETWORKS:
        raise BudgetnetError(f"--networks: must be {FEWEST_NETWORKS} or more, but got {asked.networks}")
    threads = asked.threads or cores()
    if threads > cores():
        raise BudgetnetError(f"--threads: must be {cores()} or fewer, the cores of this process, but got {threads}")
    if asked.platform is None:
        platform = this_machine(f"This machine, {processor()}", machine.hardware(threads), threads)
    else:
        platform = platforms.load(asked.platform)
    hardware = _hardware(platform, "fp32", asked.engine)
    sizes = _sizes(asked)
    cases = [
        Case(candidate=candidate, height=sizes[number % len(sizes)][0], width=sizes[number % len(sizes)][1])
        for number, candidate in enumerate(sampling.candidates(asked.networks, asked.seed))
    ]
    with bars() as begin:
        found = list(machine.measurements(cases, hardware, threads=threads, progress=_counting(begin("measuring"))))
    return platform, found, _csv({case.name: case for case in cases}, found)


def _sizes(asked: Request) -> Sequence[tuple[int, int]]:
    """Of the images that networks are measured with, in turn."""
    return SIZES if asked.size is None else (asked.size,)


def _counting(watch: Watch) -> Callable[[int, int], None]:
    return lambda done, total: watch(done, total)


def _csv(cases: dict[str, Case], measured: Sequence[Measurement]) -> bytes:
    """Measurements in the form that --measurements reads."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for each in measured:
        case = cases[f"{each.network} {each.case}"]
        layer = "" if each.whole else each.kernels[0].name
        size = (case.height, case.width, machine.CLASSES, each.batch)
        writer.writerow([case.candidate.network, case.candidate.label, *size, layer, repr(1000 * each.seconds)])
    return out.getvalue().encode()
