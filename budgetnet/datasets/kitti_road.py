"""KITTI Road: `kitti-road:FOLDER`, the folder `data_road` or the one that holds it. Road and not road, from colours.

Images are `training/image_2/um_000000.png`, labels `training/gt_image_2/um_road_000000.png`: magenta is road, red is
not, black counts as neither. Labels of the other task, the own lane (`um_lane_*`), are left alone, and so are the test
images, which have no labels. There are no splits: unless the spec says otherwise, a seeded fifth of the images is for
validation. Source: Fritsch, Kuehnl, Geiger, "A new performance measure and evaluation benchmark for road detection
algorithms" (2013).
"""

import re
from functools import partial
from pathlib import Path

from budgetnet.datasets import Listing, Source
from budgetnet.datasets._files import colours, files_in, labels_in, paired, place, root
from budgetnet.datasets._splits import choice, divided

SOURCE_CLASSES = {0: "not road", 1: "road", 2: "neither"}
COLOURS = {0: (255, 0, 0), 1: (255, 0, 255), 2: (0, 0, 0)}

_ROAD = re.compile(r"(.+)_road_([0-9]+)\.[a-z]+", re.IGNORECASE)


def find(argument: str) -> Source:
    """Pairs of image and labels, by name; the group is the kind of road: um (two lanes, marked), umm (several lanes) or
    uu (unmarked). Raises BudgetnetError naming what is at fault.
    """
    path, chosen = choice(argument, "kitti-road")
    folder = root(path, "kitti-road")
    training = place(
        folder, "training", "data_road/training", what="training (with image_2 and gt_image_2), or data_road with it"
    )
    own = {"all": _pairs(training / "image_2", training / "gt_image_2")}
    return Source(classes=SOURCE_CLASSES, splits=divided(own, chosen, default={"val": "0.2"}))


def _pairs(images: Path, labels: Path) -> Listing:
    by_colour = tuple((colour, number) for number, colour in COLOURS.items())
    return paired(
        files_in(images),
        labels_in(labels, _image_of),
        partial(colours, source_colours=by_colour, source_classes=SOURCE_CLASSES),
        missing_image=lambda name: images / f"{name}.png",
        missing_labels=lambda name: labels / "{0}_road_{2}.png".format(*name.rpartition("_")),
        group=lambda name: name.rpartition("_")[0],
    )


def _image_of(label: str) -> str | None:
    found = _ROAD.fullmatch(label)
    return f"{found[1]}_{found[2]}" if found else None
