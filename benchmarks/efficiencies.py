"""The efficiencies that budgetnet ships, out of latencies that others have published.

    python benchmarks/efficiencies.py [--write]

For each kind of runtime the shares are fitted to its latencies, and every latency is also predicted by a fit to the
others of its kind: what a platform that nobody has measured can expect. `--write` writes budgetnet/efficiencies/*.yaml;
without, the table is printed. The latencies lie in budgetnet/published/latencies.yaml, the peaks in platform files.
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
    "HailoRT": "accelerator",
}
"""Runtime of a published latency -> the efficiencies that it tells of."""
NAMES: Final = {
    "accelerator": "accelerators with a compiler of their own: TIDL, Edge TPU, HailoRT",
    "cpu": "ncnn on the cores of a Raspberry Pi 5",
    "tensorrt": "TensorRT on NVIDIA GPUs, Pascal and Volta",
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
    grouped: dict[str, list[Measurement]] = {}
    for latency in published.latencies():
        grouped.setdefault(RUNTIMES[latency.runtime], []).append(measurement(latency))
    return {key: _calibration(key, grouped[key]) for key in sorted(grouped)}


def _calibration(key: str, measured: list[Measurement]) -> Calibration:
    source = f"fitted to {len(measured)} published latencies by benchmarks/efficiencies.py"
    return calibrate(measured, GUESS, name=NAMES[key], source=source)


def file_of(calibration: Calibration) -> str:
    """The YAML of its efficiencies."""
    found = calibration.efficiency
    seen, unseen = (f"{100 * each.median:.0f} %" for each in (calibration.seen, calibration.quality))
    comment = (
        "# Written by benchmarks/efficiencies.py. On the latencies that they were fitted to, the median error is\n"
        f"# {seen}; on those latencies predicted by a fit to the others, {unseen}."
    )
    lines = [f"{name}: {flow(value)}" for name, value in found.model_dump().items()]
    return "\n".join([comment, *lines]) + "\n"


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
    for key, calibration in found.items():
        values = ", ".join(f"{name} {getattr(calibration.efficiency, name):g}" for name in PARAMETERS)
        print(f"{key}: {values}")
        if asked.write:
            folder = Path(efficiencies.__file__).parent
            (folder / f"{key}.yaml").write_text(file_of(calibration), encoding="utf-8")


if __name__ == "__main__":
    main()
