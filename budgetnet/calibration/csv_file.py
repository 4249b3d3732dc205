"""Latencies out of a CSV file: a row for each measurement of a network, or of one of its layers.

Columns: `candidate` (a label, or `NAME=VALUE ...`), `height`, `width` and `milliseconds` must be there; `network` (by
default mobilenet-fcn), `classes` (7), `batch` (1) and `layer` may be. With a layer, the time is that of the kernel in
which the node of that name is computed; without, that of the whole network.
"""

import csv
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Final

from budgetnet import arguments
from budgetnet.calibration.measured import MOST_MILLISECONDS, Hardware, Measurement, case_of
from budgetnet.errors import BudgetnetError, did_you_mean, printable, shorten
from budgetnet.kernels import Kernel, kernels
from budgetnet.networks import Candidate
from budgetnet.units import Precision

NEEDED: Final = ("candidate", "height", "width", "milliseconds")
OPTIONAL: Final = {"network": "mobilenet-fcn", "classes": "7", "batch": "1", "layer": ""}
MOST_ROWS: Final = 100_000
MOST_CLASSES: Final = 254
MOST_BATCH: Final = 4096


def read(path: Path, hardware: Hardware, precision: Precision) -> list[Measurement]:
    """The measurements of a file, in its order. Raises BudgetnetError that names row, rule and value."""
    where = printable(str(path))
    found: list[Measurement] = []
    known: dict[tuple[Candidate, int, int, int], tuple[Kernel, ...]] = {}
    for number, row in enumerate(_rows(path, where), start=2):
        try:
            found.append(_measurement(row, hardware, precision, known))
        except BudgetnetError as error:
            raise BudgetnetError(f"{where}, line {number}: {error}") from None
    if not found:
        raise BudgetnetError(f"{where}: must hold a row of headings and one for each measurement, but holds none")
    return found


def _rows(path: Path, where: str) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            headings = [str(name).strip() for name in reader.fieldnames or []]
            reader.fieldnames = headings
            for name in NEEDED:
                if name not in headings:
                    raise BudgetnetError(f"{where}: must have a column {name}, but has {shorten(', '.join(headings))}")
            rows: list[dict[str, str]] = []
            for row in reader:
                if len(rows) == MOST_ROWS:
                    raise BudgetnetError(f"{where}: must hold {MOST_ROWS:,} rows or fewer, but holds more")
                rows.append({name: (row.get(name) or "").strip() for name in headings})
            return rows
    except OSError as error:
        raise BudgetnetError(f"{where}: must be a file that can be read: {error.strerror}") from None
    except (UnicodeDecodeError, ValueError, csv.Error):
        raise BudgetnetError(f"{where}: must be a CSV file, but is not") from None


def _measurement(
    row: Mapping[str, str],
    hardware: Hardware,
    precision: Precision,
    known: dict[tuple[Candidate, int, int, int], tuple[Kernel, ...]],
) -> Measurement:
    given = {name: row.get(name) or default for name, default in OPTIONAL.items()}
    candidate = arguments.worded(given["network"], row["candidate"], "candidate")
    height, width = arguments.size(f"{row['height']}x{row['width']}", "height, width")
    classes = _whole(given["classes"], "classes", 2, MOST_CLASSES)
    case = candidate, height, width, classes
    if case not in known:
        known[case] = kernels(candidate.graph(classes=classes, height=height, width=width))
    steps = known[case]
    batch = _whole(given["batch"], "batch", 1, MOST_BATCH)
    return Measurement(
        network=candidate.called,
        case=case_of(height, width, batch),
        kernels=steps if not given["layer"] else (_of_layer(steps, given["layer"]),),
        seconds=_milliseconds(row["milliseconds"]) / 1000,
        whole=not given["layer"],
        hardware=hardware,
        precision=precision,
        batch=batch,
    )


def _of_layer(steps: tuple[Kernel, ...], layer: str) -> Kernel:
    owners = {node.name: kernel for kernel in steps for node in kernel.nodes}
    if layer not in owners:
        raise BudgetnetError(
            f"layer: must be one of the network, but got {shorten(layer)}{did_you_mean(layer, list(owners))}"
        )
    return owners[layer]


def _whole(text: str, field: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
        raise BudgetnetError(f"{field}: must be a whole number from {low} to {high}, but got {shorten(text)}")
    return int(text)


def _milliseconds(text: str) -> float:
    rule = f"milliseconds: must be a number above 0, up to {MOST_MILLISECONDS:g}"
    try:
        value = float(text)
    except ValueError:
        raise BudgetnetError(f"{rule}, but got {shorten(text)}") from None
    if not (isfinite(value) and 0 < value <= MOST_MILLISECONDS):
        raise BudgetnetError(f"{rule}, but got {shorten(text)}")
    return value
