"""The folder that predictions are written into: what lies there is either an earlier prediction's, and is replaced, or
somebody's, and is left alone.
"""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
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


@final
class OutputFolder:
    """Where everything about a prediction goes. `film` is the name of the film that is to be written, if any.

    Raises BudgetnetError where files are in the way that no prediction wrote, or an input would be replaced.
    """

    def __init__(self, folder: Path, film: str | None, inputs: Iterable[Path]) -> None:
        self.folder = folder
        self._film = film
        self._before = self._earlier()
        self._require_free()
        self._spare(inputs)

    def begin(self) -> None:
        """Takes an earlier prediction away and marks the folder."""
        files.make_folder(self.folder)
        if self._before is not None:
            for kind, ending in _ENDINGS.items():
                _empty(self.folder / kind, ending)
            for name in (*REPORTS, RECORD, self._old_film()):
                if name:
                    files.remove(self.folder / name)
        mark = json.dumps({"complete": False, "film": self._film})
        files.write(self.folder / RECORD, f"{mark}\n".encode())

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
        files.make_folder(path.parent)
        return files.write(path, content)

    def _earlier(self) -> dict[str, Any] | None:
        """The record of the earlier prediction; None where there was none."""
        path = self.folder / RECORD
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

    def _old_film(self) -> str | None:
        """The name of the earlier prediction's film, where it is one that we would have written."""
        name = (self._before or {}).get("film")
        return name if isinstance(name, str) and Path(name).name == name and Path(name).suffix in FILMS else None

    def _require_free(self) -> None:
        ours = self._before is not None
        for name in (MASKS, OVERLAYS, *REPORTS):
            path = self.folder / name
            if not ours and (path.is_file() or path.is_symlink() or (path.is_dir() and any(path.iterdir()))):
                self._refuse(path)
        if self._film is not None:
            path = self.folder / self._film
            if self._old_film() != self._film and os.path.lexists(path):
                self._refuse(path)

    def _refuse(self, path: Path) -> None:
        rule = "must not be there unless an earlier prediction wrote it"
        raise BudgetnetError(f"{printable(str(path))}: {rule}, but is; give another --output")

    def _spare(self, inputs: Iterable[Path]) -> None:
        """An input must not be what is replaced."""
        lost = [(self.folder / name).resolve() for name in (MASKS, OVERLAYS)]
        films = {(self.folder / name).resolve() for name in (self._film, self._old_film()) if name}
        for path in inputs:
            place = path.resolve()
            if place in films or any(place.is_relative_to(folder) for folder in lost):
                rule = "an input must not be a file that is replaced"
                raise BudgetnetError(f"{printable(str(path))}: {rule}, but is; give another --output")


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
