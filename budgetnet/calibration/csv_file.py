"""Latencies out of a CSV file: a row for each measurement of a network, or of one of its layers.

Columns: `candidate` (a label, `NAME=VALUE ...`, or a family of networks), `height`, `width` and `milliseconds` must be
there; `network` (by default mobilenet-fcn), `classes` (7), `batch` (1) and `layer` may be. With a layer, the time is
that of the kernel in which the node of that name is computed; without, that of the whole network.

Between columns stand commas; where the headings have none, semicolons or tabs, and then milliseconds may have a decimal
comma, as spreadsheets write them where that is usual.
"""

import csv
import io
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any, Final

from budgetnet import arguments
from budgetnet.calibration.measured import MOST_MILLISECONDS, Hardware, Measurement, case_of
from budgetnet.errors import BudgetnetError, did_you_mean, printable, shorten
from budgetnet.kernels import Kernel, kernels
from budgetnet.networks import Candidate
from budgetnet.units import Precision

NEEDED: Final = ("candidate", "height", "width", "milliseconds")
OPTIONAL: Final = {"network": "mobilenet-fcn", "classes": "7", "batch": "1", "layer": ""}
MORE: Final = "\0more"
MOST_TOLD: Final = 20
"""Faulty rows that are told."""
MOST_ROWS: Final = 100_000
MOST_CLASSES: Final = 254
MOST_BATCH: Final = 4096


def read(path: Path, hardware: Hardware, precision: Precision) -> list[Measurement]:
    """The measurements of a file, in its order. Raises BudgetnetError that names row, rule and value."""
    where = printable(str(path))
    found: list[Measurement] = []
    faults: list[str] = []
    known: dict[tuple[Candidate, int, int, int], tuple[Kernel, ...]] = {}
    for number, row in _rows(path, where):
        try:
            found.append(_measurement(row, hardware, precision, known))
        except BudgetnetError as error:
            faults.append(f"{where}, line {number}: {error}")
    if faults:
        more = [f"and {len(faults) - MOST_TOLD:,} more"] if len(faults) > MOST_TOLD else []
        raise BudgetnetError("\n".join([*faults[:MOST_TOLD], *more]))
    if not found:
        raise BudgetnetError(f"{where}: must hold a row of headings and one for each measurement, but holds none")
    return found


def _rows(path: Path, where: str) -> list[tuple[int, dict[str, str]]]:
    """Line and values of every row."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BudgetnetError(f"{where}: must be a file that can be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BudgetnetError(f"{where}: must be a CSV file in UTF-8, but is not") from None
    if "\0" in text:
        raise BudgetnetError(f"{where}: must be a CSV file, but holds bytes that are no text")
    separator = _separator(text.partition("\n")[0])
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True, restkey=MORE)
    try:
        return _read_rows(reader, where, decimal_comma=separator != ",")
    except csv.Error as error:
        raise BudgetnetError(f"{where}, line {reader.line_num}: must be a CSV file, but has {error}") from None


def _separator(headings: str) -> str:
    """What stands between columns: a comma, or what spreadsheets write where commas are decimal."""
    return next((each for each in (",", ";", "\t") if each in headings), ",")


def _read_rows(reader: Any, where: str, *, decimal_comma: bool) -> list[tuple[int, dict[str, str]]]:
    headings = [str(name).strip() for name in reader.fieldnames or []]
    reader.fieldnames = headings
    for name in NEEDED:
        if name not in headings:
            raise BudgetnetError(f"{where}: must have a column {name}, but has {shorten(', '.join(headings))}")
    rows: list[tuple[int, dict[str, str]]] = []
    for row in reader:
        if len(rows) == MOST_ROWS:
            raise BudgetnetError(f"{where}: must hold {MOST_ROWS:,} rows or fewer, but holds more")
        if row.get(MORE):
            raise BudgetnetError(f"{where}, line {reader.line_num}: must hold {len(headings)} values, but holds more")
        values = {name: (row.get(name) or "").strip() for name in headings}
        if decimal_comma:
            values["milliseconds"] = values["milliseconds"].replace(",", ".")
        rows.append((reader.line_num, values))
    return rows


def _measurement(
    row: Mapping[str, str],
    hardware: Hardware,
    precision: Precision,
    known: dict[tuple[Candidate, int, int, int], tuple[Kernel, ...]],
) -> Measurement:
    given = {name: row.get(name) or default for name, default in OPTIONAL.items()}
    for name in ("height", "width", "milliseconds"):
        if not row[name]:
            raise BudgetnetError(f"{name}: must be given, but is blank")
    candidate = _candidate(row.get("network", ""), row["candidate"])
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


def _candidate(network: str, text: str) -> Candidate:
    """Of a family's column and words or a label; without words the family's network of all defaults."""
    if network and not text:
        return arguments.candidate(network, [])
    if not network and text and not ("=" in text or "/" in text):
        return arguments.named(text)
    return arguments.worded(network or OPTIONAL["network"], text, "candidate")


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
