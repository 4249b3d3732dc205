"""Writing files: all of a file or nothing of it, and only inside the folder that was asked for."""

import os
from collections.abc import Mapping
from pathlib import Path

from budgetnet.errors import BudgetnetError


def make_folder(folder: Path) -> Path:
    """Makes the folder and those above it. Raises BudgetnetError naming it where that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BudgetnetError(f"{folder}: must be a folder that can be written, but got {error.strerror}") from error
    return folder


def write(path: Path, content: bytes) -> Path:
    """Writes a file atomically: readers and a crash find the old one or the new one, whole. Raises BudgetnetError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise BudgetnetError(f"{path}: must be a file that can be written, but got {error.strerror}") from error
    return path


def write_all(folder: Path, contents: Mapping[str, bytes]) -> list[Path]:
    """Writes several files into one folder, made where it is missing. Names must be plain. Raises BudgetnetError."""
    for name in contents:
        if Path(name).name != name:
            raise BudgetnetError(f"{name}: a report's file must stay in its folder {folder}")
    make_folder(folder)
    return [write(folder / name, content) for name, content in contents.items()]
