"""How fast training gets its images, against decoding PNG in every epoch with Pillow in a DataLoader, in one run.

    python benchmarks/loading.py [--images 96] [--size 320x480] [--rounds 5] [--depth-multiplier 0.5]

Street scenes are drawn and written as PNG at 720 x 960, CamVid's own size (or use --dataset camvid:FOLDER). Printed are

- images per second that arrive as batches ready for the network, without and with augmentation: ours from memory, ours
  mapped from a prepared folder, and a plain DataLoader that opens, crops, scales and augments with Pillow, with two
  worker processes and with none;
- the share of a training step that is spent waiting for its batch: the time in which the loop asks for it, in real
  steps of the network named.

Every round measures all of them one after the other; ratios are medians over the rounds, pair by pair. Only ratios mean
anything on a shared machine.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageEnhance
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from budgetnet import datasets
from budgetnet.build import build
from budgetnet.data import prepare, reading
from budgetnet.data.form import Form
from budgetnet.networks import Candidate
from budgetnet.training.augment import Augmentation
from budgetnet.training.losses.cross_entropy import loss as cross_entropy
from budgetnet.training.machine import device, keep_memory
from budgetnet.training.samples import Samples, Scaling

BATCH = 16
STRONG = {"flip": True, "smallest_scale": 0.5, "largest_scale": 2.0, "photometric": 0.3}
Batches = Callable[[int], Iterable[Any]]
"""Seed -> the batches of one epoch."""


class Decoded(Dataset[tuple[Tensor, Tensor]]):
    """What a training script does by itself: open, cut, scale, augment, one image at a time, with Pillow."""

    def __init__(self, pairs: list[tuple[str, str]], form: Form, strong: bool) -> None:
        self.pairs, self.form, self.strong = pairs, form, strong

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        with Image.open(self.pairs[index][0]) as opened, Image.open(self.pairs[index][1]) as ids:
            image, label = opened.convert("RGB"), Image.fromarray(np.asarray(ids))
        part = self.form.window(image.height, image.width)
        box = (part.left, part.top, part.left + part.width, part.top + part.height)
        size = (self.form.width, self.form.height)
        image = image.resize(size, Image.Resampling.BOX, box)
        label = label.resize(size, Image.Resampling.NEAREST, box)
        if self.strong:
            image, label = self._augmented(image, label)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1), torch.from_numpy(np.array(label))

    def _augmented(self, image: Image.Image, label: Image.Image) -> tuple[Image.Image, Image.Image]:
        width, height = image.size
        scale = random.uniform(0.5, 2.0)  # noqa: S311 (not secret)
        if random.random() < 0.5:  # noqa: S311
            image, label = (each.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for each in (image, label))
        for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
            image = enhance(image).enhance(random.uniform(0.7, 1.3))  # noqa: S311
        if scale >= 1:
            wide, high = round(width / scale), round(height / scale)
            left, top = random.randint(0, width - wide), random.randint(0, height - high)  # noqa: S311
            box = (left, top, left + wide, top + high)
            return (
                image.resize((width, height), Image.Resampling.BILINEAR, box),
                label.resize((width, height), Image.Resampling.NEAREST, box),
            )
        small = round(width * scale), round(height * scale)
        place = random.randint(0, width - small[0]), random.randint(0, height - small[1])  # noqa: S311
        frame, ids = Image.new("RGB", image.size), Image.new("L", image.size, 255)
        frame.paste(image.resize(small, Image.Resampling.BILINEAR), place)
        ids.paste(label.resize(small, Image.Resampling.NEAREST), place)
        return frame, ids


def draw_scenes(folder: Path, count: int) -> str:
    """Street scenes as PNG in CamVid's layout; how they are named."""
    for split, many in (("train", count), ("val", 1)):
        for sample in datasets.find(f"synthetic:train={count},val=1").splits[split].samples[:many]:
            image, ids = sample.read(720, 960)
            for part, pixels in ((split, image), (f"{split}annot", ids)):
                (folder / part).mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(folder / part / f"{sample.name}.png")
    return f"camvid:{folder}"


