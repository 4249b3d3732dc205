"""The race as it is run: the plain loop first, since its time is what ours is given parts of."""

import argparse
from collections.abc import Iterator, Mapping
from typing import Any, final

from budgetnet.arguments import size as size_of
from budgetnet.errors import BudgetnetError
from trainers import tables
from trainers.notebook import Notebook, Order, Result
from trainers.subjects import SUBJECTS


@final
class Contest:
    """One race: what was asked for, and the recipe of ours with what is set beside it."""

    def __init__(self, asked: argparse.Namespace, notebook: Notebook, recipe: str, settings: Mapping[str, Any]) -> None:
        self._asked, self._notebook = asked, notebook
        self._course = {
            "network": asked.network,
            "dataset": asked.dataset,
            "classes": asked.classes,
            "size": size_of(asked.size),
            "stem": asked.stem,
        }
        self._recipe = {"recipe": recipe, "settings": dict(settings)}

    @property
    def _plain(self) -> Order:
        return {"what": "race plain", **self._course, "seconds": self._asked.seconds}

    def _ours(self, plain: Result) -> list[Order]:
        """One per share. A part of the plain loop's time is one of the time that it needed for its best; all of it is
        all that it took.
        """
        needed, took = tables.reaches(plain["curve"], plain["reached"]), plain["curve"][-1][0]
        times = [took if share == 1 else (needed or took) / share for share in self._asked.shares]
        return [{"what": "race ours", **self._course, **self._recipe, "seconds": round(time, 1)} for time in times]

    def measure(self) -> None:
        """One after the other. Raises BudgetnetError where the plain loop fails."""
        self._notebook.measure([self._plain], loud=True)
        plain = self._notebook.result(self._plain)
        if plain is None or "failed" in plain:
            raise BudgetnetError(f"race: the plain loop must end, but got {plain and plain['failed']}")
        for order in self._ours(plain):
            self._notebook.measure([order], loud=True)

    def blocks(self) -> Iterator[str]:
        """Paragraphs and the table, as far as the race has come."""
        plain = self._notebook.result(self._plain)
        if plain is None:
            return
        ours = [result for order in self._ours(plain) if (result := self._notebook.result(order)) is not None]
        beside = ", ".join(f"{name}={value}" for name, value in self._recipe["settings"].items())
        recipe = self._recipe["recipe"] + (f" ({beside})" if beside else "")
        candidate, high, wide = SUBJECTS[self._asked.network].candidate.label, *size_of(self._asked.size)
        how = f"{candidate} on {self._asked.dataset} at {high} x {wide}, stem {self._asked.stem or 'from Xavier'}"
        yield f"### Race\n\n{how}; ours: {recipe}.\n\n{tables.race(plain, ours)}"
        yield tables.race_verdict(plain, ours)
        longest = [each for each in ours if "failed" not in each][-1:] if 1.0 in self._asked.shares else []
        for each in longest:
            yield f"After equal wall time: plain loop {plain['reached']:.4f}, ours {each['reached']:.4f} mean IoU."
