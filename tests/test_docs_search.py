"""docs/search.md says what is so: its options exist, its samplers are all there are, its numbers are the program's."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from budgetnet.cli import app
from budgetnet.search import coordinator, halving, samplers
from budgetnet.training_settings import Training

TEXT = (Path(__file__).parent.parent / "docs" / "search.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line.partition("#")[0])
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("budgetnet ")
]


def test_every_sampler_has_a_row():
    assert set(re.findall(r"^\| `([a-z0-9-]+)` \|", TEXT, re.MULTILINE)) == set(samplers.names())


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_options_of_its_commands_exist(words):
    command = get_command(app).commands[words[1]]
    known = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_options_that_it_names_exist():
    known = {name for parameter in get_command(app).commands["search"].params for name in parameter.opts}
    assert set(re.findall(r"`(--[a-z-]+)", TEXT)) <= known


def test_what_it_says_of_rungs_is_so():
    assert "the better half go on" in TEXT
    assert halving.REDUCTION == 2
    assert "At the first one, a ninth of a training" in TEXT
    assert halving.automatic(Training(epochs=90)) == (10, 30, 90)


def test_what_it_says_of_deaths_is_so():
    assert "after three deaths in one epoch it has failed" in TEXT
    assert "after six, where it is the whole search that was killed" in TEXT
    assert (coordinator.MOST_DEATHS, coordinator.MOST_ENDS) == (3, 6)
    assert "five trainings in a row fail for one reason" in TEXT
    assert coordinator.ALIKE == 5


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([\w./-]+)\)", TEXT))))
def test_its_links_lead_somewhere(path):
    assert (Path(__file__).parent.parent / "docs" / path).exists()
