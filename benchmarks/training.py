"""How fast we train, and how far in the same time: ours against a plain eager loop, on the same networks and data.

    python benchmarks/training.py [--only peak,throughput,faults,waiting,race] [--rounds 3]
    python benchmarks/training.py --only race --dataset camvid:FOLDER --classes camvid-11 --stem FOLDER --seconds 3600

On two quiet cores a round takes about 20 minutes with all networks, so three take an hour; the race takes `--seconds`,
at most 1.3 times that for ours, and what both need to validate: on drawn images, as it is by default, it shows little
more than that it runs. Printed, as markdown, are

- `peak`: operations per second of large matrix products;
- `throughput`: images per second of steps of the plain loop; of ours, the loop of `budgetnet train` with recipe `lab`,
  `arithmetic=mixed` and as many parts as threads; of ours with one lever switched off at a time; the share of that peak
  that they reach, with three times a network's operations per image (forward, and a gradient by weights and by inputs);
- `faults`: page faults of a steady step;
- `waiting`: the share of the time that is spent waiting for batches, with strong augmentation and without;
- `race`: the mean IoU that both reach, the plain loop with the lab's recipe in `--seconds`, ours with `--recipe` in
  that time and in a sixth and a tenth of what the plain loop needed for its best.

Every measurement runs in a process of its own, since allocator and threads are settings of whole processes, on
processors only, with as many threads as torch chooses by itself. A round is everything once, in turns drawn anew;
ratios are medians over rounds of ratios within rounds. What is measured is kept in `--results`: stopped, the same
command goes on.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from trainers.contest import Contest
from trainers.notebook import Notebook, StoppedError
from trainers.program import Program
from trainers.subjects import SUBJECTS
from trainers.tables import facts

from budgetnet import plugins, training_recipes
from budgetnet.errors import BudgetnetError

PARTS: Final = ("peak", "throughput", "faults", "waiting", "race")
QUIET: Final = 0.5
"""Load above which a machine is called busy."""


def parts(text: str) -> list[str]:
    """`peak,race` -> the parts, in the order in which they are measured."""
    words = text.split(",")
    for word in words:
        if word not in PARTS:
            raise argparse.ArgumentTypeError(f"must be of {', '.join(PARTS)}, but got {word!r}")
    return [part for part in PARTS if part in words]


def setting(text: str) -> tuple[str, Any]:
    """`parts=2` -> a field of the training and its value, as JSON reads it; other text is a text."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, but got {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def positive(text: str) -> int:
    """A count."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number of 1 or more, but got {text!r}")
    return int(text)


def words() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    made.add_argument("--only", type=parts, default=list(PARTS), help=f"of {', '.join(PARTS)} (default: all)")
    made.add_argument("--networks", nargs="+", choices=SUBJECTS, default=list(SUBJECTS), metavar="NETWORK")
    made.add_argument("--rounds", type=positive, default=3)
    made.add_argument("--size", default="320x480")
    made.add_argument("--batch", type=positive, default=16)
    made.add_argument("--warm-up", type=positive, default=12, help="steps of ours before those that count")
    made.add_argument("--steps", type=positive, default=8, help="steps that count")
    made.add_argument("--compile", action="store_true", help="torch.compile as a contender too (a minute each)")
    made.add_argument("--products", type=positive, nargs="+", default=[1024, 2048, 4096], help="sides of the matrices")
    made.add_argument("--crop", type=float, default=0.8, help="share of each side trained on while waiting is measured")
    made.add_argument("--epoch", type=positive, default=22, help="steps of an epoch there")
    made.add_argument("--threads", type=positive, default=None, help="of every contender (default: torch's own)")
    made.add_argument("--limit", type=float, default=1800.0, help="seconds for one measurement (the race has none)")
    made.add_argument("--results", type=Path, default=Path("reports/benchmark-training.json"))
    made.add_argument("--restart", action="store_true", help="throw away what --results holds")
    race = made.add_argument_group("race")
    race.add_argument("--network", choices=SUBJECTS, default="lab 0.5")
    race.add_argument("--dataset", default="synthetic")
    race.add_argument("--classes", default="lab7", help="name of the data set's list of classes")
    race.add_argument("--stem", default=None, help="pre-trained weights for both (default: none)")
    race.add_argument("--recipe", default=None, help="of ours (default: strong, or else lab with mixed arithmetic)")
    race.add_argument("--set", type=setting, action="append", default=[], metavar="NAME=VALUE", help="beside it")
    race.add_argument("--seconds", type=float, default=600.0, help="training time of the plain loop")
    race.add_argument("--shares", type=float, nargs="+", default=[10.0, 6.0, 1.0], help="parts of it that ours takes")
    return made


def our_recipe(asked: argparse.Namespace, threads: int) -> tuple[str, dict[str, Any]]:
    """The recipe of ours in the race and what is set beside it."""
    given = dict(asked.set)
    if asked.recipe is not None:
        path = Path(asked.recipe)
        return (str(path.resolve()) if plugins.is_path(asked.recipe) else asked.recipe), given
    if "strong" in training_recipes.names():
        return "strong", given
    return "lab", {"arithmetic": "mixed", "parts": threads, **given}


def main(asked: argparse.Namespace) -> None:
    """Measures what is not measured yet, then prints all of it, as far as it has come."""
    load = os.getloadavg()[0]
    notebook = Notebook(asked.results, threads=asked.threads, limit=asked.limit, restart=asked.restart)
    program = Program(asked, notebook)
    recipe, settings = our_recipe(asked, notebook.machine["threads"])
    contest = Contest(asked, notebook, recipe, settings) if "race" in asked.only else None
    stopped = False
    try:
        program.measure()
        if contest is not None:
            contest.measure()
    except StoppedError:
        stopped = True
    print(facts(notebook.machine, notebook.commits))
    print(
        f"Load when it began: {load:.2f}" + (": others were at work, so figures mean little." if load > QUIET else ".")
    )
    for block in [*program.blocks(), *(contest.blocks() if contest else [])]:
        print(f"\n{block}")
    if stopped:
        print("\nStopped; the same command goes on.", file=sys.stderr)
        raise SystemExit(130)


def run(given: Sequence[str] | None = None) -> None:
    asked = words().parse_args(given)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main(asked)
    except BudgetnetError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    run()
