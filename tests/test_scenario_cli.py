"""`budgetnet scenario new`, `validate` and `schema` as people use them, at a terminal too."""

import os
import re
import select
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
from shell import Done, Shell, program, words_of

from budgetnet import scenario, scenario_cli, schema

FLAGS = shlex.split("--cameras 4 --fps 30 --size 320x480 --budget-gops 300 --classes 7")
COMMANDS = {
    command.callback.__name__: command.callback for command in scenario_cli.app.registered_commands if command.callback
}


# --- new


def test_new_writes_a_file_and_says_how_to_go_on(shell: Shell) -> None:
    done = shell("scenario", "new", "mine.yaml", *FLAGS)
    assert (done.code, done.err) == (0, "Written: mine.yaml\n")
    assert done.out.startswith("54 of 72 candidates fit 300 GOPS at 120 images per second")
    next_commands = re.findall(r"^  budgetnet (.+)$", done.out, re.MULTILINE)
    assert next_commands == ["plan mine.yaml", "search mine.yaml --trials 12"]
    assert shell.files() == ["mine.yaml"]
    assert shell(*shlex.split(next_commands[0])).code == 0


def test_new_with_defaults_is_scenario_urban_under_another_name(shell: Shell) -> None:
    assert shell("scenario", "new", "--defaults").code == 0
    assert scenario.load("mine.yaml") == scenario.load("urban").changed(name="mine", description="", platform=None)


def test_new_takes_camera_groups(shell: Shell) -> None:
    words = "--group front:1x30@640x960 --group surround:4x15@320x480 --reserve 0.2 --budget-gops 500 --classes 7"
    assert shell("scenario", "new", "surround", *words.split(), "--platform", "jetson-agx-xavier").code == 0
    made, built_in = scenario.load("surround.yaml"), scenario.load("surround")
    assert made == built_in.changed(description="")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["x", "--cameras", "4"],
            "Error: --fps, --size, --budget-gops, --classes: must be given, or else --defaults: nobody can be asked, "
            "since input or output is no terminal",
        ),
        (
            ["x", *FLAGS, "--fps", "0", "--reserve", "1"],
            "Error: --fps: must be greater than 0, but got 0\n--reserve: must be 0.99 or less, but got 1",
        ),
        (
            ["taken", *FLAGS],
            "Error: taken.yaml: must be a new file (--force replaces one), but got one that is there",
        ),
        (
            ["taken.yaml/x", *FLAGS],
            "Error: taken.yaml: must be a folder that can be written, but got File exists",
        ),
    ],
)
def test_new_refuses(shell: Shell, words: list[str], message: str) -> None:
    Path("taken.yaml").write_text("precious")
    assert shell.refused("scenario", "new", *words) == message
    assert shell.files() == ["taken.yaml"]
    assert Path("taken.yaml").read_text() == "precious"


def test_new_replaces_with_force(shell: Shell) -> None:
    Path("taken.yaml").write_text("old")
    assert shell("scenario", "new", "taken", *FLAGS, "--force").code == 0
    assert scenario.load("taken.yaml").name == "taken"


def test_new_whose_file_cannot_be_written_leaves_nothing(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    message = "Error: mine.yaml: must be a file that can be written, but got No space left on device"
    assert shell.refused("scenario", "new", "--defaults") == message
    assert shell.files() == []


def test_new_takes_words_that_are_no_text(tmp_path: Path) -> None:
    done = program("scenario", "new", "--defaults", "--description", "\udcff", folder=tmp_path)
    message = "Error: --description: must be text without control characters, but got '\\udcff'\n"
    assert done == Done(code=2, out="", err=message)
    path = "na\udcffme.yaml"
    done = program("scenario", "new", "--defaults", path, folder=tmp_path)
    assert (done.code, done.err) == (0, "Written: na\\udcffme.yaml\n")
    assert (tmp_path / path).read_text().startswith("# Scenario mine")


def test_new_without_standard_input(tmp_path: Path) -> None:
    command = ["sh", "-c", 'exec "$0" -m budgetnet scenario new <&-', sys.executable]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: --name, --cameras (or --group), --fps, ")


# --- new, at a terminal


AT_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
"""Makes the terminal the one whose keys send signals."""


class Terminal:
    """Runs the program at a terminal and types for it."""

    def __init__(self, folder: Path, *words: str) -> None:
        pty = pytest.importorskip("pty")
        self.shown = ""
        self._typed = 0
        self._end, inner = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-c", AT_TERMINAL, sys.executable, "-m", "budgetnet", *words],
            cwd=folder,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "NO_COLOR": "1"},
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
        )
        os.close(inner)

    def wait_for(self, text: str) -> None:
        """Reads until the last line shown since something was typed is this one."""
        while not self.shown[self._typed :].endswith(text):
            assert self._read(), self.shown

    def type(self, text: str) -> None:
        self._typed = len(self.shown)
        os.write(self._end, text.encode(errors="surrogateescape"))

    def ended(self) -> int:
        """The exit code."""
        while self._read():
            pass
        os.close(self._end)
        return self._process.wait(timeout=30)

    def _read(self) -> bool:
        """Reads on. False at the end."""
        assert select.select([self._end], [], [], 30)[0], f"nothing more to read after:\n{self.shown}"
        try:
            read = os.read(self._end, 65536)
        except OSError:  # the other end is closed
            return False
        self.shown += read.decode(errors="replace").replace("\r\n", "\n")
        return bool(read)


