"""CamVid with its original 32 colours: `camvid32:FOLDER`, as it is first published or as it is often packed anew.

As published, `701_StillsRaw_full` holds the images and `LabeledApproved_full` the labels, `*_L.png`, without splits:
unless the spec says otherwise, a seeded fifth of the images is for validation. Packed anew, `train`, `val` and `test`
hold images, `train_labels`, `val_labels` and `test_labels` labels. Source: Brostow, Fauqueur, Cipolla, "Semantic object
classes in video" (2009); colours of its `label_colors.txt`.
"""

from functools import partial
from pathlib import Path

from budgetnet.datasets import SPLITS, Listing, Source
from budgetnet.datasets._files import colours, ending, files_in, is_there, labels_in, paired, place, root
from budgetnet.datasets._splits import choice, divided

_COLOURS = {
    "Animal": (64, 128, 64),
    "Archway": (192, 0, 128),
    "Bicyclist": (0, 128, 192),
    "Bridge": (0, 128, 64),
    "Building": (128, 0, 0),
    "Car": (64, 0, 128),
    "CartLuggagePram": (64, 0, 192),
    "Child": (192, 128, 64),
    "Column_Pole": (192, 192, 128),
    "Fence": (64, 64, 128),
    "LaneMkgsDriv": (128, 0, 192),
    "LaneMkgsNonDriv": (192, 0, 64),
    "Misc_Text": (128, 128, 64),
    "MotorcycleScooter": (192, 0, 192),
    "OtherMoving": (128, 64, 64),
    "ParkingBlock": (64, 192, 128),
    "Pedestrian": (64, 64, 0),
    "Road": (128, 64, 128),
    "RoadShoulder": (128, 128, 192),
    "Sidewalk": (0, 0, 192),
    "SignSymbol": (192, 128, 128),
    "Sky": (128, 128, 128),
    "SUVPickupTruck": (64, 128, 192),
    "TrafficCone": (0, 0, 64),
    "TrafficLight": (0, 64, 64),
    "Train": (192, 64, 128),
    "Tree": (128, 128, 0),
    "Truck_Bus": (192, 128, 192),
    "Tunnel": (64, 0, 64),
    "VegetationMisc": (192, 192, 0),
    "Void": (0, 0, 0),
    "Wall": (64, 192, 0),
}

SOURCE_CLASSES = dict(enumerate(_COLOURS))
COLOURS = dict(enumerate(_COLOURS.values()))

_STILLS, _LABELLED = "701_StillsRaw_full", "LabeledApproved_full"


def find(argument: str) -> Source:
    """Pairs of image and labels, by name; the group is the sequence. Raises BudgetnetError naming what is at fault."""
    path, chosen = choice(argument, "camvid32")
    folder = root(path, "camvid32")
    here = place(
        folder,
        *(_STILLS, _LABELLED),
        *(name for split in SPLITS for name in (split, f"{split}_labels")),
        what=f"{_STILLS} and {_LABELLED}, or train and train_labels",
    )
    if here.name in (_STILLS, _LABELLED):
        own = {"all": _pairs(folder / _STILLS, folder / _LABELLED)}
        return Source(classes=SOURCE_CLASSES, splits=divided(own, chosen, default={"val": "0.2"}))
    there = [split for split in SPLITS if is_there(folder / split) or is_there(folder / f"{split}_labels")]
    own = {split: _pairs(folder / split, folder / f"{split}_labels") for split in there}
    return Source(classes=SOURCE_CLASSES, splits=divided(own, chosen))


def _pairs(images: Path, labels: Path) -> Listing:
    by_colour = tuple((colour, number) for number, colour in COLOURS.items())
    return paired(
        files_in(images),
        labels_in(labels, ending("_L")),
        partial(colours, source_colours=by_colour, source_classes=SOURCE_CLASSES),
        missing_image=lambda name: images / f"{name}.png",
        missing_labels=lambda name: labels / f"{name}_L.png",
        group=lambda name: name.partition("_")[0],
    )
