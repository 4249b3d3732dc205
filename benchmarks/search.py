"""Searches replayed from recorded trainings: how much of the front each strategy has after so many epochs.

    python benchmarks/search.py [--seeds 100] [--strategies ours random optuna-tpe] [--plot reports/replays.png]
    python benchmarks/search.py --flat              what a decision costs with up to 10,000 trials
    python benchmarks/search.py --overhead          what a whole search of 500 trials costs besides training

A table (`benchmarks/record.py` makes one) holds what training each candidate of a space brings after every epoch, so a
strategy that asks for a training is answered at once. Replay number r is answered from recorded seed r modulo their
number; strategies are judged by the mean over all recorded seeds, which they do not see. Printed, as markdown, are

- hypervolume regret: what is missing of the hypervolume of the true front (mean IoU x images per second, from 0 and 0,
  of what fits) in that of the candidates trained to the end so far, as a share, with 95 % intervals;
- what each strategy trained, repeats and candidates over the budget among it;
- how many epochs ours needs for the hypervolume that plain TPE has in the end.

Ours never trains what does not fit, nor anything twice. Plain ones train every candidate to the end; Optuna's search
the whole space, with the budget as a constraint. What was replayed is kept in `--results`: stopped, the same command
goes on.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from replays import flat, overhead, report, results, strategies, tables

from budgetnet import files
from budgetnet.errors import BudgetnetError
from budgetnet.search import samplers

TABLES: Final = (tables.FOLDER / "camvid.json", tables.FOLDER / "synthetic.json")


def positive(text: str) -> int:
    """A count."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number of 1 or more, but got {text!r}")
    return int(text)


def words() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    made.add_argument("--tables", type=Path, nargs="+", default=list(TABLES), metavar="FILE")
    made.add_argument("--seeds", type=positive, default=100, help="replays of each strategy")
    made.add_argument("--epochs", type=positive, default=900, help="that each strategy may spend: 100 whole trainings")
    made.add_argument("--trials", type=positive, help="that ours begins at most (default: every network that fits)")
    made.add_argument("--strategies", nargs="+", metavar="NAME", help=f"of {', '.join(strategies.names())}")
    made.add_argument("--workers", type=positive, default=2, help="processes")
    made.add_argument("--results", type=Path, default=Path("reports/benchmark-search.jsonl"))
    made.add_argument("--plot", type=Path, help="a picture of the regret; its numbers in a CSV file beside it")
    made.add_argument("--flat", action="store_true", help="only what a decision costs with up to 10,000 trials")
    made.add_argument("--flat-trials", type=positive, default=flat.TRIALS)
    made.add_argument("--overhead", action="store_true", help="only what a search of 500 trials costs besides training")
    made.add_argument("--overhead-trials", type=positive, default=overhead.TRIALS)
    made.add_argument("--epoch-seconds", type=float, default=overhead.SECONDS, help="that an epoch is taken to take")
    return made


def replays(asked: argparse.Namespace, names: Sequence[str], path: Path) -> tuple[tables.Table, report.Replays]:
    """All replays of one table, by strategy."""
    table = tables.read(path)
    each = {
        name: results.orders(name, table, seeds=asked.seeds, budget=asked.epochs, trials=asked.trials) for name in names
    }
    wanted = [order for orders in each.values() for order in orders]
    found = results.replayed(wanted, path, workers=asked.workers, kept=asked.results)
    return table, {name: [found[order] for order in orders] for name, orders in each.items()}


def blocks(table: tables.Table, found: report.Replays, asked: argparse.Namespace) -> list[str]:
    """What is told of one table."""
    told = [
        report.heading(table, asked.epochs, asked.seeds),
        report.regret_table(table, found, asked.epochs),
        report.effort_table(table, found),
        report.race_table(table, found, asked.epochs),
        report.verdict(table, found, asked.epochs),
    ]
    return [block for block in told if block]


def flatness(asked: argparse.Namespace) -> None:
    """What decisions cost, sampler by sampler."""
    costs = [flat.measure(name, trials=asked.flat_trials) for name in asked.strategies or samplers.names()]
    print(flat.report(costs))


def main(asked: argparse.Namespace) -> None:
    """Replays what is not replayed yet, then prints all of it."""
    if asked.flat:
        flatness(asked)
        return
    if asked.overhead:
        print(overhead.report(overhead.measure(trials=asked.overhead_trials), asked.epoch_seconds))
        return
    names = asked.strategies or strategies.names()
    for name in names:
        strategies.strategy(name)
    made: dict[str, tuple[tables.Table, report.Replays]] = {}
    for path in asked.tables:
        table, found = made[path.stem] = replays(asked, names, path)
        print("\n\n".join(blocks(table, found, asked)), end="\n\n", flush=True)
    if asked.plot is not None:
        report.plot(made, asked.epochs, asked.plot)
        files.write(asked.plot.with_suffix(".csv"), report.curves_csv(made, asked.epochs).encode())
        print(f"Written: {asked.plot}, {asked.plot.with_suffix('.csv')}")


def run(given: Sequence[str] | None = None) -> None:
    try:
        main(words().parse_args(given))
    except BudgetnetError as error:
        raise SystemExit(f"Error: {error}") from error


if __name__ == "__main__":
    run()
