"""A fit and how far it can be trusted: every measurement is predicted by a fit that did not see it.

Networks are dealt into parts, in all sizes and batches together, each part predicted by a fit to the others; fewer than
three networks are dealt measurement by measurement, layers where there are some: then the error is of what the fit has
seen something alike of. What is shipped or written is fitted to all; the error is that of the parts.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

from budgetnet.calibration.fit import MOST_SHARE, PARAMETERS, Numbers, Quality, Table, fitted
from budgetnet.calibration.measured import Measurement, networks
from budgetnet.efficiencies import Efficiency, Spread
from budgetnet.errors import BudgetnetError

PARTS: Final = 5
FEWEST: Final = 2
"""Measurements that it takes: one to fit, one to hold the fit against."""
DIGITS: Final = 4
MOST_FACTOR: Final = 50.0
"""Measurements further off are of another platform, or in other units."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What was measured, and what was predicted; seconds."""

    name: str
    measured: float
    predicted: float

    @property
    def off(self) -> float:
        """predicted / measured - 1."""
        return self.predicted / self.measured - 1


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """`efficiency` is fitted to all measurements, its error that of whole networks held out, or of single measurements
    where there are fewer than three networks. `held` are those, `layers` the quality layer by layer, held out too, None
    where no layers were measured; `fitted` are the same as `held` with the final fit, `seen` its quality.
    """

    efficiency: Efficiency
    held: tuple[Held, ...]
    fitted: tuple[Held, ...]
    quality: Quality
    layers: Quality | None
    seen: Quality


def calibrate(
    measurements: Sequence[Measurement],
    prior: Efficiency,
    *,
    name: str,
    source: str,
    seed: int = 0,
    most: float = MOST_SHARE,
) -> Calibration:
    """Fits efficiencies to measurements, `FEWEST` or more; `name` and `source` say what they are. Shares of the peak
    are `most` at most.
    """
    parts, unit = _dealt(measurements, seed)
    predicted: dict[int, float] = {}
    for part in parts:
        rest = [each for number, each in enumerate(measurements) if number not in part]
        found = fitted(rest, prior, most)
        values = Table.of([measurements[number] for number in part]).predicted(found)
        predicted |= dict(zip(part, values.tolist(), strict=True))
    held = _whole(measurements, predicted) if unit == "network" else _single(measurements, predicted)
    quality = Quality.of([each.predicted for each in held], [each.measured for each in held])
    _require_sense(quality)
    final_fit = fitted(measurements, prior, most)
    seen = dict(enumerate(Table.of(measurements).predicted(final_fit).tolist()))
    fit = _whole(measurements, seen) if unit == "network" else _single(measurements, seen)
    dealt = "whole networks" if unit == "network" else "single measurements of networks that the fit has seen"
    how = f"{dealt} in {len(parts)} parts, each predicted by a fit to the others"
    return Calibration(
        efficiency=_efficiency(final_fit, name, source, quality, how),
        held=tuple(held),
        fitted=tuple(fit),
        quality=quality,
        layers=_layers(measurements, predicted),
        seen=Quality.of([each.predicted for each in fit], [each.measured for each in fit]),
    )


def _require_sense(quality: Quality) -> None:
    """Raises BudgetnetError where no roofline explains the measurements at all."""
    if quality.factor > MOST_FACTOR:
        rule = f"measurements: must be such that predictions lie within a factor of {MOST_FACTOR:g} of them"
        raise BudgetnetError(
            f"{rule} (are these milliseconds, and of this platform?), but lie {quality.factor:.3g} off"
        )


def _dealt(measurements: Sequence[Measurement], seed: int) -> tuple[list[list[int]], str]:
    """Numbers of measurements, in parts; and whether whole networks were dealt or single measurements."""
    named = networks(measurements)
    unit = "network" if len(named) > 2 else "measurement"
    keys: list[str | int] = list(named) if unit == "network" else list(range(len(measurements)))
    random.Random(seed).shuffle(keys)  # noqa: S311 (a split, no secret)
    count = min(PARTS if len(keys) > 2 * PARTS else len(keys), len(keys))
    place: Mapping[str | int, int] = {key: number % count for number, key in enumerate(keys)}
    parts: list[list[int]] = [[] for _ in range(count)]
    for number, each in enumerate(measurements):
        parts[place[each.network if unit == "network" else number]].append(number)
    return parts, unit


def _whole(measurements: Sequence[Measurement], predicted: Mapping[int, float]) -> list[Held]:
    """One for each network, size and batch: as it was measured as a whole, else all its layers together."""
    cases: dict[tuple[str, str], list[tuple[int, Measurement]]] = {}
    for number, each in enumerate(measurements):
        cases.setdefault((each.network, each.case), []).append((number, each))
    found = []
    for (network, case), mine in cases.items():
        whole = [pair for pair in mine if pair[1].whole] or mine
        count = len(whole) if whole[0][1].whole else 1  # measured more than once: their mean
        found.append(
            Held(
                name=f"{network} {case}".strip(),
                measured=sum(each.seconds for _, each in whole) / count,
                predicted=sum(predicted[number] for number, _ in whole) / count,
            )
        )
    return found


def _single(measurements: Sequence[Measurement], predicted: Mapping[int, float]) -> list[Held]:
    numbered = list(enumerate(measurements))
    layers = [pair for pair in numbered if not pair[1].whole] or numbered
    return [Held(name=each.name, measured=each.seconds, predicted=predicted[number]) for number, each in layers]


def _layers(measurements: Sequence[Measurement], predicted: Mapping[int, float]) -> Quality | None:
    layers = [(predicted[number], each.seconds) for number, each in enumerate(measurements) if not each.whole]
    return Quality.of([pair[0] for pair in layers], [pair[1] for pair in layers]) if layers else None


def _efficiency(logarithms: Numbers, name: str, source: str, quality: Quality, how: str) -> Efficiency:
    values = {key: _rounded(math.exp(value)) for key, value in zip(PARAMETERS, logarithms.tolist(), strict=True)}
    error = Spread(
        median=_rounded(quality.median),
        p90=_rounded(quality.p90),
        factor=math.ceil(quality.factor * 1000) / 1000,
        measurements=quality.measurements,
        how=how,
    )
    return Efficiency(name=name, source=source, error=error, **values)


def _rounded(value: float) -> float:
    """To digits that mean something; never to nothing."""
    return float(f"{value:.{DIGITS}g}")
