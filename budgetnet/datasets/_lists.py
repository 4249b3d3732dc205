"""List files: which images a split holds, one per line. Lists of other people's machines fit as well.

A line names an image, or its file, with as many of the folders before it as one likes: `aachen_000000_000019`,
`aachen/aachen_000000_000019_leftImg8bit.png`, `/SegNet/CamVid/train/0001TP_006690.png`. Of a line that goes on with the
name of the labels, the first word counts. Empty lines and those that begin with `#` are left out.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from budgetnet.datasets import Fault, Sample
from budgetnet.datasets._files import PICTURES
from budgetnet.errors import BudgetnetError, shorten
from budgetnet.image_files import at

Parts = tuple[str, ...]


class Index:
    """The images of a data set, to be found by what lists call them."""

    def __init__(self, pool: Mapping[str, Sample]) -> None:
        self._known: dict[str, list[tuple[str, Parts, Parts]]] = {}
        self.example = shorten(next(sample.name for sample in pool.values()))
        for place, sample in pool.items():
            *above, last = sample.name.split("/")
            folders: Parts = (place.partition("/")[0], *above)
            stems = {last}
            if sample.files:
                *before, file = Path(sample.files[0]).parts
                folders = tuple(before)
                stems.add(os.path.splitext(file)[0])  # noqa: PTH122
            for stem in stems:
                self._known.setdefault(stem, []).append((place, tuple(above), folders))

    def places(self, word: str) -> list[str]:
        """The images that a word may mean: those with most folders in common with it."""
        *above, file = [part for part in word.split("/") if part not in ("", ".")] or [""]
        stem, suffix = os.path.splitext(file)  # noqa: PTH122
        found = self._known.get(file) or (self._known.get(stem) if suffix.lower() in PICTURES else None) or []
        ranked: dict[str, int] = {}
        for place, needed, folders in found:
            same = _common(above, folders)
            # All that the word says must be true, or it must say all that tells the image from others.
            if same == len(above) or (needed and same >= len(needed)) or (not needed):
                ranked[place] = same
        most = max(ranked.values(), default=0)
        return [place for place, same in ranked.items() if same == most]


def _common(left: list[str], right: Parts) -> int:
    """How many of their last parts are the same."""
    count = 0
    for one, other in zip(reversed(left), reversed(right), strict=False):
        if one != other:
            break
        count += 1
    return count


def read_list(path: Path, index: Index, rule: str) -> tuple[list[str], list[Fault]]:
    """The images that a list file names, in its order, and what is wrong with its lines. Raises BudgetnetError, which
    begins with `rule`, where it cannot be read or lists nothing.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise BudgetnetError(f"{rule}, but {at(path)} cannot be read: {why}") from None
    first: dict[str, int] = {}
    faults: list[Fault] = []
    for number, line in enumerate(map(str.strip, lines), start=1):
        if not line or line.startswith("#"):
            continue
        places = index.places(line) or index.places(re.split(r"[\s,;]", line, maxsplit=1)[0])
        got = shorten(line)
        if not places:
            what = f"must name an image of the data set, such as {index.example}, but got {got}"
        elif len(places) > 1:
            what = f"must name one image only, but {got} may be {' or '.join(places[:3])}"
        elif places[0] in first:
            what = f"must name each image once, but got {got}, which is in line {first[places[0]]}"
        else:
            first[places[0]] = number
            continue
        faults.append(Fault(where=f"{at(path)}:{number}", what=what))
    if not first and not faults:
        raise BudgetnetError(f"{at(path)}: a list of images must name one or more, but names none")
    return list(first), faults
