"""Names for what is written about a file: recognisable, safe on every file system, and never the same twice."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import PurePath
from typing import TypeAlias

from budgetnet.errors import printable

_UNSAFE = re.compile(r'[\\/:*?"<>|]')
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")
_LONGEST = 150
"""Bytes of one part of a name: file systems take 255, some of which a suffix and a temporary file's name need."""


Key: TypeAlias = tuple[tuple[tuple[int, int, str], ...], str]


def natural(text: str) -> Key:
    """Orders texts as people do: `frame2` before `frame10`. Texts that differ never compare equal."""
    parts = re.split(r"([0-9]+)", text)
    read = tuple((0, int(part), "") if place % 2 else (1, 0, part.casefold()) for place, part in enumerate(parts))
    return read, text  # 01 and 1 are the same number


def safe(part: str) -> str:
    """A file's name as it can be written on every file system: printable, no separators, not hidden, not too long."""
    text = _UNSAFE.sub("_", printable(unicodedata.normalize("NFC", part)))
    text = text.encode()[:_LONGEST].decode(errors="ignore").strip(" .") or "_"
    return f"_{text}" if _DEVICES.match(text) else text


def tails(paths: Sequence[PurePath]) -> list[tuple[str, ...]]:
    """The shortest ends of absolute paths that tell them apart, as parts: `a/images` and `b/images`, but only `seq`."""
    parts = [tuple(part for part in path.parts if part != path.anchor) for path in paths]
    lengths = [1] * len(paths)
    while True:
        ends = [each[-length:] for each, length in zip(parts, lengths, strict=True)]
        seen: dict[tuple[str, ...], list[int]] = {}
        for place, end in enumerate(ends):
            seen.setdefault(tuple(map(_same, end)), []).append(place)
        longer = [
            place for alike in seen.values() if len(alike) > 1 for place in alike if lengths[place] < len(parts[place])
        ]
        if not longer:
            return ends
        for place in longer:
            lengths[place] += 1


class Names:
    """Hands out names: as they are wished for where that is free, else with a number behind."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()
        self._sequences: set[str] = set()

    def claim(self, wishes: Iterable[Sequence[str]], *, sequence: bool) -> str:
        """The first of the wishes (parts of a path, made safe) that is free. A `sequence` is given a whole folder."""
        name = ""
        for wish in wishes:
            name = "/".join(map(safe, wish))
            if self._take(name, sequence):
                return name
        top, slash, rest = name.partition("/")
        for number in count(2):
            # a folder is renamed as a whole, where a sequence has its name, and so are all that lie in it
            for choice in (f"{name}-{number}", f"{top}-{number}{slash}{rest}"):
                if self._take(choice, sequence):
                    return choice
        raise AssertionError("numbers do not end")

    def _take(self, name: str, sequence: bool) -> bool:
        key = _same(name)
        parts = key.split("/")
        above = {"/".join(parts[:depth]) for depth in range(1, len(parts))}
        if key in (self._sequences | self._folders if sequence else self._files) or above & self._sequences:
            return False
        (self._sequences if sequence else self._files).add(key)
        self._folders |= above
        return True


def _same(text: str) -> str:
    """Equal for names that some file systems hold to be the same."""
    return unicodedata.normalize("NFC", text).casefold()
