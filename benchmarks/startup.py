"""How long `budgetnet plan` takes, against the bare imports of the libraries it is made of, side by side in one run.

    python benchmarks/startup.py [RUNS]

Prints the median wall time of each and their ratio, pair by pair. Only the ratio means anything on a shared machine.
"""

import statistics
import subprocess
import sys
import tempfile
import time

IMPORTS = "import typer, rich.console, rich.table, pydantic, ruamel.yaml; from pydantic import BaseModel"


def seconds(*command: str) -> float:
    """Wall time of a whole process."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *command], check=True, capture_output=True)  # noqa: S603 (our own words)
    return time.perf_counter() - started


def main(runs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        plan = ("-m", "budgetnet", "plan", "urban", "--output", folder)
        seconds(*plan)
        pairs = [(seconds(*plan), seconds("-c", IMPORTS)) for _ in range(runs)]
    ours, bare = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"budgetnet plan urban       {1000 * ours:7.0f} ms (median of {runs})")
    print(f"its libraries' bare import {1000 * bare:7.0f} ms")
    print(f"ratio                      {ratio:7.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