def loader(pairs: list[tuple[str, str]], form: Form, *, strong: bool, workers: int) -> Batches:
    """A DataLoader as training scripts have it; its workers live on between epochs."""
    kept: DataLoader[tuple[Tensor, Tensor]] = DataLoader(
        Decoded(pairs, form, strong),
        batch_size=BATCH,
        shuffle=True,
        drop_last=False,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    return lambda seed: kept


def ours(split: reading.Split, *, strong: bool) -> Batches:
    """Our batches, from memory or mapped."""
    how = Augmentation(**STRONG, fill=(90, 90, 90)) if strong else Augmentation()  # type: ignore[arg-type]
    return lambda seed: Samples.of(split).shuffled(BATCH, seed, how, device())


def rate(batches: Batches, seed: int) -> float:
    """Images per second of an epoch in which nothing else is done."""
    started, images = time.perf_counter(), 0
    for batch in batches(seed):
        images += len(batch[0])
    return images / (time.perf_counter() - started)


def waiting(batches: Batches, seed: int, step: Callable[[Tensor, Tensor], float]) -> tuple[float, float, float]:
    """Share of an epoch's time spent waiting for batches; the same without its first batch, ahead of which nothing can
    be made; images per second.
    """
    waits, images = [], 0
    left: Iterator[Any] = iter(batches(seed))
    started = before = time.perf_counter()
    first_done = started
    while True:
        try:
            batch, labels, *_ = next(left)
        except StopIteration:
            break
        waits.append(time.perf_counter() - before)
        step(batch, labels)
        images += len(batch)
        before = time.perf_counter()
        if len(waits) == 1:
            first_done = before
    whole = before - started
    return sum(waits) / whole, sum(waits[1:]) / (before - first_done), images / whole


def trainer(depth_multiplier: float, height: int, width: int) -> Callable[[Tensor, Tensor], float]:
    """A real training step of a real candidate."""
    chosen = Candidate.of("mobilenet-fcn", {"depth_multiplier": depth_multiplier})
    model = build(chosen.graph(classes=12, height=height, width=width), seed=0)
    model = model.to(device(), memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    scaling = Scaling(mean=(0.4, 0.4, 0.4))

    def step(images: Tensor, labels: Tensor) -> float:
        images = images.to(device()).contiguous(memory_format=torch.channels_last)
        loss = cross_entropy(model.train()(scaling(images)), labels.to(device()))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.item()

    return step


def table(title: str, rows: dict[str, list[float]], against: str, show: Callable[[float], str]) -> None:
    print(f"\n{title}")
    for name, values in rows.items():
        ratio = statistics.median(a / b for a, b in zip(values, rows[against], strict=True))
        print(f"  {name:34} {show(statistics.median(values)):>10}   {ratio:8.2f} x")


def main(asked: argparse.Namespace) -> None:
    keep_memory()
    height, width = map(int, asked.size.split("x"))
    form = Form(height=height, width=width)
    with tempfile.TemporaryDirectory() as folder:
        spec = asked.dataset or draw_scenes(Path(folder, "png"), asked.images)
        source = datasets.find(spec)
        listed = source.splits["train"].samples[: asked.images]
        chosen = reading.class_map(spec, source, "camvid-11")
        order = prepare.Order(source=source, splits={"train": listed}, chosen=chosen, form=form, made_of={})
        started = time.perf_counter()
        prepare.prepare(order, Path(folder, "prepared"), made_by={})
        prepared = len(listed) / (time.perf_counter() - started)
        mapped_source = datasets.find(f"prepared:{folder}/prepared")
        mapped = reading.load_splits("", mapped_source, ["train"], mapped_source.class_maps[0], form)["train"]
        memory = reading.Split(
            images=np.array(mapped.images), labels=np.array(mapped.labels), names=mapped.names, digest=mapped.digest
        )
        pairs = [(sample.files[0], sample.files[1]) for sample in listed]
        first = Image.open(pairs[0][0])
        print(
            f"{len(pairs)} images of {first.height} x {first.width} as PNG, batches of {BATCH} at {height} x {width}, ",
            end="",
        )
        print(f"{torch.get_num_threads()} threads, {device()}; preparing them once: {prepared:.0f} images per second")
        for strong in (False, True):
            feeds = {
                "PNG, DataLoader, 0 workers": loader(pairs, form, strong=strong, workers=0),
                "PNG, DataLoader, 2 workers": loader(pairs, form, strong=strong, workers=2),
                "ours, in memory": ours(memory, strong=strong),
                "ours, mapped from files": ours(mapped, strong=strong),
            }
            compare(feeds, asked, "with augmentation" if strong else "without augmentation", (height, width))


def compare(feeds: dict[str, Batches], asked: argparse.Namespace, title: str, size: tuple[int, int]) -> None:
    """All feeds one after the other, round by round."""
    for batches in feeds.values():
        rate(batches, 0)  # workers start, caches fill
    rates: dict[str, list[float]] = {name: [] for name in feeds}
    waits: dict[str, list[tuple[float, float]]] = {name: [] for name in feeds}
    speeds: dict[str, list[float]] = {name: [] for name in feeds}
    step = trainer(asked.depth_multiplier, *size)
    for seed in range(asked.rounds):
        for name, batches in feeds.items():
            rates[name].append(rate(batches, seed))
        for name, batches in feeds.items():
            share, later, speed = waiting(batches, seed, step)
            waits[name].append((share, later))
            speeds[name].append(speed)
    base = "PNG, DataLoader, 2 workers"
    table(f"Images per second, loading alone, {title}", rates, base, lambda value: f"{value:,.0f}")
    table(
        f"Images per second, training (depth multiplier {asked.depth_multiplier}), {title}",
        speeds,
        base,
        lambda v: f"{v:.1f}",
    )
    print(f"\nShare of training spent waiting for batches: of whole epochs, and after their first batch; {title}")
    for name, values in waits.items():
        whole, later = (100 * statistics.median(part) for part in zip(*values, strict=True))
        print(f"  {name:34} {whole:9.2f} % {later:9.2f} %")


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    words.add_argument("--images", type=int, default=96)
    words.add_argument("--size", default="320x480")
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--depth-multiplier", type=float, default=0.5)
    words.add_argument("--dataset", default="")
    main(words.parse_args())
