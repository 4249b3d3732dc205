"""One bench as the command line runs it: networks, runtimes, measuring and replays put together, reports written."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from budgetnet import files, formats, scenario
from budgetnet.bench import replay_report, runtimes
from budgetnet.bench import report as bench_report
from budgetnet.bench.alike import differences
from budgetnet.bench.measuring import Case, measure
from budgetnet.bench.network import Network, Target
from budgetnet.bench.pinning import cores, load, pinned
from budgetnet.bench.replays import Pairs, Plan, replay_all, servable
from budgetnet.bench.report import Bench
from budgetnet.bench_targets import Asked, Size, targets
from budgetnet.errors import BudgetnetError, printable
from budgetnet.progress import bars
from budgetnet.provenance import provenance
from budgetnet.report import Report
from budgetnet.scenario import Scenario

FOLDER: Final = Path("reports") / "bench"
FORMATS: Final = ("markdown", "csv", "json")
BATCHES: Final = (1, 8)
REPLAY_SECONDS: Final = 10.0

ENVIRONMENT: Final = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY")
"""Variables that change how threads wait and how many there are: reports tell those that are set."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for. None stands for: all runtimes that are installed, `BATCHES`, all cores, and in a scenario
    `REPLAY_SECONDS`; `deadline` is in milliseconds, by default the time to the camera's next frame.
    """

    words: Sequence[str]
    runtimes: Sequence[str] | None = None
    batches: Sequence[int] | None = None
    threads: int | None = None
    size: Size | None = None
    classes: int = 7
    readings: int = 30
    seconds: float = 120.0
    scenario: str | None = None
    replay: float | None = None
    deadline: float | None = None
    staggered: bool = False
    simulate: bool = False


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What goes to the screen, and what was written."""

    shown: Report
    written: Sequence[Path]


class InterruptedBenchError(Exception):
    """The user has stopped a bench; the message says what is there."""


def run_bench(request: Request, *, folder: Path | None = None, write: bool = True) -> Outcome:
    """Measures networks, and in a scenario replays it with each; writes bench.md, .csv and .json into `folder` unless
    `write` is off. Raises BudgetnetError; InterruptedBenchError after Ctrl-C.
    """
    try:
        made = bench_report.report(_measured(request))
    except KeyboardInterrupt:
        raise InterruptedBenchError("Interrupted: nothing is written.") from None
    return Outcome(shown=bench_report.for_screen(made), written=_write(folder or FOLDER, made) if write else [])


def _measured(request: Request) -> Bench:
    _check(request)
    loaded = None if request.scenario is None else scenario.load(request.scenario)
    threads, busy = request.threads or cores(), load()
    _keep_memory()
    keys, notes = _chosen_runtimes(request.runtimes)
    with pinned(threads) as kept, bars(per_second=1) as begin:
        begin("preparing")
        asked = targets(request.words, Asked(scenario=loaded, size=request.size, classes=request.classes))
        with _enough_memory():
            cases, left_out = _cases(asked, keys, threads, request)
            pairs = _pairs(asked, keys, cases, request)
            readings = measure(cases, readings=request.readings, seconds=request.seconds, watch=begin("measuring"))
            plan = None if loaded is None else _plan(loaded, request)
            replays = [] if plan is None else replay_all(pairs, cases, readings, plan, begin("replaying"))
    if readings and len(readings[0].seconds) < request.readings:
        rounds = len(readings[0].seconds)
        notes.append(
            f"Stopped after {request.seconds:g} s: {rounds} readings each of the {request.readings} asked for."
        )
    return Bench(
        readings=readings,
        replays=replays,
        names={key: runtimes.runtime(key).NAME for key in keys},
        notes=[*notes, *left_out],
        threads=threads,
        cores=cores(),
        pinned=kept,
        load=busy,
        settings=_settings(request, threads),
        networks={each.label: each.about for each in asked},
        made_by={**provenance(), "processor": _processor(), **{key: runtimes.runtime(key).version() for key in keys}},
        unlike=differences([case.network for case in cases], sizes=loaded is None),
    )


