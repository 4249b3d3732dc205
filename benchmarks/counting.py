"""How fast networks are counted, and how rightly: ours against other people's counters on the same networks.

    pip install -c constraints.txt '.[bench]'
    python benchmarks/counting.py [--runs N]

Takes about a minute, on one core (torch is held to one thread; NumPy uses one). Prints, all from one run,

1. candidates per second: ours as a whole grid, as a list, and one by one; theirs with and without building the
   network; the median of N interleaved runs, and how many times faster ours is, run by run;
2. the memory that a grid takes, at two sizes, against the bytes of its result;
3. everyone's total for the published candidate, and the layers that make the difference;
4. single layers whose multiply-accumulates were enumerated: who counts them wrongly, and by what factor;
5. what others count for operators that multiply and accumulate nothing.

A counter that is not installed, or fails, is named. Only ratios mean anything on a shared machine.
"""

import argparse
import random
import statistics
import time
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from counters.miscounts import Devices, print_layers, print_single_layers, print_totals, print_without_macs
from counters.peers import COUNTERS, Counter, attempt, quiet
from counters.subjects import NETWORK, SUBJECTS, Subject, built, drawn, graph_of
from counters.text import figure, table

from budgetnet.count import count
from budgetnet.grid import Grid, blocks, count_block, count_each
from budgetnet.networks import mobilenet_fcn

SMALL, LARGE = (32, 10), (64, 40)
"""Depths and classes of a grid of 1,024,000 candidates, and of one eight times as large."""

LISTED = 20_000
GRID, LIST, SINGLE = "ours, whole grid", "ours, list", "ours, one by one"

Times = dict[str, tuple[float, float]]
"""Name -> seconds per candidate: counting alone, and with building the network."""


def usable() -> tuple[dict[Counter, str], list[str]]:
    """The counters that give figures, each with the device that its networks are built on: meta, where nothing is
    computed, if it can. And a line for each that gives none, or none on meta.
    """
    devices: dict[Counter, str] = {}
    lines = []
    for counter in COUNTERS:
        missing = counter.missing()
        if missing:
            lines.append(f"{counter.name}: {missing}")
            continue
        for device in ("meta", "cpu"):
            _, failed = attempt(lambda counter=counter, device=device: count_all(counter, device))
            if not failed:
                devices[counter] = device
                break
            lines.append(f"{counter.name}: failed on the {device} device: {failed}")
    return devices, lines


def count_all(counter: Counter, device: str) -> None:
    """Every network once."""
    for given in SUBJECTS:
        counter.total(*built(given, device))


# ---- 1. candidates per second


def counted_grid(depths: int, classes: int) -> tuple[list[Grid], list[Any]]:
    """A grid of 3,200 x depths x classes candidates in its two blocks, and the operations and parameters of every
    candidate, laid out in memory.
    """
    space = {
        "depth_multiplier": [round(0.1 + 0.05 * step, 2) for step in range(25)],
        "final_endpoint": ["Conv2d_11_pointwise", "Conv2d_13_pointwise"],
        "head": ["fcn"],
        "classifier_kernel": list(range(1, 16, 2)),
        "classifier_depth": list(range(32, 32 * depths + 1, 32)),
    }
    sizes = [(160 + 32 * step, 240 + 48 * step) for step in range(8)]
    grids = [count_block(block, sizes=sizes, classes=range(2, 2 + classes)) for block in blocks(NETWORK, space)]
    figures = [grid.full(each) for grid in grids for each in (grid.count.total.ops, grid.count.total.params)]
    return grids, [np.ascontiguousarray(each) for each in figures]


def count_alone(given: Subject) -> None:
    """From the candidate to its figures, with nothing kept from the one before."""
    mobilenet_fcn._shared_stem.cache_clear()
    _ = count(graph_of(given)).total.ops


