"""What was read off the clock, and what follows from it. Plain records: reports read them, JSON keeps every reading.

Readings of one round follow each other closely and are alike; rounds are what is drawn again and again for intervals
(bootstrap: Efron and Tibshirani, 1993, of clusters), so that these tell how far another hour on this machine might lie.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from budgetnet import records
from budgetnet.errors import BudgetnetError

DRAWS: Final = 2000
INTERVAL: Final = (2.5, 97.5)
"""Percentiles: 95 % of what is drawn lies between."""

NOISY: Final = 0.2
"""A middle half wider than this share of the median."""

ENOUGH_FOR_P99: Final = 100
"""Readings: of fewer the slowest is the 99th percentile."""

FEWEST_ROUNDS: Final = 3
"""Of fewer there is no interval: what is drawn from one or two is hardly ever anything else than they were."""

MOST_SECONDS: Final = 1e6
"""Of a reading: what a record may hold."""


@final
@dataclass(frozen=True, kw_only=True)
class Readings:
    """What one network took with one runtime, call by call: `rounds` of as many `seconds` each, of a whole batch. In
    each round all others that were measured with it had their turn as well.
    """

    network: str
    runtime: str
    batch: int
    height: int
    width: int
    rounds: tuple[tuple[float, ...], ...]

    @cached_property
    def seconds(self) -> NDArray[np.float64]:
        """(readings) All of them, in their order."""
        return np.array(self.rounds, dtype=np.float64).ravel()

    @property
    def median(self) -> float:
        """Seconds of a batch: half of the readings were below."""
        return float(np.median(self.seconds))

    @property
    def deviation(self) -> float:
        """The median of how far readings lie from their median, in seconds."""
        return float(np.median(np.abs(self.seconds - self.median)))

    @property
    def middle_half(self) -> tuple[float, float]:
        """From the first to the third quartile."""
        return self.percentile(25), self.percentile(75)

    @property
    def spread(self) -> float:
        """The middle half's width as a share of the median."""
        low, high = self.middle_half
        return (high - low) / self.median

    @property
    def images_per_second(self) -> float:
        """At the median."""
        return self.batch / self.median

    def percentile(self, rank: float) -> float:
        """So many percent of the readings were below."""
        return float(np.percentile(self.seconds, rank))

    @property
    def p99(self) -> float | None:
        """The 99th percentile; None where there are too few readings to tell it from the slowest."""
        return self.percentile(99) if len(self.seconds) >= ENOUGH_FOR_P99 else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """In which the median lies, by drawing rounds again; None where there are too few."""
        rounds = np.array(self.rounds, dtype=np.float64)
        if len(rounds) < FEWEST_ROUNDS:
            return None
        return _percentiles(np.median(rounds[_drawn(len(rounds))].reshape(DRAWS, -1), axis=1))

    def against(self, first: "Readings") -> tuple[float, tuple[float, float] | None]:
        """How many times as long as `first` it took per image: round by round, the median of those; and its interval,
        None of too few rounds. What slows the machine for a while slows both, and is not in it.
        """
        mine, theirs = (np.median(np.array(each.rounds), axis=1) / each.batch for each in (self, first))
        ratios = mine / theirs
        middle = float(np.median(ratios))
        if len(ratios) < FEWEST_ROUNDS:
            return middle, None
        return middle, _percentiles(np.median(ratios[_drawn(len(ratios))], axis=1))

    def record(self) -> dict[str, Any]:
        """As plain data for JSON; `from_record` reads it back."""
        return {**asdict(self), "rounds": [list(each) for each in self.rounds]}

    @classmethod
    def from_record(cls, known: Mapping[str, Any]) -> "Readings":
        """Of what `record` gave. Raises BudgetnetError."""
        try:
            rounds = tuple(
                tuple(float(records.number(value, "rounds", 1e-12, MOST_SECONDS)) for value in each)
                for each in known["rounds"]
            )
            given: dict[str, Any] = {key: records.text(known[key], key) for key in ("network", "runtime")}
            given |= {key: records.whole(known[key], key, 1, 2**31) for key in ("batch", "height", "width")}
        except (KeyError, TypeError):
            raise BudgetnetError("readings: must be a record of `budgetnet bench`, but are not") from None
        if not rounds or not rounds[0] or len({len(each) for each in rounds}) > 1:
            raise BudgetnetError("rounds: must be one or more of equally many readings, but are not")
        return cls(rounds=rounds, **given)


def _drawn(count: int) -> NDArray[np.int64]:
    """(draws, count) Places of rounds, the same ones each time."""
    return np.random.default_rng(0).integers(0, count, (DRAWS, count))


def _percentiles(drawn: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(drawn, INTERVAL)
    return float(low), float(high)
