"""Layer times out of trtexec's JSON profile (`--exportProfile=layers.json`), as TensorRT's samples write it: a list
whose entries hold `name` and `medianMs` or `averageMs`, behind one that holds `count`.

TensorRT joins layers: `A + B` is one entry for both, `PWN(A)` an activation by itself, `{ForeignNode[A...B]}` all from
A to B, `Reformatting CopyNode for Input Tensor 0 to A` a copy for A. Names are those of the model's nodes, which are
the graph's. What names no node of the graph counts for the layer before it, or the first one, as what a runtime adds by
itself.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from budgetnet import records
from budgetnet.calibration.measured import MOST_MILLISECONDS, Hardware, Measurement
from budgetnet.errors import BudgetnetError, printable, shorten
from budgetnet.kernels import Kernel
from budgetnet.units import Precision

TIMES: Final = ("medianMs", "averageMs")
LEAST_COVERED: Final = 0.9
"""Of the network's operations: a profile that names less is of another network, or of other names."""
MOST_STRANGE: Final = 0.25
"""Of the time, in layers that the network does not have: copies and changes of layout take less."""
_RANGE: Final = re.compile(r"\[(.+?)\.\.\.(.+?)\]")


def read(
    path: Path,
    network: str,
    case: str,
    kernels: Sequence[Kernel],
    hardware: Hardware,
    precision: Precision,
    batch: int = 1,
) -> list[Measurement]:
    """The network as a whole, and each layer that TensorRT ran. Raises BudgetnetError that names entry, rule and value,
    or where entries name hardly anything of the network.
    """
    where = printable(str(path))
    entries = _entries(records.read(path), where)
    groups = _grouped(entries, kernels)
    covered = sum(kernel.work for of, _ in groups for kernel in of) / sum(kernel.work for kernel in kernels)
    if covered < LEAST_COVERED:
        rule = f"must name layers that make {LEAST_COVERED:.0%} of the work of {network} {case}"
        raise BudgetnetError(f"{where}: {rule}, but names {covered:.0%} of it")
    _require_little_else(entries, kernels, f"{network} {case}", where)
    common: dict[str, Any] = {
        "network": network,
        "case": case,
        "hardware": hardware,
        "precision": precision,
        "batch": batch,
    }
    total = sum(seconds for _, seconds in groups)
    whole = Measurement(kernels=tuple(kernels), seconds=total, whole=True, **common)
    return [whole, *(Measurement(kernels=tuple(of), seconds=took, whole=False, **common) for of, took in groups)]


def _require_little_else(
    entries: Sequence[tuple[str, float]], kernels: Sequence[Kernel], name: str, where: str
) -> None:
    """Raises BudgetnetError where much of the time goes to layers that the network does not have."""
    unknown = [(layer, seconds) for layer, seconds in entries if not _named(layer, kernels)]
    strange = sum(seconds for _, seconds in unknown) / max(sum(seconds for _, seconds in entries), 1e-30)
    if strange > MOST_STRANGE:
        rule = f"must spend {1 - MOST_STRANGE:.0%} of its time in layers of {name}"
        got = f"{len(unknown)} of {len(entries)}, {strange:.0%} of the time, are none of them: {shorten(unknown[0][0])}"
        raise BudgetnetError(f"{where}: {rule}, but {got}, ...")


def _entries(record: Any, where: str) -> list[tuple[str, float]]:
    """Name and seconds of each layer."""
    if not isinstance(record, list):
        raise BudgetnetError(f"{where}: must be a list of layers, as trtexec --exportProfile writes it, but is not")
    found = []
    for number, entry in enumerate(record):
        if not isinstance(entry, Mapping) or "name" not in entry:
            continue  # the count of passes
        key = next((key for key in TIMES if key in entry), None)
        if key is None:
            raise BudgetnetError(f"{where}: entry {number}: must hold {' or '.join(TIMES)}, but got {shorten(entry)}")
        try:
            name = records.text(entry["name"], "name")
            milliseconds = records.number(entry[key], key, 0, MOST_MILLISECONDS)
        except BudgetnetError as error:
            raise BudgetnetError(f"{where}: entry {number}: {error}") from None
        found.append((name, milliseconds / 1000))
    return found


def _grouped(entries: Sequence[tuple[str, float]], kernels: Sequence[Kernel]) -> list[tuple[list[Kernel], float]]:
    """Kernels that were run as one, and their seconds; entries that share a kernel are put together."""
    groups: list[tuple[set[int], float]] = []
    before = 0.0  # of what ran before the first layer that is known
    for name, seconds in entries:
        mine = set(_named(name, kernels))
        if not mine and not groups:
            before += seconds
            continue
        mine = mine or set(groups[-1][0])
        seconds, before = seconds + before, 0.0
        apart = [group for group in groups if not group[0] & mine]
        for kernels_of, taken in (group for group in groups if group[0] & mine):
            mine, seconds = mine | kernels_of, seconds + taken
        groups = [*apart, (mine, seconds)]
    return [([kernels[place] for place in sorted(places)], seconds) for places, seconds in groups if seconds > 0]


def _named(name: str, kernels: Sequence[Kernel]) -> list[int]:
    """The places of the kernels that an entry names."""
    places = {node.name: place for place, kernel in enumerate(kernels) for node in kernel.nodes}
    span = _RANGE.search(name)
    if span and span[1] in places and span[2] in places:
        return list(range(places[span[1]], places[span[2]] + 1))
    words = re.split(r" \+ |[()\[\]{},\s]+", name)
    return [places[word] for word in words if word in places]
