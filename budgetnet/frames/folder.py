"""The folder that predictions are written into: what lies there is either an earlier prediction's, and is replaced, or
somebody's, and is left alone.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, final

from budgetnet import files
from budgetnet.errors import BudgetnetError, printable
from budgetnet.frames.film import FILMS

RECORD: Final = "predictions.json"
"""Says that the folder is a prediction's. While one is under way, or was stopped, it says `"complete": false`."""

REPORTS: Final = ("predictions.md", "predictions.csv")
MASKS: Final = "masks"
OVERLAYS: Final = "overlays"
_ENDINGS: Final = {MASKS: ".png", OVERLAYS: ".jpg"}


def earlier_pictures(folder: Path) -> list[Path]:
    """Where an earlier prediction in this folder has put its pictures, if there was one. Raises BudgetnetError."""
    record = _earlier(folder)
    names = [] if record is None else [MASKS, OVERLAYS, _film_of(record)]
    return [folder / name for name in names if name]


@final
class OutputFolder:
    """Where everything about a prediction goes. `film` is the name of the film that is to be written, if any.

    Raises BudgetnetError where files are in the way that no prediction wrote, or an input would be replaced.
    """

    def __init__(self, folder: Path, film: str | None, inputs: Iterable[Path]) -> None:
        self.folder = folder
        self._film = film
        self._before = _earlier(folder)
        self._made: list[Path] = []
        self._written: list[Path] = []
        self._old_film = None if self._before is None else _film_of(self._before)
        self._require_free()
        self._spare(inputs)

    def begin(self) -> None:
        """Takes an earlier prediction away and marks the folder."""
        self._made = [each for each in (self.folder, *self.folder.parents) if not each.exists()]
        files.make_folder(self.folder)
        if self._before is not None:
            for kind, ending in _ENDINGS.items():
                _empty(self.folder / kind, ending)
            for name in (*REPORTS, RECORD, self._old_film):
                if name:
                    files.remove(self.folder / name)
            self._remove_unfinished()
        self._written = [self.folder / name for name in (*REPORTS, RECORD, self._film) if name]
        mark = json.dumps({"complete": False, "film": self._film})
        files.write(self.folder / RECORD, f"{mark}\n".encode())

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Around all that is written: after a fault nothing of it is left. Who stops it keeps the pictures of frames,
        each of which is whole, and the mark.
        """
        try:
            yield
        except Exception:
            self._take_away(self._written)
            raise
        except KeyboardInterrupt:
            self._take_away(each for each in self._written if each.parent == self.folder and each.name != RECORD)
            raise

    def mask(self, name: str, content: bytes) -> Path:
        """Writes the mask of a frame."""
        return self._write(MASKS, name, content)

    def overlay(self, name: str, content: bytes) -> Path:
        """Writes the overlay of a frame."""
        return self._write(OVERLAYS, name, content)

    def film(self) -> Path:
        """Where the film goes."""
        assert self._film is not None
        return self.folder / self._film

    def _write(self, kind: str, name: str, content: bytes) -> Path:
        path = self.folder / kind / f"{name}{_ENDINGS[kind]}"
        self._written.append(path)
        files.make_folder(path.parent)
        return files.write(path, content)

    def _remove_unfinished(self) -> None:
        """What an earlier prediction had under way when it was killed."""
        places = self.folder.iterdir(), *((self.folder / kind).rglob(".*") for kind in _ENDINGS)
        for path in [path for found in places for path in found if files.is_unfinished(path.name)]:
            files.remove(path)

    def _take_away(self, paths: Iterable[Path]) -> None:
        """Removes files, and the folders that are empty then, as far as that can be done."""
        folders = {*self._made}
        for path in paths:
            with suppress(BudgetnetError):
                files.remove(path)
            folders.update(each for each in path.parents if self.folder in each.parents)
        for folder in sorted(folders, key=lambda each: len(each.parts), reverse=True):
            with suppress(OSError):
                folder.rmdir()

    def _require_free(self) -> None:
        ours = self._before is not None
        for name in (MASKS, OVERLAYS, *REPORTS):
            path = self.folder / name
            if not ours and (path.is_file() or path.is_symlink() or (path.is_dir() and any(path.iterdir()))):
                self._refuse(path)
        if self._film is not None:
            path = self.folder / self._film
            if self._old_film != self._film and os.path.lexists(path):
                self._refuse(path)

    def _refuse(self, path: Path) -> None:
        rule = "must not be there unless an earlier prediction wrote it"
        raise BudgetnetError(f"{printable(str(path))}: {rule}, but is; give another --output")

    def _spare(self, inputs: Iterable[Path]) -> None:
        """An input must not be what is replaced."""
        lost = [(self.folder / name).resolve() for name in (MASKS, OVERLAYS)]
        films = {(self.folder / name).resolve() for name in (self._film, self._old_film) if name}
        for path in inputs:
            place = path.resolve()
            if place in films or any(place.is_relative_to(folder) for folder in lost):
                rule = "an input must not be a file that is replaced"
                raise BudgetnetError(f"{printable(str(path))}: {rule}, but is; give another --output")


def _earlier(folder: Path) -> dict[str, Any] | None:
    """The record of an earlier prediction; None where there was none."""
    path = folder / RECORD
    try:
        record = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError):
        record = None
    if not isinstance(record, dict) or not isinstance(record.get("complete"), bool):
        rule = "must be the record of an earlier prediction to be replaced"
        raise BudgetnetError(f"{printable(str(path))}: {rule}, but is not; give another --output")
    return record


def _film_of(record: Mapping[str, Any]) -> str | None:
    """The name of an earlier prediction's film, where it is one that we would have written."""
    name = record.get("film")
    return name if isinstance(name, str) and Path(name).name == name and Path(name).suffix in FILMS else None


def _empty(folder: Path, ending: str) -> None:
    """Removes what a prediction wrote, and no other file; folders that are empty then go too."""
    if folder.is_symlink():
        return
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            if name.endswith(ending) or name.endswith(files.PART):
                files.remove(Path(place) / name)
        with suppress(OSError):  # somebody's file is in it
            Path(place).rmdir()
