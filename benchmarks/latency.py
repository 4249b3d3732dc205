"""What tells best how long a network takes: its operations, a roofline, or a roofline calibrated on this machine?

    python benchmarks/latency.py [--test 30] [--fit 24] [--size 320x480] [--threads N] [--seed 1] [--json FILE]

Networks are drawn over the whole space of MobileNet-FCN, all heads among them. `--fit` of them calibrate, `--test`
others are predicted; no network is in both. All are timed in ONNX Runtime in one run, in mixed order. Operations are
given the best chance that they have: one factor, fitted to the networks that calibrate. The roofline has this machine's
peak and bandwidth, and the efficiencies that are shipped for processors. Wanted of the calibrated one: a median error
under 10 % and a rank correlation over 0.97, both better than operations alone.
"""

import argparse
import json
import random
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from budgetnet import arguments, efficiencies
from budgetnet.bench.pinning import cores
from budgetnet.calibration import machine, sampling
from budgetnet.calibration.crossed import calibrate
from budgetnet.calibration.fit import Quality, Table, logarithms
from budgetnet.calibration.machine import Case
from budgetnet.calibration.measured import Hardware, Measurement
from budgetnet.efficiencies import Efficiency
from budgetnet.progress import bars
from budgetnet.provenance import processor, provenance

WANTED_MEDIAN: Final = 0.10
WANTED_SPEARMAN: Final = 0.97
OPERATIONS: Final = "operations"
ROOFLINE: Final = "roofline, shipped efficiencies"
CALIBRATED: Final = "roofline, calibrated here"


def cases(test: int, fit: int, size: tuple[int, int], seed: int) -> tuple[list[Case], list[Case]]:
    """Those that are predicted, and those that calibrate: no network is in both."""
    drawn = sampling.candidates(test + fit, seed)
    random.Random(seed).shuffle(drawn)  # noqa: S311 (an order, no secret)
    made = [Case(candidate=candidate, height=size[0], width=size[1]) for candidate in drawn]
    return made[:test], made[test:]


def predictions(
    test: Sequence[Measurement], fit: Sequence[Measurement], found: Efficiency, shipped: Efficiency
) -> dict[str, list[float]]:
    """Method -> seconds of every network of the test."""
    factor = statistics.median(each.seconds / operations(each) for each in fit if each.whole)
    table = Table.of(test)
    return {
        OPERATIONS: [factor * operations(each) for each in test],
        ROOFLINE: table.predicted(logarithms(shipped)).tolist(),
        CALIBRATED: table.predicted(logarithms(found)).tolist(),
    }


def operations(measurement: Measurement) -> int:
    """Of one image."""
    return int(sum(kernel.ops for kernel in measurement.kernels))


def measured(
    test: Sequence[Case], fit: Sequence[Case], on: Hardware, *, threads: int, readings: int
) -> tuple[list[Measurement], list[Measurement]]:
    """The networks of the test as a whole, those that calibrate layer by layer too; all timed in one mixed order."""
    mixed = [*test, *fit]
    random.Random(0).shuffle(mixed)  # noqa: S311 (an order, no secret)
    names = {case.name for case in test}
    with bars() as begin:
        watch = begin("measuring")
        every = list(
            machine.measurements(
                mixed, on, threads=threads, readings=readings, progress=lambda done, total: watch(done, total)
            )
        )
    whole = [each for each in every if each.whole and each.name in names]
    tested = {each.network for each in whole}
    return whole, [each for each in every if each.network not in tested]


def lines(qualities: Mapping[str, Quality]) -> list[str]:
    """The truth table, in markdown."""
    rows = ["| predicted by | median error | 90th percentile | Spearman |", "|---|---:|---:|---:|"]
    for name, each in qualities.items():
        ranks = "" if each.spearman is None else f"{each.spearman:.3f}"
        rows.append(f"| {name} | {100 * each.median:.1f} % | {100 * each.p90:.1f} % | {ranks} |")
    return rows


def reached(qualities: Mapping[str, Quality]) -> bool:
    """Whether the calibrated roofline is as good as is wanted, and better than operations."""
    best, ops = qualities[CALIBRATED], qualities[OPERATIONS]
    ranks, theirs = best.spearman or 0.0, ops.spearman or 0.0
    return best.median < min(WANTED_MEDIAN, ops.median) and ranks > max(WANTED_SPEARMAN, theirs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--test", type=int, default=30, help="networks that are predicted")
    parser.add_argument("--fit", type=int, default=24, help="networks that calibrate")
    parser.add_argument("--size", default="320x480", help="HEIGHTxWIDTH of the images")
    parser.add_argument("--threads", type=int, default=cores(), help="threads that compute")
    parser.add_argument("--readings", type=int, default=machine.READINGS, help="passes of each network")
    parser.add_argument("--seed", type=int, default=1, help="which networks")
    parser.add_argument("--json", type=Path, help="where every figure goes")
    asked = parser.parse_args()
    on = machine.hardware(asked.threads)
    drawn = cases(asked.test, asked.fit, arguments.size(asked.size), asked.seed)
    test, fit = measured(*drawn, on, threads=asked.threads, readings=asked.readings)
    shipped = efficiencies.load("cpu")
    found = calibrate(fit, shipped, name="this machine", source="benchmarks/latency.py")
    predicted = predictions(test, fit, found.efficiency, shipped)
    seconds = [each.seconds for each in test]
    qualities = {name: Quality.of(values, seconds) for name, values in predicted.items()}
    assert on.bandwidth is not None, "it was measured"
    print(f"{processor()}, {asked.threads} threads: {on.peak / 1e9:.0f} GOPS, {on.bandwidth / 1e9:.1f} GB/s")
    print(f"{len(test)} networks predicted, {asked.fit} others calibrated; {asked.size}, fp32, ONNX Runtime, batch 1\n")
    print("\n".join(lines(qualities)))
    if asked.json:
        record = {
            "networks": [each.name for each in test],
            "seconds": seconds,
            "predicted": predicted,
            "quality": {name: asdict(each) for name, each in qualities.items()},
            "efficiency": found.efficiency.model_dump(mode="json"),
            "hardware": asdict(on),
            "made_by": provenance(),
        }
        asked.json.write_text(json.dumps(record, indent=1), encoding="utf-8")
    ok = reached(qualities)
    print(
        f"\n{'Reached' if ok else 'Missed'}: a median error under 10 % and Spearman over 0.97, better than operations."
    )
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
