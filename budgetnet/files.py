"""Writing files: all of a file or nothing of it, and only inside the folder that was asked for."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from secrets import randbelow
from tempfile import TemporaryDirectory, gettempdir

from budgetnet.errors import BudgetnetError, printable

PART = ".part"
"""How names of files end that are still being written."""


def is_unfinished(name: str) -> bool:
    """Whether this is the name of a file that was being written, by whatever process."""
    return re.fullmatch(rf"\..+\.\d+{re.escape(PART)}", name) is not None


def make_folder(folder: Path) -> Path:
    """Makes the folder and those above it. Raises BudgetnetError naming it where that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BudgetnetError(_cannot(folder, "folder", error)) from error
    return folder


def write(path: Path, content: bytes) -> Path:
    """Writes a file atomically: readers and a crash find the old one or the new one, whole. Raises BudgetnetError."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Inside, a temporary path to write a file to; after it, that file has replaced the one at `path`, atomically.

    At an exception nothing of it is left and the old file stays. Raises BudgetnetError where it cannot be written,
    which any OSError from inside is taken for.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{randbelow(10**6):06d}{PART}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise BudgetnetError(_cannot(path, "file", error)) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def scratch(folder: Path | None) -> Iterator[Path]:
    """Inside, a temporary folder in `folder`, made where it is missing, or where the system keeps such. After it, both
    are gone again, whatever happens; the latter only where nothing has come into it. Raises BudgetnetError.
    """
    with nullcontext() if folder is None else _made(folder):
        try:
            temporary = TemporaryDirectory(prefix=".budgetnet-", dir=folder, ignore_cleanup_errors=True)
        except OSError as error:
            raise BudgetnetError(_cannot(folder or Path(gettempdir()), "folder", error)) from error
        with temporary as name:
            yield Path(name)


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Inside, there is the folder; after it, it is gone again where it was made for nothing."""
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        make_folder(folder)
        yield
    finally:
        for each in made:
            with suppress(OSError):  # not empty
                each.rmdir()


def remove(path: Path) -> None:
    """Removes a file where there is one; a folder of that name is left alone. Raises BudgetnetError."""
    try:
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
    except OSError as error:
        raise BudgetnetError(_cannot(path, "file", error)) from error


def write_all(folder: Path, contents: Mapping[str, bytes]) -> list[Path]:
    """Writes several files into one folder, made where it is missing, once there is room for all of them; they appear
    in their order. Names must be plain. Raises BudgetnetError.
    """
    for name in contents:
        if Path(name).name != name or name in ("", "..") or not name.isprintable():
            raise BudgetnetError(f"{printable(name)!r}: a report's file must stay in its folder {folder}")
    with _made(folder), ExitStack() as stack:
        for name, content in reversed([*contents.items()]):  # the last that is begun is the first to be there
            stack.enter_context(replacing(folder / name)).write_bytes(content)
    return [folder / name for name in contents]


def _cannot(path: Path, kind: str, error: OSError) -> str:
    return f"{printable(str(path))}: must be a {kind} that can be written, but got {error.strerror}"
