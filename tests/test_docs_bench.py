"""docs/bench.md says what is so: commands, runtimes, and every number that the code holds."""

import inspect
import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from budgetnet import arguments, bench_cli, benching
from budgetnet.bench import measuring, readings, replayed, runtimes
from budgetnet.cli import app

TEXT = (Path(__file__).parents[1] / "docs" / "bench.md").read_text()
WORDS = " ".join(TEXT.split())
COMMANDS = [
    shlex.split(line.partition(" #")[0])[2:]
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for line in block.splitlines()
]


def default(name: str) -> object:
    return inspect.signature(bench_cli.bench).parameters[name].default


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands_are_understood(words: list[str]) -> None:
    with get_command(app).commands["bench"].make_context("bench", list(words)) as context:  # type: ignore[attr-defined]
        given = context.params["targets"]
    assert given
    for each in given:
        if not each.endswith(".onnx") and not each.startswith("reports/"):
            assert arguments.named(each).label


def test_every_runtime_has_its_row() -> None:
    assert re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE) == sorted(runtimes.names(), key=lambda n: n != "torch")


@pytest.mark.parametrize(
    "told",
    [
        f"up to {measuring.WARM_UP} calls (or one second)",
        f"A turn is {1000 * measuring.REST:g} ms of rest, one call that does not count, three that do",
        f"`--readings` ({default('readings')}, that is {default('readings') // measuring.IN_A_TURN} rounds)",  # type: ignore[operator]
        f"after `--seconds` ({default('seconds')}) no further round is begun, once there are three",
        f"`--replay` seconds ({benching.REPLAY_SECONDS:g}; 0 for not at all)",
        f"wider than {100 * readings.NOISY:g} % of the median",
        f"Of fewer than {readings.FEWEST_ROUNDS} rounds there are no intervals",
        "Runs and candidates are computed in float32",
        f"where there are {readings.ENOUGH_FOR_P99} readings or more",
        f"up to {', '.join(f'{100 * share:g}' for share in replayed.SHARES)} % of their deadline",
        f"they go to `{benching.FOLDER}`".removeprefix("they "),
    ],
)
def test_numbers_are_the_codes(told: str) -> None:
    assert told in WORDS
    assert (measuring.WARM_UP_SECONDS, measuring.FEWEST, measuring.IN_A_TURN) == (1, 3, 3)
