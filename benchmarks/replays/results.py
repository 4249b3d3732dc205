"""Replays made before, by what they depend on: stopped, the same command goes on."""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Final, final

import budgetnet
from replays import strategies, tables
from replays.ledger import Replay

CHUNK: Final = 10
"""Seeds that a process is given at a time."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One replay that is wanted. `code` tells versions of what decides apart, `table` recordings."""

    strategy: str
    seed: int
    budget: int
    trials: int | None
    table: str
    code: str


@cache
def code(plain: bool) -> str:
    """A digest of everything that a replay follows from: of plain strategies these modules and Optuna's version, of
    ours budgetnet's search and plan as well.
    """
    import optuna

    folder = Path(budgetnet.__file__).parent
    own = [Path(__file__).parent / name for name in ("ledger.py", "tables.py", "plain.py", "ours.py", "space.yaml")]
    searched = [] if plain else sorted([*folder.glob("search/**/*.py"), *folder.glob("plan/*.py")])
    digest = sha256(optuna.__version__.encode())
    for path in [*own, *searched]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def orders(name: str, table: tables.Table, *, seeds: int, budget: int, trials: int | None) -> list[Order]:
    """One for each seed."""
    plain = name in strategies.PLAIN
    return [
        Order(
            strategy=name,
            seed=seed,
            budget=budget,
            trials=None if plain else trials,
            table=table.digest,
            code=code(plain),
        )
        for seed in range(seeds)
    ]


def read(path: Path | None) -> dict[Order, Replay]:
    """What is in a file of results; a line that a kill cut short is made again."""
    found: dict[Order, Replay] = {}
    if path is None or not path.exists():
        return found
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            one = json.loads(line)
            found[Order(**one["order"])] = Replay.of(one["replay"])
        except (ValueError, KeyError, TypeError):
            continue
    return found


def replayed(wanted: Sequence[Order], path: Path, *, workers: int, kept: Path | None) -> dict[Order, Replay]:
    """All replays that are wanted of the table in `path`, those made before among them."""
    found = read(kept)
    missing = [order for order in wanted if order not in found]
    chunks = [missing[start : start + CHUNK] for start in range(0, len(missing), CHUNK)]
    for chunk, replays in _made(chunks, path, workers):
        found |= zip(chunk, replays, strict=True)
        if kept is not None:
            _add(kept, chunk, replays)
    return {order: found[order] for order in wanted}


def _made(chunks: list[list[Order]], path: Path, workers: int) -> Iterator[tuple[list[Order], list[Replay]]]:
    if workers == 1 or len(chunks) < 2:
        yield from ((chunk, several(path, chunk)) for chunk in chunks)
        return
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        futures = {pool.submit(several, path, chunk): chunk for chunk in chunks}
        for future in as_completed(futures):
            yield futures[future], future.result()


@cache
def _table(path: Path) -> tables.Table:
    return tables.read(path)


def several(path: Path, chunk: Sequence[Order]) -> list[Replay]:
    """Some replays, in this process."""
    table = _table(path)
    assert table.rows.size  # counted once, before the clock runs
    return [
        strategies.replay(one.strategy, table, seed=one.seed, budget=one.budget, trials=one.trials) for one in chunk
    ]


def _add(path: Path, chunk: Sequence[Order], replays: Sequence[Replay]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write("\n")  # ends a line that a kill cut short
        for order, replay in zip(chunk, replays, strict=True):
            file.write(json.dumps({"order": asdict(order), "replay": replay.record()}) + "\n")
