"""Small data sets of every kind in their real folder layouts, from a seed.

`make(name, folder)` writes one and returns its spec. `LAYOUTS` are those that are files: each takes the folder, and as
keywords `seed`, `height`, `width` and how many images each part has (`train`, `val`, ...; `images` where there are no
parts).
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from budgetnet import datasets
from budgetnet.classes import ClassList
from budgetnet.data import reading
from budgetnet.datasets import bdd100k, camvid, camvid32, cityscapes, cmp_facade, kitti_road

HEIGHT, WIDTH = 36, 48

Draw = Callable[[], tuple[np.ndarray, np.ndarray]]


def make(name: str, folder: Path, **options: int) -> str:
    """Write a small data set of that kind and return its spec."""
    if name == "synthetic":
        return "synthetic:train=2,val=2"
    if name == "prepared":
        return make_prepared(folder, **options)
    if name not in LAYOUTS:
        return (
            name  # a new one that needs no files; one that does gets a function here, and its bad files are tested too
        )
    return LAYOUTS[name](folder, **options)


def class_list(spec: str, classes: reading.Classes) -> ClassList:
    """The list of classes that a count, a name or names choose for a data set."""
    return reading.class_map(spec, datasets.find(spec), classes).classes


def scenes(ids: Mapping[int, str], seed: int, height: int, width: int) -> Draw:
    """Draws pairs of image and ids: patches of ids that are coloured, so an image tells something of its labels."""
    rng = np.random.default_rng(seed)
    known = np.array(list(ids), np.uint8)
    tints = np.random.default_rng(1).integers(0, 256, (256, 3))

    def draw() -> tuple[np.ndarray, np.ndarray]:
        patch = max(2, min(height, width) // 8)
        coarse = known[rng.integers(0, len(known), (height // patch + 1, width // patch + 1))]
        labels = coarse.repeat(patch, axis=0).repeat(patch, axis=1)[:height, :width]
        noise = rng.integers(-20, 21, (height, width, 3))
        return (tints[labels] + noise).clip(0, 255).astype(np.uint8), np.ascontiguousarray(labels)

    return draw


def save(path: Path, pixels: np.ndarray) -> Path:
    """Write an image file, with the folders that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def coloured(labels: np.ndarray, colours: Mapping[int, tuple[int, int, int]]) -> np.ndarray:
    """Ids as a colour picture."""
    table = np.zeros((256, 3), np.uint8)
    for number, colour in colours.items():
        table[number] = colour
    return table[labels]


def make_camvid(
    folder: Path,
    *,
    seed: int = 5,
    height: int = HEIGHT,
    width: int = WIDTH,
    train: int = 3,
    val: int = 2,
    test: int = 0,
) -> str:
    draw = scenes(camvid.SOURCE_CLASSES, seed, height, width)
    for split, count in (("train", train), ("val", val), ("test", test)):
        for index in range(count):
            image, labels = draw()
            save(folder / split / f"{split}{index}.png", image)
            save(folder / f"{split}annot" / f"{split}{index}.png", labels)
    return f"camvid:{folder}"


