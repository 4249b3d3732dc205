"""Measurements: each made in a process of its own, and on disk before the next one begins."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, final

from budgetnet import files
from budgetnet.errors import BudgetnetError
from budgetnet.provenance import provenance

Order = Mapping[str, Any]
"""What is measured (`what`) and the words for it; `round` and `processes` are not for whoever measures."""

Result = Mapping[str, Any]

LEFT_OUT: Final = ("OMP_", "KMP_", "MKL_", "GOMP_", "ONEDNN_", "DNNL_", "MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")
"""Variables that would change threads, libraries or the allocator of contenders behind our back."""


class StoppedError(Exception):
    """Somebody asked to stop; what was measured is on disk."""


def environment(threads: int | None, given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """That of contenders: as it comes, no GPU, and as many threads as torch chooses by itself, or `threads`."""
    kept = {name: value for name, value in given.items() if not name.startswith(LEFT_OUT)}
    paths = [str(Path(__file__).parent.parent), *filter(None, [given.get("PYTHONPATH")])]
    kept |= {"PYTHONPATH": os.pathsep.join(paths), "CUDA_VISIBLE_DEVICES": ""}
    return kept if threads is None else {**kept, "OMP_NUM_THREADS": str(threads)}


def key(order: Order) -> str:
    """One text per order."""
    return json.dumps(order, sort_keys=True)


@final
class Notebook:
    """What was measured, by order, in one file. Orders that are in it are not measured again."""

    def __init__(self, path: Path, *, threads: int | None, limit: float, restart: bool = False) -> None:
        self._path, self._threads, self._limit = path, threads, limit
        self._found: dict[str, Any] = {}
        self._commit = provenance()["commit"]
        if path.exists() and not restart:
            self._found = _read(path)
        self.machine = self._machine()

    def __contains__(self, order: Order) -> bool:
        return key(order) in self._found

    def result(self, order: Order) -> Result | None:
        """What came of an order, if it was measured."""
        entry = self._found.get(key(order))
        return None if entry is None else entry["result"]

    @property
    def commits(self) -> list[str]:
        """Those of budgetnet that were measured."""
        return sorted({entry["commit"] for entry in self._found.values()})

    def measure(self, orders: Sequence[Order], *, loud: bool = False) -> None:
        """Measures all of the orders, one after the other in turns drawn anew, unless all of them were: what is
        compared was measured together. `loud` ones say themselves how far they are, and have no limit of time.

        Raises StoppedError.
        """
        if all(order in self for order in orders):
            return
        for order in orders:
            self._found.pop(key(order), None)
        turns = list(orders)
        random.Random(key(turns[0])).shuffle(turns)  # noqa: S311 (not secret)
        for order in turns:
            result = self._run(order, loud)
            self._found[key(order)] = {"order": dict(order), "result": result, "commit": self._commit}
            self._write()
            told = ", ".join(str(order[name]) for name in ("what", "round", "network", "contender") if name in order)
            print(f"{told}: {_short(result)}", file=sys.stderr, flush=True)

    def _machine(self) -> Result:
        order = {"what": "machine", "set threads": self._threads}
        found = self._run({"what": "machine"}, loud=False)
        if "failed" in found:
            raise BudgetnetError(f"torch must run here, but got {found['failed']}")
        known = self.result(order)
        if known is not None and known != found:
            rule = "must hold measurements of this machine with this torch"
            raise BudgetnetError(f"{self._path}: {rule}, but got others'; --restart throws them away")
        self._found[key(order)] = {"order": order, "result": dict(found), "commit": self._commit}
        return found

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        files.write(self._path, (json.dumps(list(self._found.values()), indent=1) + "\n").encode())

    def _run(self, order: Order, loud: bool) -> Result:
        words = {name: value for name, value in order.items() if name not in ("round", "processes")}
        start = [sys.executable]
        if order.get("processes"):
            launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(order["processes"])]
            start += launcher
        with tempfile.TemporaryDirectory() as folder:
            answer, said = Path(folder, "answer.json"), Path(folder, "stderr")
            command = [*start, "-m", "trainers.measure", json.dumps(words), str(answer)]
            with said.open("wb") as errors:
                code = _call(
                    command, environment(self._threads), None if loud else errors, None if loud else self._limit
                )
            if code is None:
                return {"failed": f"took longer than {self._limit:g} s"}
            try:
                result: Result = json.loads(answer.read_text(encoding="utf-8"))
                return result
            except (OSError, ValueError):
                lines = said.read_text(encoding="utf-8", errors="replace").strip().splitlines()
                return {"failed": f"ended with {code}" + (f": {lines[-1]}" if lines else "")}


def _call(command: Sequence[str], env: Mapping[str, str], errors: Any, limit: float | None) -> int | None:
    """The exit code of a command, with all that it started gone; None where its time was up. Raises StoppedError."""
    running = subprocess.Popen(  # noqa: S603 (our own words)
        command, env=env, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True
    )
    try:
        return running.wait(timeout=limit)
    except subprocess.TimeoutExpired:
        return None
    except KeyboardInterrupt:
        raise StoppedError from None
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()


def _read(path: Path) -> dict[str, Any]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {key(entry["order"]): {name: entry[name] for name in ("order", "result", "commit")} for entry in entries}
    except (OSError, ValueError, TypeError, KeyError) as error:
        rule = "must be a file that this program wrote"
        raise BudgetnetError(f"{path}: {rule}, but got {type(error).__name__}; --restart throws it away") from None


def _short(result: Result) -> str:
    if "failed" in result:
        return f"failed: {result['failed']}"
    if "rate" in result:
        return f"{result['rate']:.2f} images per second"
    return ", ".join(f"{name} {value / 1e9:.1f} G" for name, value in result.items() if isinstance(value, float))
