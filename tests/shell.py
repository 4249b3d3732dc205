"""The command line for tests: run in this process, or as a program of its own."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from budgetnet import cli

PARKING = """\
name: parking
cameras: 4
fps: 15
budget_gops: 70
classes: 7
input: {height: 320, width: 480}
"""
PLANNED = (
    "plan.md",
    "plan-candidates.csv",
    "plan-stem.csv",
    "plan-head.csv",
    "plan-memory.csv",
    "plan-answers.csv",
    "plan.xlsx",
)
IMPOSSIBLE = PARKING.replace("parking", "impossible").replace("70", "0.001")


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


class Shell:
    """Runs the command line in this process, in an empty folder."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._capture = capture
        self._patch = patch
        patch.chdir(folder)

    def __call__(self, *words: str) -> Done:
        self._patch.setattr(sys, "argv", ["budgetnet", *words])
        with pytest.raises(SystemExit) as ended:
            cli.run()
        code = ended.value.code
        out, err = (re.sub(r"\x1b\[[\d;]*m", "", text) for text in self._capture.readouterr())
        assert "Traceback" not in out + err
        return Done(code=code if isinstance(code, int) else 0, out=out, err=err)

    def refused(self, *words: str) -> str:
        """The one message of a command that is refused."""
        done = self(*words)
        assert (done.code, done.out) == (2, "")
        return done.err.rstrip("\n")

    def files(self) -> list[str]:
        """All files below the folder."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())


def words_of(text: str) -> str:
    """Text without the frames and line breaks of a help page."""
    return " ".join(re.sub(r"[─│╭╮╰╯]", " ", text).split())


def program(*words: str, folder: Path, **environment: str) -> Done:
    done = subprocess.run(
        [sys.executable, "-m", "budgetnet", *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Done(code=done.returncode, out=done.stdout, err=done.stderr)
