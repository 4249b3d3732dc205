"""What is measured round by round, and what is told of it."""

import argparse
import statistics
from collections.abc import Callable, Iterator
from typing import Final, final

from budgetnet.arguments import size as size_of
from trainers import tables
from trainers.levers import CONTENDERS, OURS, PLAIN, contenders
from trainers.notebook import Notebook, Order
from trainers.subjects import SUBJECTS, Subject

SOON_WARM: Final = 3
"""Steps that the plain loop needs at most before its speed is steady: nothing of it gets warm."""


@final
class Program:
    """The measurements that were asked for, and the tables of them."""

    def __init__(self, asked: argparse.Namespace, notebook: Notebook) -> None:
        self.asked, self.notebook = asked, notebook
        self.size, self.crop = size_of(asked.size), asked.crop
        self.threads: int = notebook.machine["threads"]
        self.subjects = {name: SUBJECTS[name] for name in asked.networks}

    # ---- what is measured

    def peak(self, number: int) -> Order:
        """The machine's arithmetic."""
        return {"what": "peak", "sizes": self.asked.products, "seconds": 1.0, "round": number}

    def steps(self, name: str, number: int) -> dict[str, Order]:
        """Contender -> what it is asked to do; the plain loop and ours alone where only page faults are asked for."""
        keys = [PLAIN, OURS]
        if "throughput" in self.asked.only:
            graph = SUBJECTS[name].graph(*self.size)
            keys = contenders(graph, compiled=self.asked.compile, several=self.threads > 1)
        asked = self.asked
        common = {"what": "steps", "network": name, "size": self.size, "batch": asked.batch, "round": number}
        common |= {"steps": asked.steps, "parts": self.threads}

        def order(key: str) -> Order:
            warm_up = min(asked.warm_up, SOON_WARM) if key == PLAIN else asked.warm_up
            several = self.threads if CONTENDERS[key].processes else 0
            return {**common, "contender": key, "warm_up": warm_up, "processes": several}

        return {key: order(key) for key in keys}

    def waiting(self, name: str, number: int) -> dict[str, Order]:
        """Images -> two epochs with them."""
        common = {"what": "waiting", "network": name, "size": self.size, "crop": self.crop, "round": number}
        common |= {"batch": self.asked.batch, "steps": self.asked.epoch, "parts": self.threads}
        return {
            kind: {**common, "augmented": augmented}
            for kind, augmented in (("augmented", True), ("as they are", False))
        }

    def measure(self) -> None:
        """Everything but the race, round by round."""
        only = self.asked.only
        for number in range(self.asked.rounds):
            if "peak" in only:
                self.notebook.measure([self.peak(number)])
            for name in self.subjects:
                if {"throughput", "faults"} & set(only):
                    self.notebook.measure(list(self.steps(name, number).values()))
                if "waiting" in only:
                    self.notebook.measure(list(self.waiting(name, number).values()))

    # ---- what is printed

    def rounds(self, make: Callable[[str, int], dict[str, Order]], name: str) -> tables.Rounds:
        """Per round what came of the orders that `make` makes; rounds that are not complete are left out."""
        found = []
        for number in range(self.asked.rounds):
            results = {key: self.notebook.result(order) for key, order in make(name, number).items()}
            if all(result is not None for result in results.values()):
                found.append(results)
        return found

    def peaks(self) -> dict[str, float] | None:
        """The best of all rounds, by kind."""
        found = [self.notebook.result(self.peak(number)) for number in range(self.asked.rounds)]
        sound = [each for each in found if each and "failed" not in each]
        return {kind: max(each[kind] for each in sound) for kind in sound[0]} if sound else None

    def blocks(self) -> Iterator[str]:
        """Paragraphs and tables."""
        only, peaks = self.asked.only, self.peaks()
        high, wide = self.size
        if "peak" in only and peaks:
            told = ", ".join(f"{kind} {value / 1e9:.0f}" for kind, value in peaks.items())
            yield f"### Peak\n\nMatrix products, GFLOP/s, best of all rounds: {told}."
        steps = {name: found for name in self.subjects if (found := self.rounds(self.steps, name))}
        if "throughput" in only:
            yield f"### Throughput\n\nBatches of {self.asked.batch} at {high} x {wide}, {self.asked.rounds} rounds."
            for name, rounds in steps.items():
                yield from self._throughput(name, SUBJECTS[name], rounds, peaks)
        if "faults" in only:
            keys = (PLAIN, OURS, "allocator") if "throughput" in only else (PLAIN, OURS)
            yield f"### Page faults\n\n{tables.faults(steps, keys)}"
            every = [
                sorted(count for each in tables.sound(rounds, OURS) for count in each["faults"])
                for rounds in steps.values()
            ]
            for title, of in (("median", statistics.median), ("worst", max)):
                count = max((of(counts) for counts in every if counts), default=0)
                yield f"In the {title} step of ours, of the worst network: {tables.verdict(count, '0', count == 0)}."
        if "waiting" in only:
            found = {name: rounds for name in self.subjects if (rounds := self.rounds(self.waiting, name))}
            how = f"Trained at {self.crop:g} of each side, {self.asked.epoch} steps an epoch."
            yield f"### Waiting for batches\n\n{how}\n\n{tables.waits(found)}"
            longest, most = 100 * tables.longest(found), 100 * tables.MOST_WAITING
            told = tables.verdict(longest, f"at most {most:g}", longest <= most)
            yield f"Longest, in per cent of whole epochs: {told}."

    def _throughput(
        self, name: str, subject: Subject, rounds: tables.Rounds, peaks: dict[str, float] | None
    ) -> Iterator[str]:
        ops = subject.ops(*self.size)
        yield f"{name} ({subject.candidate.label}, {ops / 1e6:.0f} MOP per image):"
        yield tables.throughput(rounds, ops, peaks)
        ratio = tables.ratios(rounds, PLAIN)
        if ratio and subject.wanted:
            middle = statistics.median(ratio)
            told = tables.verdict(middle, f"at least {subject.wanted:g}", middle >= subject.wanted)
            yield f"Times the plain loop's images per second: {told}."