PROMPTS = [
    "name [mine]: ",
    "cameras [4]: ",
    "fps [30]: ",
    "input [320x480]: ",
    "platform [none]: ",
    "budget_gops [300]: ",
]
PROMPTS += ["classes [7]: ", "dataset [none]: "]


def test_new_asks_at_a_terminal(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "scenario", "new")
    for prompt, answer in zip(PROMPTS, ["urban", "", "", "", "drive-px2-autochauffeur", "", "", ""], strict=True):
        terminal.wait_for(prompt)
        terminal.type(f"{answer}\n")
    assert terminal.ended() == 0
    assert terminal.shown.rstrip().endswith("budgetnet search urban.yaml --trials 12")
    assert max(map(len, terminal.shown.splitlines())) <= 100
    assert scenario.load(str(tmp_path / "urban.yaml")) == scenario.load("urban").changed(description="")


def test_new_asks_again_at_a_terminal(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "scenario", "new", "mine", *FLAGS[:2], *FLAGS[4:])
    for answer, refusal in (("0", "  fps: must be greater than 0, but got 0"), ("\udcff", "  fps: must be ")):
        terminal.wait_for("fps [30]: ")
        terminal.type(f"{answer}\n")
        terminal.wait_for("fps [30]: ")
        assert refusal in terminal.shown
    terminal.type("15\n")
    for prompt in ("platform [none]: ", "dataset [none]: "):
        terminal.wait_for(prompt)
        terminal.type("\n")
    assert terminal.ended() == 0
    assert scenario.load(str(tmp_path / "mine.yaml")).fps == 15


def test_new_with_all_that_is_needed_asks_nothing_at_a_terminal(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "scenario", "new", "mine", *FLAGS)
    assert terminal.ended() == 0
    assert "[" not in terminal.shown


@pytest.mark.parametrize(("key", "code"), [("\x03", 130), ("\x04", 2)], ids=["Ctrl-C", "Ctrl-D"])
def test_new_that_is_left_writes_nothing(tmp_path: Path, key: str, code: int) -> None:
    terminal = Terminal(tmp_path, "scenario", "new")
    terminal.wait_for("name [mine]: ")
    terminal.type("\n")
    terminal.wait_for("cameras [4]: ")
    time.sleep(0.3)  # as people do: Python misses a signal between its prompt and its waiting for a key
    terminal.type(key)
    assert terminal.ended() == code
    assert "othing was written" in terminal.shown
    assert "Traceback" not in terminal.shown
    assert list(tmp_path.iterdir()) == []


# --- validate


def test_validate_tells_every_fault_of_every_file(shell: Shell) -> None:
    Path("good.yaml").write_text(
        "name: a\ncameras: 1\nfps: 29.97\nbudget_gops: 70\nclasses: 2\ninput: {height: 64, width: 64}\n"
    )
    Path("bad.yaml").write_text("name: aux\ncameras: 1\nfps: 0\nclasses: 2\ninput: {height: 64, width: 64}\n")
    Path("sp ace.yaml").write_text("x")
    done = shell("scenario", "validate", "good.yaml", "bad.yaml", "urbn", "none.yaml", "sp ace.yaml", "urban")
    assert done.code == 2
    assert done.out.splitlines() == [
        "good.yaml: fine (a: 1 camera, 29.97 images/s, 70 GOPS, 72 candidates)",
        "urban: fine (urban: 4 cameras, 120 images/s, 300 GOPS, 72 candidates)",
    ]
    assert done.err.splitlines() == [
        "bad.yaml:1: budget_gops: must be given, but got nothing",
        "bad.yaml:1: name: must be a name that every system takes for a folder, but got 'aux'",
        "bad.yaml:3: fps: must be greater than 0, but got 0",
        "Error: scenario: must be a YAML file or a built-in scenario, but got 'urbn'; did you mean 'urban'?",
        "none.yaml:1: (file): must exist, but got no such file",
        "sp ace.yaml:1: (file): must be a mapping of fields, but got a single value",
    ]