def make_cityscapes(
    folder: Path, *, seed: int = 5, height: int = HEIGHT, width: int = 2 * HEIGHT, train: int = 4, val: int = 2
) -> str:
    """Two cities a split; beside the labels lie the other files of the download."""
    draw = scenes(cityscapes.SOURCE_CLASSES, seed, height, width)
    cities = {"train": ("aachen", "bochum"), "val": ("frankfurt", "munster")}
    for split, count in (("train", train), ("val", val)):
        for index in range(count):
            city = cities[split][index % 2]
            image, labels = draw()
            name = f"{city}_{index:06d}_000019"
            save(folder / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png", image)
            fine = folder / "gtFine" / split / city
            save(fine / f"{name}_gtFine_labelIds.png", labels)
            save(fine / f"{name}_gtFine_color.png", image)
            save(fine / f"{name}_gtFine_instanceIds.png", labels.astype(np.uint16))
            (fine / f"{name}_gtFine_polygons.json").write_text("{}", encoding="utf-8")
    return f"cityscapes:{folder}"


def make_camvid32(
    folder: Path,
    *,
    seed: int = 5,
    height: int = HEIGHT,
    width: int = WIDTH,
    images: int = 5,
    train: int = 0,
    val: int = 0,
) -> str:
    """The original layout, or with `train` and `val` the re-packaged one."""
    draw = scenes(camvid32.SOURCE_CLASSES, seed, height, width)
    parts = [(split, f"{split}_labels", count) for split, count in (("train", train), ("val", val)) if count]
    for here, there, count in parts or [("701_StillsRaw_full", "LabeledApproved_full", images)]:
        for index in range(count):
            image, labels = draw()
            name = f"{('0001TP', '0006R0')[index % 2]}_{here[0]}{index:05d}"
            save(folder / here / f"{name}.png", image)
            save(folder / there / f"{name}_L.png", coloured(labels, camvid32.COLOURS))
    return f"camvid32:{folder}"


def make_kitti_road(
    folder: Path, *, seed: int = 5, height: int = HEIGHT, width: int = 2 * WIDTH, images: int = 6
) -> str:
    """With the labels of the other task, and the images without labels, of the download."""
    draw = scenes(kitti_road.SOURCE_CLASSES, seed, height, width)
    training = folder / "data_road" / "training"
    for index in range(images):
        image, labels = draw()
        scene = ("um", "umm", "uu")[index % 3]
        save(training / "image_2" / f"{scene}_{index:06d}.png", image)
        save(training / "gt_image_2" / f"{scene}_road_{index:06d}.png", coloured(labels, kitti_road.COLOURS))
        if scene == "um":
            save(training / "gt_image_2" / f"um_lane_{index:06d}.png", coloured(labels, kitti_road.COLOURS))
        save(folder / "data_road" / "testing" / "image_2" / f"{scene}_{index:06d}.png", image)
    return f"kitti-road:{folder}"


def make_cmp_facade(
    folder: Path, *, seed: int = 5, height: int = WIDTH, width: int = HEIGHT, base: int = 4, extended: int = 2
) -> str:
    draw = scenes(cmp_facade.SOURCE_CLASSES, seed, height, width)
    for part, count in (("base", base), ("extended", extended)):
        for index in range(1, count + 1):
            image, labels = draw()
            name = f"cmp_{part[0] if part == 'base' else 'x'}{index:04d}"
            save(folder / part / f"{name}.jpg", image)
            indexed = Image.frombytes("P", labels.shape[::-1], labels.tobytes())
            indexed.putpalette([0, 0, 0, 0, 0, 170, 0, 0, 255, 0, 85, 255] * 3)
            indexed.save(folder / part / f"{name}.png")
            (folder / part / f"{name}.xml").write_text("<object/>", encoding="utf-8")
    return f"cmp-facade:{folder}"


def make_bdd100k(
    folder: Path,
    *,
    seed: int = 5,
    height: int = HEIGHT,
    width: int = 64,
    train: int = 3,
    val: int = 2,
    old: bool = False,
) -> str:
    draw = scenes(bdd100k.SOURCE_CLASSES, seed, height, width)
    number = 0
    for split, count in (("train", train), ("val", val)):
        for _ in range(count):
            image, labels = draw()
            name, number = f"0a0a0b1a-7c39d8{number:02x}", number + 1
            if old:
                save(folder / "seg" / "images" / split / f"{name}.jpg", image)
                save(folder / "seg" / "labels" / split / f"{name}_train_id.png", labels)
            else:
                save(folder / "images" / "10k" / split / f"{name}.jpg", image)
                save(folder / "labels" / "sem_seg" / "masks" / split / f"{name}.png", labels)
    return f"bdd100k:{folder}"


CLASSES = """\
classes:
  - {name: road, id: 7, colour: [0, 255, 0]}
  - {name: kerb, id: 8}
  - {name: sky, id: 23}
ignore: [0, 255]
"""
PAINTED = """\
name: painted
classes:
  - {name: road, colour: [0, 255, 0]}
  - {name: kerb, colour: [128, 64, 0]}
  - {name: none, colour: [0, 0, 0]}
void: none
ignore:
  - [255, 255, 255]
"""


def make_folder(
    folder: Path,
    *,
    seed: int = 5,
    height: int = HEIGHT,
    width: int = WIDTH,
    images: int = 5,
    train: int = 0,
    val: int = 0,
    painted: bool = False,
) -> str:
    """Flat, or with `train` and `val` in folders of these names with a sequence in each; ids, or colours."""
    colours = {0: (0, 255, 0), 1: (128, 64, 0), 2: (0, 0, 0), 3: (255, 255, 255)}
    draw = scenes(colours if painted else {7: "", 8: "", 23: "", 0: "", 255: ""}, seed, height, width)
    parts = [(f"{split}/drive-1", count) for split, count in (("train", train), ("val", val)) if count]
    for part, count in parts or [("", images)]:
        for index in range(count):
            image, labels = draw()
            save(folder / "images" / part / f"{index:04d}.jpg", image)
            save(folder / "masks" / part / f"{index:04d}.png", coloured(labels, colours) if painted else labels)
    (folder / "classes.yaml").write_text(PAINTED if painted else CLASSES, encoding="utf-8")
    return f"folder:{folder}"


def make_prepared(folder: Path, **options: int) -> str:
    """What `budgetnet data prepare` makes of a small CamVid."""
    from budgetnet.preparing import Asked, run_prepare

    spec = make_camvid(folder / "camvid", **options)
    run_prepare(Asked(spec=spec, classes="lab7", size=(32, 48)), folder=folder / "prepared", force=False)
    return f"prepared:{folder / 'prepared'}"


LAYOUTS: dict[str, Callable[..., str]] = {
    "bdd100k": make_bdd100k,
    "camvid": make_camvid,
    "camvid32": make_camvid32,
    "cityscapes": make_cityscapes,
    "cmp-facade": make_cmp_facade,
    "folder": make_folder,
    "kitti-road": make_kitti_road,
}