def seconds(work: Callable[[], object]) -> float:
    """Wall time of a call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def processor_share(work: Callable[[], object]) -> float:
    """How many processors a call keeps busy."""
    processor, wall = time.process_time(), time.perf_counter()
    work()
    return (time.process_time() - processor) / (time.perf_counter() - wall)


def one_run(devices: Devices, listed: Sequence[Subject], order: random.Random) -> Times:
    """Everyone once, network by network, in an order drawn anew."""
    candidates, classes, sizes = (list(column) for column in zip(*listed, strict=True))
    grid = seconds(lambda: counted_grid(*SMALL)) / (3200 * SMALL[0] * SMALL[1])
    in_list = seconds(lambda: count_each(candidates, sizes=sizes, classes=classes)) / len(listed)
    spent: dict[str, list[tuple[float, float]]] = {SINGLE: [], **{counter.name: [] for counter in devices}}
    turns = list(devices.items())
    for given in SUBJECTS:
        alone = seconds(lambda given=given: count_alone(given))
        spent[SINGLE].append((alone, alone))
        order.shuffle(turns)
        for counter, device in turns:
            started = time.perf_counter()
            module, images = built(given, device)
            ready = time.perf_counter()
            with quiet():
                counter.total(module, images)
            ended = time.perf_counter()
            spent[counter.name].append((ended - ready, ended - started))
    means = {name: tuple(map(statistics.mean, zip(*pairs, strict=True))) for name, pairs in spent.items()}
    return {GRID: (grid, grid), LIST: (in_list, in_list), **means}


def print_speed(devices: Devices, runs: int) -> None:
    """Candidates per second, and how many times faster ours are."""
    listed, order = drawn(LISTED), random.Random(0)  # noqa: S311 (a benchmark, no secret)
    one_run(devices, listed[:100], order)  # the first use of anything pays for its loading
    all_times = [one_run(devices, listed, order) for _ in range(runs)]

    def rate(name: str, which: int) -> str:
        return figure(1 / statistics.median(times[name][which] for times in all_times))

    def faster(name: str, ours: str) -> str:
        ratio = statistics.median(times[name][0] / times[ours][0] for times in all_times)
        return figure(ratio) + "x" if ratio > 1 else ""

    print(f"\n1. Candidates per second on one thread, median of {runs} runs\n")
    rows = [(name, "", rate(name, 0), "", faster(name, SINGLE), faster(name, GRID)) for name in (GRID, LIST, SINGLE)]
    for counter, device in devices.items():
        rates = (rate(counter.name, 0), rate(counter.name, 1))
        rows.append((counter.name, device, *rates, faster(counter.name, SINGLE), faster(counter.name, GRID)))
    table(("counter", "device", "counting", "with build", "one by one is", "whole grid is"), rows)
    print(
        f"\nThe grid has {3200 * SMALL[0] * SMALL[1]:,} candidates, the list {LISTED:,}, and the others count the same"
    )
    print(f"{len(SUBJECTS)} networks, from 0.25 wide at 320 x 480 to 1.0 wide at 512 x 1024. The last two columns: how")
    print("many times faster ours is than the row's counting without the build. Ours needs no build.")
    busy = statistics.median(processor_share(lambda: counted_grid(*SMALL)) for _ in range(9))
    print(f"The whole grid keeps {busy:.2f} processors busy.")
    print(f"{equal_in_list(listed[:200])} of 200 candidates of the list equal their single count.")


def equal_in_list(listed: Sequence[Subject]) -> int:
    """How many of a list have the operations and parameters of their single count."""
    candidates, classes, sizes = (list(column) for column in zip(*listed, strict=True))
    whole = count_each(candidates, sizes=sizes, classes=classes)
    alone = [count(graph_of(given)).total for given in listed]
    figures = zip(whole.ops, whole.params, alone, strict=True)
    return sum((operations, params) == (one.ops, one.params) for operations, params, one in figures)


# ---- 2. memory


def print_memory() -> None:
    """Peak memory of counting a grid against its result, at two sizes."""
    grids, _ = counted_grid(*SMALL)
    print("\n2. Memory of a grid: operations and parameters of every candidate, 8 bytes each\n")
    print(f"{equal_to_single(grids, 200)} of 200 candidates drawn from the grid equal their single count.\n")
    rows = []
    for depths, classes in (SMALL, LARGE):
        tracemalloc.start()
        _, result = counted_grid(depths, classes)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        size = sum(array.nbytes for array in result)
        rows.append((f"{3200 * depths * classes:,}", f"{size:,}", f"{peak:,}", f"{peak / size:.2f}"))
    table(("candidates", "bytes of the result", "peak while counting", "peak over result"), rows)


def equal_to_single(grids: Sequence[Grid], number: int) -> int:
    """How many of so many candidates drawn from grids have the operations and parameters of their single count."""
    draw = random.Random(0)  # noqa: S311 (a benchmark, no secret)
    equal = 0
    for _ in range(number):
        grid = draw.choice(grids)
        *place, size, classes = (draw.randrange(length) for length in grid.shape)
        candidate = grid.block.candidate(int(np.ravel_multi_index(place, grid.block.shape)))
        alone, whole = count(graph_of((candidate, grid.classes[classes], grid.sizes[size]))).total, grid.count.total
        found = [int(grid.full(each)[(*place, size, classes)]) for each in (whole.ops, whole.params)]
        equal += found == [alone.ops, alone.params]
    return equal


def main(runs: int) -> None:
    torch.set_num_threads(1)
    devices, lines = usable()
    print(*lines, sep="\n")
    print_speed(devices, runs)
    print_memory()
    print_totals(devices)
    print_layers(devices)
    print_single_layers(devices)
    print_without_macs(devices)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="how often everything is timed (default 5)")
    given = parser.parse_args()
    if given.runs < 1:
        parser.error(f"--runs must be 1 or more, but got {given.runs}")
    main(given.runs)
