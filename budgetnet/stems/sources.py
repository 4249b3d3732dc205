"""What a user writes for pre-trained weights -> the file that is meant: a path, a folder, an address, or `keras`."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from budgetnet.errors import BudgetnetError, first_of, printable, shorten
from budgetnet.stems import catalogue, download

KERAS: Final = "keras"
SUFFIXES: Final = (".h5", ".hdf5", ".safetensors")

_KERAS_WORDS: Final = {"1_0": 1.0, "7_5": 0.75, "5_0": 0.5, "2_5": 0.25}
"""How the names of Keras' files write their depth multiplier."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The file to be read. `depth_multiplier` is the one its name promises, if any; `sha256` the digest it must have;
    `passed_over` are the files that were as good but for their resolution.
    """

    path: Path
    depth_multiplier: float | None = None
    sha256: str | None = None
    passed_over: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A file of a folder, and what its name says: depth multiplier, and resolution of its training (0 where none)."""

    path: Path
    depth_multiplier: float
    resolution: int


def find(source: str, depth_multiplier: float) -> Source:
    """The file that `source` means for a depth multiplier: its own, else the next wider one. Addresses are fetched.

    Raises BudgetnetError where there is none.
    """
    if source == KERAS:
        address = catalogue.address(depth_multiplier)
        return Source(path=download.fetch(address), sha256=address.sha256)
    if "://" in source:
        address = download.parse(source)
        return Source(path=download.fetch(address), sha256=address.sha256)
    try:
        path = Path(source).expanduser()
        if path.is_dir():
            return _in_folder(path, depth_multiplier)
        if path.is_file():
            return Source(path=path)
    except (OSError, RuntimeError, ValueError):  # a name that cannot be one, a user that there is not
        pass
    told = f"a file, a folder, an address https://…#sha256=…, or {KERAS!r}"
    raise BudgetnetError(f"weights must be {told}, but got {shorten(source)}, which is not there")


def _in_folder(folder: Path, depth_multiplier: float) -> Source:
    where = printable(str(folder))
    try:
        held = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    except OSError as error:
        raise BudgetnetError(f"{where}: must be a folder that can be read, but got {error.strerror}") from None
    named = [found for found in map(named_file, held) if found]
    if not named:
        rule = (
            "must hold files named by their depth multiplier, as mobilenet_5_0_224_tf_no_top.h5 or stem_0.5.safetensors"
        )
        got = first_of([printable(path.name) for path in held], 4) or "none"
        raise BudgetnetError(f"{where}: {rule}, but got {got}")
    wide = [found for found in named if found.depth_multiplier >= depth_multiplier - 1e-9]
    if not wide:
        widest = max(found.depth_multiplier for found in named)
        rule = (
            f"must hold weights of depth multiplier {depth_multiplier:g} or more, since stems are narrowed, not widened"
        )
        raise BudgetnetError(f"{where}: {rule}, but the widest is {widest:g}")
    nearest = min(found.depth_multiplier for found in wide)
    best, *others = sorted(
        (found for found in wide if found.depth_multiplier == nearest),
        key=lambda found: (-found.resolution, found.path),
    )
    passed_over = tuple(found.path.name for found in others)
    return Source(path=best.path, depth_multiplier=best.depth_multiplier, passed_over=passed_over)


def named_file(path: Path) -> Named | None:
    """`mobilenet_7_5_192_tf_no_top.h5` is 0.75 at 192, `mobilenet_v1_0.35_160.h5` is 0.35 at 160; None for others."""
    stem = path.name[: -len(path.suffix)] if path.suffix else path.name
    word = re.search(r"(?<![\d.])(1_0|7_5|5_0|2_5)(?![\d.])|(?<![\d.])(\d{1,2}\.\d{1,4})(?![\d.])", stem)
    if word is None:
        return None
    multiplier = _KERAS_WORDS[word[1]] if word[1] else float(word[2])
    resolution = re.search(r"(?<![\d.])(\d{2,4})(?![\d.])", stem[word.end() :])
    if multiplier <= 0:
        return None
    return Named(path=path, depth_multiplier=multiplier, resolution=int(resolution[1]) if resolution else 0)
