"""The efficiencies that budgetnet ships, out of latencies that others have published.

    python benchmarks/efficiencies.py [--write]

For each kind of runtime the shares are fitted to its latencies, and every latency is also predicted by a fit to the
others of its kind. Those hold the same network in other sizes and elsewhere, so the error that is shipped is a stricter
one: every network predicted by a fit to all other networks. `--write` writes budgetnet/efficiencies/*.yaml; without,
the table is printed. The latencies lie in budgetnet/published/latencies.yaml, the peaks in platform files.
"""

import argparse
import statistics
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from budgetnet import efficiencies, platforms, published
from budgetnet.calibration.crossed import DIGITS, FEWEST, Calibration, calibrate
from budgetnet.calibration.fit import PARAMETERS, Quality, Table, fitted
from budgetnet.calibration.measured import Hardware, Measurement
from budgetnet.efficiencies import Efficiency, Spread
from budgetnet.kernels import kernels
from budgetnet.published import Latency
from budgetnet.yaml_text import flow

RUNTIMES: Final = {
    "TensorRT": "tensorrt",
    "ncnn Vulkan": "vulkan",
    "ncnn CPU": "cpu",
    "TIDL": "accelerator",
    "edgetpu": "accelerator",
    "HailoRT": "dataflow",
}
"""Runtime of a published latency -> the efficiencies that it tells of."""
NAMES: Final = {
    "accelerator": "accelerators that run a network layer by layer: TIDL, Edge TPU",
    "dataflow": "accelerators that lay a network out on the chip, images passing through: HailoRT",
    "cpu": "ncnn on the cores of a Raspberry Pi 5",
    "tensorrt": "TensorRT on NVIDIA GPUs, Maxwell, Pascal and Volta",
    "vulkan": "ncnn with Vulkan on NVIDIA GPUs",
}
CORES: Final = 4
"""Of the Raspberry Pi 5, whose peak is that of all."""

GUESS: Final = Efficiency(
    name="a guess to begin with",
    source="what is usual on processors",
    dense=0.4,
    pointwise=0.2,
    depthwise=0.03,
    transposed=0.1,
    elementwise=0.02,
    bandwidth=0.6,
    floor_us=10.0,
    error=Spread(median=1.0, p90=3.0, measurements=1, how="a guess"),
)
"""Where the fits begin, and stay for what no latency tells of, such as transposed convolutions."""

GUESSES: Final = {"cpu": GUESS.model_copy(update={"depthwise": 0.2, "elementwise": 0.1})}
"""Of kinds for which it is another: cores have no unit for products of matrices that the rest could not use, so what
they reach differs less from class to class.
"""


def measurement(latency: Latency) -> Measurement:
    """A published latency, with the peak and bandwidth of the platform's fastest engine at its precision."""
    platform = platforms.load(latency.platform)
    engine = platform.engines_for(latency.precision)[0]
    peak = engine.peak_ops_per_second(latency.precision)
    assert peak is not None, "engines are asked for by their peak"
    share = latency.threads / CORES if latency.threads else 1
    threads = f", {latency.threads} of {CORES} cores" if latency.threads else ""
    size = f"{latency.height} x {latency.width}"
    return Measurement(
        network=f"{latency.network} {size}, {latency.platform}, {latency.precision}{threads}",
        kernels=kernels(published.graph_of(latency)),
        seconds=latency.milliseconds / 1000,
        whole=True,
        hardware=Hardware(peak=peak * share, bandwidth=platform.bandwidth(engine)),
        precision=latency.precision,
    )


def calibrations() -> dict[str, Calibration]:
    """Key of the efficiencies -> their fit."""
    grouped: dict[str, list[Latency]] = {}
    for latency in published.latencies():
        grouped.setdefault(RUNTIMES[latency.runtime], []).append(latency)
    return {key: _calibration(key, grouped[key]) for key in sorted(grouped)}


def _calibration(key: str, latencies: list[Latency]) -> Calibration:
    """The fit, with the error of networks that it did not see at all where there are two or more."""
    measured, guess = [measurement(latency) for latency in latencies], GUESSES.get(key, GUESS)
    source = f"fitted to {len(measured)} published latencies by benchmarks/efficiencies.py"
    found = calibrate(measured, guess, name=NAMES[key], source=source)
    named = [latency.network for latency in latencies]
    if len(set(named)) < FEWEST:
        return found
    error = _of_other_networks(measured, named, guess)
    return replace(found, efficiency=found.efficiency.model_copy(update={"error": error}))


