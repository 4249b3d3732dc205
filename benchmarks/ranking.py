"""Whether short trainings rank candidates as long ones do.

    python benchmarks/ranking.py --dataset camvid:FOLDER --stem FOLDER [--size 160x240] [--short 5] [--long 40]

Candidates of several heads and widths are trained long with recipe `strong`, and short in several ways. For each way
are printed Spearman's rank correlation and Kendall's tau with the long trainings, and by how much the candidate that
it puts first falls short of the best one. Runs are kept in `--output`: stopped, the same command goes on.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from budgetnet.arguments import size as size_of
from budgetnet.count import count
from budgetnet.data import keeping
from budgetnet.networks import Candidate
from budgetnet.results import Run
from budgetnet.scenario import InputSize, Scenario
from budgetnet.training.candidate import evaluator
from budgetnet.training_settings import Training

LONG: Final = "long"
HEADS: Final = ("fcn", "fcn8s", "context", "light-decoder")


def ways(asked: argparse.Namespace) -> dict[str, Training]:
    """Title -> how it trains; the long trainings first."""
    strong = {"recipe": "strong", "stem": asked.stem, "parts": asked.parts}
    lab = {"recipe": "lab", "arithmetic": "mixed", "batch_size": 8, "parts": asked.parts, "epochs": asked.short}
    return {
        LONG: Training.model_validate({**strong, "epochs": asked.long}),
        "lab from random numbers": Training.model_validate(lab),
        "lab from the stem": Training.model_validate({**lab, "stem": asked.stem}),
        "strong": Training.model_validate({**strong, "epochs": asked.short, "validate_every": asked.short}),
        "short": Training.model_validate({**strong, "recipe": "short", "epochs": asked.short}),
    }


def ranks(values: Sequence[float]) -> list[float]:
    """From 1 for the smallest; equal ones share their mean."""
    return [
        (sum(other < value for other in values) + 1 + sum(other <= value for other in values)) / 2 for value in values
    ]


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Correlation of the ranks."""
    return statistics.correlation(ranks(one), ranks(other))


def kendall(one: Sequence[float], other: Sequence[float]) -> float:
    """Tau-a: pairs in the same order less pairs in the opposite one, as a share of all."""
    pairs = list(itertools.combinations(zip(one, other, strict=True), 2))
    return sum(_sign(a[0] - b[0]) * _sign(a[1] - b[1]) for a, b in pairs) / len(pairs)


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def missed(found: Sequence[float], true: Sequence[float]) -> float:
    """How far the true value of the one that is found best lies below the best."""
    return max(true) - true[max(range(len(found)), key=found.__getitem__)]


def main(asked: argparse.Namespace) -> None:
    """Trains what is not trained yet, then prints the tables."""
    height, width = size_of(asked.size)
    dataset = keeping.load(asked.dataset, classes=asked.classes, height=height, width=width)
    candidates = [
        Candidate.of("mobilenet-fcn", {"depth_multiplier": multiplier, "head": head})
        for multiplier in asked.depth_multipliers
        for head in HEADS
    ]
    reached: dict[str, list[float]] = {}
    seconds: dict[str, float] = {}
    for title, training in ways(asked).items():
        scenario = Scenario(
            name="ranking",
            cameras=1,
            fps=1,
            budget_gops=1,
            classes=asked.classes,
            input=InputSize(height=height, width=width),
            training=training,
        )
        train, done = evaluator(scenario, dataset, {}), []
        for number, candidate in enumerate(candidates):
            started = time.strftime("%H:%M:%S")
            result = train(candidate, Run(number=number, folder=asked.output / title.replace(" ", "-") / str(number)))
            done.append(result)
            print(f"{started} {title}: {candidate.label}: {result.scores.mean_iou:.3f}", flush=True)
        reached[title] = [result.scores.mean_iou for result in done]
        seconds[title] = sum(result.seconds for result in done)
    ops = [count(each.graph(classes=len(dataset.classes), height=height, width=width)).total.ops for each in candidates]
    print(
        f"\n{asked.dataset}, {len(dataset.train)} images of {asked.size}; {asked.long} epochs against {asked.short}\n"
    )
    for line in [*rows(candidates, ops, reached), "", *agreement(reached, seconds)]:
        print(line)


def rows(candidates: Sequence[Candidate], ops: Sequence[Any], reached: Mapping[str, Sequence[float]]) -> list[str]:
    """A table of what each candidate reached, the best of the long trainings first."""
    order = sorted(range(len(candidates)), key=lambda number: -reached[LONG][number])
    lines = [f"| candidate | MOP | {' | '.join(reached)} |", "|---" + "|---:" * (len(reached) + 1) + "|"]
    for number in order:
        told = " | ".join(f"{values[number]:.3f}" for values in reached.values())
        lines.append(f"| {candidates[number].label} | {ops[number] / 1e6:,.0f} | {told} |")
    return lines


def agreement(reached: Mapping[str, Sequence[float]], seconds: Mapping[str, float]) -> list[str]:
    """A table of how each way agrees with the long trainings."""
    true = reached[LONG]
    lines = ["| trained | Spearman | Kendall | its first is below the best by | time |", "|---|---:|---:|---:|---:|"]
    for title, values in reached.items():
        if title != LONG:
            told = f"{spearman(values, true):.2f} | {kendall(values, true):.2f} | {missed(values, true):.3f}"
            lines.append(f"| {title} | {told} | {seconds[title] / seconds[LONG]:.3f} of the long |")
    return lines


def words() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    made.add_argument("--dataset", default="synthetic")
    made.add_argument("--classes", default="camvid-11")
    made.add_argument("--stem", required=True)
    made.add_argument("--size", default="160x240")
    made.add_argument("--depth-multipliers", type=float, nargs="+", default=[0.25, 0.35, 0.5])
    made.add_argument("--short", type=int, default=5)
    made.add_argument("--long", type=int, default=40)
    made.add_argument("--parts", type=int, default=2)
    made.add_argument("--output", type=Path, default=Path("reports/benchmark-ranking"))
    return made


if __name__ == "__main__":
    main(words().parse_args())
