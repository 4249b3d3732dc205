"""CMP Facade, house fronts in twelve classes: `cmp-facade:FOLDER`, which holds base and perhaps extended, or the files.

Images are JPEG, labels PNG of the same name whose palette indices count, from 1 to 12; the outlines in XML are left
alone. There are no splits: unless the spec says otherwise, a seeded fifth of the images is for validation;
`train=base,val=extended` parts them as they are published. Source: Tylecek, "The CMP Facade database", research report
CTU-CMP-2012-24 (2013).
"""

from functools import partial
from pathlib import Path

from budgetnet.datasets import Listing, Source
from budgetnet.datasets._files import JPEG, PNG, files_in, holds_no, ids, is_there, paired, root
from budgetnet.datasets._splits import choice, divided

SOURCE_CLASSES = {
    1: "background",
    2: "facade",
    3: "window",
    4: "door",
    5: "cornice",
    6: "sill",
    7: "balcony",
    8: "blind",
    9: "deco",
    10: "molding",
    11: "pillar",
    12: "shop",
}

_PARTS = ("base", "extended")


def find(argument: str) -> Source:
    """Pairs of image and labels, by name. Raises BudgetnetError naming the folder or file at fault."""
    path, chosen = choice(argument, "cmp-facade")
    folder = root(path, "cmp-facade")
    own = {part: _pairs(folder / part) for part in _PARTS if is_there(folder / part)} or {"all": _pairs(folder)}
    if "all" in own and not (own["all"].samples or own["all"].faults):
        raise holds_no(folder, "base (and perhaps extended), or images (.jpg) and their labels (.png)")
    return Source(classes=SOURCE_CLASSES, splits=divided(own, chosen, default={"val": "0.2"}))


def _pairs(folder: Path) -> Listing:
    return paired(
        files_in(folder, endings=JPEG),
        files_in(folder, endings=PNG),
        partial(ids, source_classes=SOURCE_CLASSES),
        missing_image=lambda name: folder / f"{name}.jpg",
        missing_labels=lambda name: folder / f"{name}.png",
    )