def _of_other_networks(measured: list[Measurement], named: list[str], guess: Efficiency) -> Spread:
    """How far predictions lie where a network was measured nowhere, in no size: stricter than single latencies."""
    predicted: list[float] = []
    took: list[float] = []
    for network in dict.fromkeys(named):
        inside = [each for each, name in zip(measured, named, strict=True) if name == network]
        others = [each for each, name in zip(measured, named, strict=True) if name != network]
        predicted += Table.of(inside).predicted(fitted(others, guess)).tolist()
        took += [each.seconds for each in inside]
    quality = Quality.of(predicted, took)
    how = f"{len(set(named))} networks, each predicted by a fit to the others"
    median, p90 = (float(f"{value:.{DIGITS}g}") for value in (quality.median, quality.p90))
    return Spread(median=median, p90=p90, measurements=quality.measurements, how=how)


def file_of(calibration: Calibration) -> str:
    """The YAML of its efficiencies."""
    found = calibration.efficiency
    seen, unseen, other = _medians(calibration)
    comment = (
        "# Written by benchmarks/efficiencies.py. On the latencies that they were fitted to, the median error is\n"
        f"# {seen}; on those latencies predicted by a fit to the others, {unseen}; `error` is {other}."
    )
    lines = [f"{name}: {flow(value)}" for name, value in found.model_dump().items()]
    return "\n".join([comment, *lines]) + "\n"


def _medians(calibration: Calibration) -> tuple[str, str, str]:
    """The median errors: as fitted, of single latencies unseen, and the one that is shipped."""
    medians = (calibration.seen.median, calibration.quality.median, calibration.efficiency.error.median)
    first, second, third = (f"{100 * median:.0f} %" for median in medians)
    return first, second, third


def table(found: Mapping[str, Calibration]) -> list[str]:
    """Every latency: published, fitted, and predicted by a fit to the others."""
    rows = [
        "| efficiencies | network, platform | published ms | fitted ms | off | unseen ms | off |",
        "|---|---|" + "---:|" * 5,
    ]
    for key, calibration in found.items():
        for seen, held in zip(calibration.fitted, calibration.held, strict=True):
            rows.append(
                f"| {key} | {held.name} | {1000 * held.measured:.2f} | {1000 * seen.predicted:.2f} "
                f"| {100 * seen.off:+.0f} % | {1000 * held.predicted:.2f} | {100 * held.off:+.0f} % |"
            )
    return rows


def summary(found: Mapping[str, Calibration]) -> list[str]:
    """A row for each kind of runtime: how far its predictions lie."""
    rows = [
        "| efficiencies | of | latencies | seen | latency unseen | network unseen |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for key, calibration in found.items():
        seen, unseen, other = _medians(calibration)
        shipped = other if "networks" in calibration.efficiency.error.how else "one network only"
        rows.append(f"| `{key}` | {NAMES[key]} | {len(calibration.held)} | {seen} | {unseen} | {shipped} |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write budgetnet/efficiencies/*.yaml")
    asked = parser.parse_args()
    found = calibrations()
    print("\n".join(table(found)))
    seen = [abs(each.off) for calibration in found.values() for each in calibration.fitted]
    held = [abs(each.off) for calibration in found.values() for each in calibration.held]
    print(f"\nMedian error of {len(seen)} latencies: {100 * statistics.median(seen):.0f} % as fitted, ", end="")
    print(f"{100 * statistics.median(held):.0f} % unseen.")
    print("\n".join(["", *summary(found), ""]))
    for key, calibration in found.items():
        values = ", ".join(f"{name} {getattr(calibration.efficiency, name):g}" for name in PARAMETERS)
        print(f"{key}: {values}")
        if asked.write:
            folder = Path(efficiencies.__file__).parent
            (folder / f"{key}.yaml").write_text(file_of(calibration), encoding="utf-8")


if __name__ == "__main__":
    main()
