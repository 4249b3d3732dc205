"""Frames: pictures without labels, one by one or in sequences, read for a network and written for people.

What a user names (images, folders of them, GIFs, videos) becomes a list of `Source`s in a fixed order, each with a name
of its own for what is written about it: see `listing`. `reading` gives their frames one by one, so that a sequence of
any length takes little memory. `gif` and `video` hold what those formats need; without PyAV all but videos works.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, TypeAlias, final

from budgetnet.datasets import Pixels

Kind: TypeAlias = Literal["image", "gif", "video"]

ENDINGS: dict[Kind, tuple[str, ...]] = {
    "image": (".png", ".jpg", ".jpeg"),
    "gif": (".gif",),
    "video": (".mp4", ".m4v", ".mov", ".mkv", ".avi", ".webm", ".mpg", ".mpeg", ".ts", ".wmv"),
}
"""How files are told apart: by their names' ends, in any case."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file with one frame or more. `name` is that of its frame, or of the folder that its frames' names lie in: it
    is safe as a path, with `/` between folders, and collides with no other source's.
    """

    path: Path
    name: str
    kind: Kind


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a file tells of itself: how many frames it has, where that is known, and how many of them a second."""

    count: int | None = 1
    rate: Fraction | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame that is still to be read. `where` is its file, safe to print, `number` its place in it, from 0.

    `read()` gives it as uint8 (h, w, 3) RGB, from any thread. Raises DataError.
    """

    name: str
    where: str
    number: int
    read: Callable[[], Pixels]
