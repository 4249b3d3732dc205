"""Where a figure comes from: the versions and the machine that made it."""

import os
import platform
import re
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("budgetnet", "torch", "optuna", "fvcore", "numpy", "pandas")


def provenance() -> dict[str, str]:
    """Name -> value: budgetnet's commit, the versions of what computes, the machine, the command that was given."""
    return {
        "command": shlex.join(["budgetnet", *map(without_password, sys.argv[1:])]),
        "commit": _commit(),
        **{package: _version(package) for package in PACKAGES},
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }


def processor() -> str:
    """The name of the processor, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return (named[0] if named else platform.processor() or platform.machine()) or "processor"


_PASSWORD = re.compile(r"(://[^:/@?#\s]*):.*@")
_IN_QUERY = re.compile(r"(?i)([?&;][^=&;]*pass[^=&;]*=)[^&;]*")


def without_password(word: str) -> str:
    """A word of a command line as reports may show it: the password that a URL in it holds is `***`."""
    return _IN_QUERY.sub(r"\1***", _PASSWORD.sub(r"\1:***@", word)) if "://" in word else word


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    """The commit of the checkout that budgetnet runs from, `+` behind it when something in it was changed since."""
    folder = Path(__file__).parent
    if not (folder.parent / ".git").exists():
        return "none (installed package)"
    try:
        head = _git(folder, "rev-parse", "--short=12", "HEAD")
        return head + ("+" if _git(folder, "status", "--porcelain", "--", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)  # noqa: S603 (fixed words)
    return done.stdout.strip()