@pytest.mark.parametrize("name", scenario.names())
def test_validate_says_what_a_scenario_asks_for(shell: Shell, name: str) -> None:
    done = shell("scenario", "validate", name)
    assert (done.code, done.err) == (0, "")
    assert re.fullmatch(
        rf"{name}: fine \({name}: \d cameras?.*, \d+ images/s, \d+ GOPS.*, \d+ candidates\)\n", done.out
    )


def test_validate_says_limits_and_groups(shell: Shell) -> None:
    assert shell("scenario", "validate", "surround").out == (
        "surround: fine (surround: 5 cameras in 2 groups, 90 images/s, 500 GOPS less 20%, 72 candidates)\n"
    )
    words = ["--budget-mb", "64", "--cameras", "1"]
    shell("scenario", "new", "--defaults", *words)
    with Path("mine.yaml").open("a") as file:
        file.write(
            "search_space: {depth_multiplier: 0.5, final_endpoint: Conv2d_11_pointwise, classifier_kernel: 3, "
            "classifier_depth: 64}\n"
        )
    assert shell("scenario", "validate", "mine.yaml").out == (
        "mine.yaml: fine (mine: 1 camera, 30 images/s, 300 GOPS, 64 MB, 1 candidate)\n"
    )


def test_validate_refuses_what_a_plan_refuses(shell: Shell) -> None:
    space = "{depth_multiplier: {from: 0.001, to: 1, step: 0.001}, classifier_kernel: {from: 1, to: 255, step: 1}}"
    group = f"{{name: %s, network: mobilenet-fcn, fps: 1, input: {{height: 64, width: 64}}, search_space: {space}}}"
    Path("large.yaml").write_text(f"name: a\nbudget_gops: 1\nclasses: 2\ncameras: [{group % 'a'}, {group % 'b'}]\n")
    message = shell.refused("scenario", "validate", "large.yaml")
    assert re.fullmatch(
        r"Error: large\.yaml: search_space: must hold 10,000,000 choices of networks or fewer, but got [\d,]+", message
    )
    assert shell.refused("plan", "large.yaml") == message.replace("large.yaml: ", "")


def test_validate_writes_nothing(shell: Shell) -> None:
    shell("scenario", "validate", "urban")
    assert shell.files() == []


# --- schema


def test_schema_is_what_is_committed(shell: Shell) -> None:
    done = shell("scenario", "schema")
    assert (done.code, done.err) == (0, "")
    assert done.out == (Path(__file__).parents[1] / "scenarios" / schema.FILE_NAME).read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", ["schema", "validate urban", "new --defaults"])
def test_output_that_cannot_be_written_is_told(tmp_path: Path, words: str) -> None:
    command = [sys.executable, "-m", "budgetnet", "scenario", *words.split()]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert done.returncode == 2
    message = "Error: standard output: must be writable, but got No space left on device"
    assert done.stderr.splitlines()[-1] == message


# --- help


def test_help_names_every_command(shell: Shell) -> None:
    for words in (["scenario", "--help"], ["scenario", "-h"]):
        shown = words_of(shell(*words).out)
        assert set(COMMANDS) == {"new", "validate", "schema"}
        for name, callback in COMMANDS.items():
            first = " ".join((callback.__doc__ or "").partition("\n\n")[0].split())
            assert f"{name} {first}" in shown
    done = shell("scenario")
    assert done.code == 2
    assert words_of(done.out + done.err) == words_of(shell("scenario", "-h").out)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_teaches_and_its_example_runs(shell: Shell, name: str) -> None:
    (example,) = re.findall(r"Example: budgetnet (.+)", " ".join((COMMANDS[name].__doc__ or "").split()))
    assert example.startswith(f"scenario {name}")
    shown = words_of(shell("scenario", name, "--help").out)
    assert f"budgetnet scenario {name} [OPTIONS]" in shown
    assert f"Example: budgetnet {example}" in shown
    assert shell(*shlex.split(example)).code == 0


def test_every_flag_is_explained(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    shown = shell("scenario", "new", "--help").out
    flags = re.findall(r"│ (--[\w-]+) +\S+ +(.+?) +│", shown)
    fields = {"--size" if name == "input" else f"--{name.replace('_', '-')}" for name in scenario.Scenario.model_fields}
    assert fields - {"--search-space", "--training"} <= {flag for flag, said in flags if len(said) > 10}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["scenario", "frobnicate"], "No such command 'frobnicate'"),
        (["scenario", "validate"], "Missing argument 'FILE...'"),
        (["scenario", "new", "a", "b"], "Got unexpected extra argument"),
        (["scenario", "new", "--frobnicate"], "No such option: --frobnicate"),
    ],
)
def test_wrong_use(shell: Shell, words: list[str], message: str) -> None:
    done = shell(*words)
    assert done.code == 2
    assert message in words_of(done.err)
