"""The efficiencies that budgetnet ships, out of latencies that others have published.

    python benchmarks/efficiencies.py [--write]

For each kind of runtime the shares are fitted to its latencies, and every network is also predicted, in all its sizes
and on all platforms, by a fit to the other networks: that error is shipped. `--write` writes
budgetnet/efficiencies/*.yaml; without, the tables are only printed. The latencies lie in
budgetnet/published/latencies.yaml, the peaks in platform files.
"""

import argparse
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from budgetnet import efficiencies, platforms, published
from budgetnet.calibration.crossed import Calibration, calibrate
from budgetnet.calibration.fit import PARAMETERS
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
MOST: Final = 1.0
"""Of peaks that were told, not measured: no kernel is quicker, whatever a fit says."""
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
    error=Spread(median=1.0, p90=3.0, factor=4.0, measurements=1, how="a guess"),
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
        network=latency.network,
        case=f"{size}, {latency.platform}, {latency.precision}{threads}",
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
    measured = [measurement(latency) for latency in latencies]
    source = f"fitted to {len(measured)} published latencies by benchmarks/efficiencies.py"
    return calibrate(measured, GUESSES.get(key, GUESS), name=NAMES[key], source=source, most=MOST)


def file_of(calibration: Calibration) -> str:
    """The YAML of its efficiencies."""
    found = calibration.efficiency
    seen, unseen = _medians(calibration)
    comment = (
        "# Written by benchmarks/efficiencies.py. On the latencies that they were fitted to, the median error is\n"
        f"# {seen}; predicted by fits that had not seen them, {unseen}."
    )
    lines = [f"{name}: {flow(value)}" for name, value in found.model_dump().items()]
    return "\n".join([comment, *lines]) + "\n"


def _medians(calibration: Calibration) -> tuple[str, str]:
    """The median errors: as fitted, and unseen."""
    return f"{100 * calibration.seen.median:.0f} %", f"{100 * calibration.quality.median:.0f} %"


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
        "| efficiencies | of | latencies | seen | unseen | nine of ten within | unseen are |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    for key, calibration in found.items():
        (seen, unseen), error = _medians(calibration), calibration.efficiency.error
        count = len({latency.network for latency in published.latencies() if RUNTIMES[latency.runtime] == key})
        dealt = f"{count} networks" if error.how.startswith("whole networks") else "single latencies of one network"
        row = (
            f"| `{key}` | {NAMES[key]} | {len(calibration.held)} | {seen} | {unseen} | a factor of {error.factor:.2f} "
        )
        rows.append(f"{row}| {dealt} |")
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