def _check(request: Request) -> None:
    """Refuses what would do nothing or cannot be. Raises BudgetnetError."""
    if request.threads is not None and request.threads > cores():
        raise BudgetnetError(f"--threads: must be 1 to {cores()}, the cores of this process, but got {request.threads}")
    if request.scenario is not None and request.size is not None:
        raise BudgetnetError("--size: must be left to the scenario's camera groups, but got one with --scenario")
    only = {
        "--replay": request.replay is not None,
        "--deadline": request.deadline is not None,
        "--stagger": request.staggered,
        "--simulate": request.simulate,
    }
    if request.scenario is None and any(only.values()):
        given = ", ".join(name for name, is_given in only.items() if is_given)
        raise BudgetnetError(f"--scenario: must be given to replay, but got {given} without it")


def _chosen_runtimes(asked: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """Keys of the runtimes, and what to say of those that are left out."""
    if asked is not None:
        for key in asked:
            runtimes.runtime(key)
        return list(dict.fromkeys(asked)), []
    found = runtimes.installed()
    missing = [key for key in runtimes.names() if key not in found]
    return found, [f"Left out: {key} is not installed ({runtimes.how_to_install(key)})." for key in missing]


def _cases(
    asked: Sequence[Target], keys: Sequence[str], threads: int, request: Request
) -> tuple[list[Case], list[str]]:
    """Every network with every runtime and batch, ready; and why some that nobody named are not among them."""
    cases, left_out = [], []
    for network in (each for target in asked for each in target.networks):
        for key in keys:
            try:
                cases += [
                    Case.ready(network, runtime_name=key, threads=threads, batch=batch)
                    for batch in _batches(network, request)
                ]
            except BudgetnetError as error:
                if request.runtimes is not None:
                    raise
                left_out.append(f"Left out: {error}")
    if not cases:
        raise BudgetnetError("\n".join(left_out))
    return cases, left_out


def _batches(network: Network, request: Request) -> Sequence[int]:
    if network.batch is None:
        return list(dict.fromkeys(request.batches or BATCHES))
    others = [batch for batch in request.batches or () if batch != network.batch]
    if others:
        rule = f"must be {network.batch}, the only one that {printable(network.label)} takes"
        raise BudgetnetError(f"--batch: {rule}, but got {others[0]}")
    return [network.batch]


def _pairs(asked: Sequence[Target], keys: Sequence[str], cases: Sequence[Case], request: Request) -> Pairs:
    """What is to be replayed. Raises BudgetnetError where that is nothing, before minutes of measuring."""
    wanted = request.scenario is not None and request.replay != 0
    pairs = servable(asked, keys, cases) if wanted else ()
    if wanted and not pairs:
        raise BudgetnetError("--batch: must hold 1 to replay a scenario, which computes single images, but does not")
    return pairs


def _plan(loaded: Scenario, request: Request) -> Plan:
    return Plan(
        scenario=loaded.name,
        groups=loaded.groups,
        seconds=REPLAY_SECONDS if request.replay is None else request.replay,
        deadline=None if request.deadline is None else request.deadline / 1000,
        staggered=request.staggered,
        simulate=request.simulate,
    )


def _settings(request: Request, threads: int) -> dict[str, Any]:
    told: dict[str, Any] = {"threads": threads, "readings": request.readings, "seconds at most": request.seconds}
    told |= {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    if request.scenario is not None:
        told["scenario"] = request.scenario
        told["replay seconds"] = REPLAY_SECONDS if request.replay is None else request.replay
        told["deadline"] = "the next frame" if request.deadline is None else f"{request.deadline:g} ms"
        told["cameras of a group"] = "take turns" if request.staggered else "in phase"
        told["frames"] = "simulated from the readings" if request.simulate else "computed"
    return told


def _keep_memory() -> None:
    """As for evaluations: freed memory stays with the process, and calls do not wait for the kernel to map it anew."""
    from budgetnet.training.machine import keep_memory

    keep_memory()


def _processor() -> str:
    import torch

    from budgetnet.training.timing import device_name

    return device_name(torch.device("cpu"))


@contextmanager
def _enough_memory() -> Iterator[None]:
    """Says which setting to change where memory runs out."""
    from budgetnet.training.machine import ran_out_of_memory

    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not ran_out_of_memory(error):
            raise
        raise BudgetnetError("--batch: must fit in memory with all networks that are measured, but does not") from None


def _write(folder: Path, made: Report) -> list[Path]:
    contents: Mapping[str, bytes] = formats.files(made, *FORMATS)
    written = files.write_all(folder, contents)
    stale = f"{replay_report.KEY}.csv"
    if stale not in contents:
        files.remove(folder / stale)
    return written
